/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of what the applet does with keys: sessions, signatures, and, where it may be changed,
 * containers. */
#include <openssl/evp.h>
#include <string.h>

#include "conformance.h"

#define SIGN IOTSAFE_INS_COMPUTE_SIGNATURE_INIT
#define VERIFY IOTSAFE_INS_VERIFY_SIGNATURE_INIT

static const struct algorithm usual = { IOTSAFE_MODE_PAD_AND_SIGN, IOTSAFE_HASH_SHA256,
                                        IOTSAFE_SIG_ECDSA };

/* Whether INIT is taken; what it opened is closed. */
static enum iotsafe_err try_init(struct inquiry *q, uint8_t ins, unsigned session,
                                 const struct algorithm *a, uint16_t *ret_sw)
{
    enum iotsafe_err err = ask_init(q, ins, session, a);

    *ret_sw = q->rsp.sw;
    if (err == IOTSAFE_OK && sw_is_success(*ret_sw))
        err = ask_close(q, ins, session);
    return err;
}

/* ------------------------------------------------------------------ sessions */

static bool setting_is(const struct inquiry *q, const char *name, const char *value)
{
    const char *is = json_string_value(json_object_get(q->settings, name));

    return is != NULL && strcmp(is, value) == 0;
}

static enum iotsafe_err ask_close_idle(struct inquiry *q)
{
    enum iotsafe_err err = ask_close(q, SIGN, 1);

    if (err == IOTSAFE_OK && sw_is_success(q->rsp.sw))
        err = ask_close(q, SIGN, 1); /* one may have been left */
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X", q->rsp.sw);
    setting(q, "close_idle", sw_is_success(q->rsp.sw) ? "9000" : "6985");
    return IOTSAFE_OK;
}

/* Of the numbers above one that is taken, the highest: they are one row. */
static enum iotsafe_err highest_number(struct inquiry *q, unsigned lowest, unsigned *ret)
{
    unsigned low = lowest, high = 256;

    while (high - low > 1) {
        unsigned n = (low + high) / 2;
        uint16_t sw;
        enum iotsafe_err err = try_init(q, SIGN, n, &usual, &sw);

        if (err != IOTSAFE_OK)
            return err;
        if (sw_is_success(sw))
            low = n;
        else
            high = n;
    }
    *ret = low;
    return IOTSAFE_OK;
}

/* Whether a session answers to another number than its own. An UPDATE without sense tells, or
 * a close where that is refused when nothing is open. */
static enum iotsafe_err numbers_ignored(struct inquiry *q, unsigned number, bool *ret)
{
    static const uint8_t broken[] = { IOTSAFE_TAG_FINAL_HASH, 5, 1 };
    const unsigned other = number == 0 ? 1 : 0;
    enum iotsafe_err err = ask_init(q, SIGN, number, &usual);

    if (err != IOTSAFE_OK)
        return err;
    if (setting_is(q, "close_idle", "9000"))
        err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE,
                                                      .p1 = IOTSAFE_P1_LAST_BLOCK,
                                                      .p2 = (uint8_t)other,
                                                      .data = broken,
                                                      .data_len = sizeof(broken),
                                                      .ne = APDU_NE_MAX });
    else
        err = ask_close(q, SIGN, other);
    *ret = sw_is_success(q->rsp.sw) || q->rsp.sw == SW_WRONG_DATA;
    return err == IOTSAFE_OK ? ask_close(q, SIGN, number) : err;
}

static enum iotsafe_err ask_numbers(struct inquiry *q)
{
    unsigned lowest, highest;
    uint16_t sw = 0;
    bool ignored;
    enum iotsafe_err err = IOTSAFE_OK;

    for (lowest = 0; err == IOTSAFE_OK && lowest < 16; lowest++) {
        err = try_init(q, SIGN, lowest, &usual, &sw);
        if (err != IOTSAFE_OK || sw_is_success(sw))
            break;
    }
    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(sw)) {
        found(q, true, "%04X", sw);
        return IOTSAFE_OK;
    }
    err = highest_number(q, lowest, &highest);
    if (err == IOTSAFE_OK)
        err = numbers_ignored(q, lowest, &ignored);
    if (err != IOTSAFE_OK)
        return err;
    q->session = lowest == 0 && highest > 0 ? 1 : lowest;
    found(q, lowest <= 1, "%u to %u%s", lowest, highest, ignored ? ", ignored" : "");
    setting_number(q, "session_min", lowest);
    setting_number(q, "session_max", highest);
    setting(q, "session_number", ignored ? "ignored" : "checked");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_reopen(struct inquiry *q)
{
    enum iotsafe_err err = ask_init(q, SIGN, q->session, &usual);
    uint16_t sw;

    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw)) {
        found(q, true, "%04X", q->rsp.sw);
        return IOTSAFE_OK;
    }
    err = ask_init(q, SIGN, q->session, &usual);
    sw = q->rsp.sw;
    if (err == IOTSAFE_OK)
        err = ask_close(q, SIGN, q->session);
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X", sw);
    setting(q, "reopen_rule",
            sw_is_success(sw)     ? "restart"
            : sw == SW_WRONG_P1P2 ? "6a86"
                                  : "6985");
    return IOTSAFE_OK;
}

/* How many are open together, on numbers one after the other. */
#define COUNT_MAX 8
static enum iotsafe_err ask_count(struct inquiry *q)
{
    unsigned n = 0;
    uint16_t sw = 0;
    enum iotsafe_err err = IOTSAFE_OK;

    while (err == IOTSAFE_OK && n < COUNT_MAX) {
        err = ask_init(q, SIGN, q->session + n, &usual);
        sw = q->rsp.sw;
        if (err != IOTSAFE_OK || !sw_is_success(sw))
            break;
        n++;
    }
    for (unsigned i = 0; err == IOTSAFE_OK && i < n; i++)
        err = ask_close(q, SIGN, q->session + i);
    if (err != IOTSAFE_OK)
        return err;
    if (sw_is_success(sw))
        found(q, true, "%u and more at once", n);
    else
        found(q, true, "%u at once, then %04X", n, sw);
    q->one_session = n == 1;
    if (!q->told_sessions && n >= 1)
        setting_number(q, "session_count", n);
    return IOTSAFE_OK;
}

/* A verification under the number of a signature that has begun. Where there is one session
 * at a time and both succeed, the verification has taken the signature's place. */
static enum iotsafe_err ask_space(struct inquiry *q)
{
    uint16_t alone, beside, closed;
    enum iotsafe_err err = try_init(q, VERIFY, q->session, &usual, &alone);

    if (err != IOTSAFE_OK)
        return err;
    if (alone == SW_INS_UNKNOWN)
        setting(q, "verify", "off");
    if (!sw_is_success(alone)) {
        found(q, true, "VERIFY SIGNATURE %04X", alone);
        return IOTSAFE_OK;
    }
    setting(q, "verify", "on");
    err = ask_init(q, SIGN, q->session, &usual);
    if (err == IOTSAFE_OK)
        err = ask_init(q, VERIFY, q->session, &usual);
    beside = q->rsp.sw;
    if (err == IOTSAFE_OK)
        err = ask_close(q, SIGN, q->session);
    closed = q->rsp.sw;
    if (err == IOTSAFE_OK)
        err = ask_close(q, VERIFY, q->session);
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X, then the signature's close %04X", beside, closed);
    setting(q, "session_space",
            beside == SW_LIMIT_OR_CHANGED
                    || (sw_is_success(beside) && sw_is_success(closed) && !q->one_session)
                ? "command"
                : "shared");
    return IOTSAFE_OK;
}

/* P1 of the last block: 80, or any with the highest bit. Without a session nothing is done. */
static enum iotsafe_err ask_last_flag(struct inquiry *q)
{
    static const uint8_t data[] = { IOTSAFE_TAG_FINAL_HASH, 1, 0 };
    enum iotsafe_err err = ask(q, &(struct iotsafe_probe_command){
                                      .ins = IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE,
                                      .p1 = 0x90,
                                      .p2 = (uint8_t)q->session,
                                      .data = data,
                                      .data_len = sizeof(data),
                                      .ne = APDU_NE_MAX });

    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X to P1 90", q->rsp.sw);
    setting(q, "last_flag", q->rsp.sw == SW_WRONG_P1P2 ? "80" : "top-bit");
    return IOTSAFE_OK;
}

/* ---------------------------------------------------------------- signatures */

static enum iotsafe_err ask_forms(struct inquiry *q)
{
    static const struct {
        const char *name;
        struct algorithm a;
    } forms[] = {
        { "text", { IOTSAFE_MODE_FULL_TEXT, IOTSAFE_HASH_SHA256, IOTSAFE_SIG_ECDSA } },
        { "last block", { IOTSAFE_MODE_LAST_BLOCK, IOTSAFE_HASH_SHA256, IOTSAFE_SIG_ECDSA } },
        { "digest", { IOTSAFE_MODE_PAD_AND_SIGN, IOTSAFE_HASH_SHA256, IOTSAFE_SIG_ECDSA } },
        { "SHA-384", { IOTSAFE_MODE_PAD_AND_SIGN, IOTSAFE_HASH_SHA384, IOTSAFE_SIG_ECDSA } },
        { "SHA-512", { IOTSAFE_MODE_PAD_AND_SIGN, IOTSAFE_HASH_SHA512, IOTSAFE_SIG_ECDSA } },
    };
    const json_int_t usage = json_integer_value(json_object_get(q->settings, "key_usage"));
    char text[160] = "";
    bool taken[ARRAY_LEN(forms)], by_usage = false;
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        uint16_t sw;
        enum iotsafe_err err = try_init(q, SIGN, q->session, &forms[i].a, &sw);

        if (err != IOTSAFE_OK)
            return err;
        taken[i] = sw_is_success(sw);
        by_usage = by_usage || (sw == SW_CONDITIONS && usage > 1);
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i == 0 ? "" : ", ",
                               forms[i].name);
        if (!taken[i])
            at += (size_t)snprintf(text + at, sizeof(text) - at, " %04X", sw);
    }
    found(q, taken[0] || taken[1] || taken[2], "%s", text);
    setting(q, "modes", taken[2] && !taken[0] && !taken[1] && !by_usage ? "hash-only" : "all");
    /* a key for TLS 1.3 or 1.2 alone takes the form of that */
    setting(q, "enforce_usage", by_usage ? "tls" : "off");
    return IOTSAFE_OK;
}

struct signature {
    uint8_t bytes[300];
    size_t len;
    uint16_t sw;
};

/* A digest of a fixed text, so that nobody can use what comes of it. */
static enum iotsafe_err sign_once(struct inquiry *q, struct signature *ret)
{
    static const char text[] = "iotsafe conformance: a text that means nothing";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    struct tlv_data data = { .len = 0 };
    enum iotsafe_err err = ask_init(q, SIGN, q->session, &usual);

    ret->len = 0;
    ret->sw = q->rsp.sw;
    if (err != IOTSAFE_OK || !sw_is_success(q->rsp.sw))
        return err;
    if (EVP_Digest(text, sizeof(text) - 1, digest, &digest_len, EVP_sha256(), NULL) != 1)
        return IOTSAFE_ERR_MEMORY;
    data_put(&data, IOTSAFE_TAG_FINAL_HASH, digest, digest_len);
    err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE,
                                                  .p1 = IOTSAFE_P1_LAST_BLOCK,
                                                  .p2 = (uint8_t)q->session,
                                                  .data = data.bytes,
                                                  .data_len = data.len,
                                                  .ne = APDU_NE_MAX,
                                                  .whole = true });
    ret->sw = q->rsp.sw;
    if (err == IOTSAFE_OK && sw_is_success(q->rsp.sw) && q->rsp.len <= sizeof(ret->bytes)) {
        memcpy(ret->bytes, q->rsp.data, q->rsp.len);
        ret->len = q->rsp.len;
    }
    return err;
}

static void describe_signature(struct inquiry *q, const struct signature *s, bool same, bool closed)
{
    const bool tagged = s->len > 3 && s->bytes[0] == IOTSAFE_TAG_SIGNATURE;
    const bool two = tagged && s->bytes[1] == 0;
    const uint8_t *value = s->bytes + (two ? 3 : 2);
    const bool der = tagged && value[0] == 0x30 && s->len != 66 && s->len != 67;

    found(q, tagged, "%s, length on %s; %s, %s",
          der      ? "DER"
          : tagged ? "r and s"
                   : "without tag",
          two ? "2 bytes" : "1 byte", same ? "the same each time" : "another each time",
          closed ? "closed by itself" : "to be closed");
    setting(q, "sig_value", der ? "der" : "raw");
    setting(q, "sig_len", two ? "2" : "1");
    setting(q, "deterministic", same ? "on" : "off");
    setting(q, "session_auto_close", closed ? "on" : "off");
}

static enum iotsafe_err ask_signature(struct inquiry *q)
{
    struct signature first, second;
    bool closed;
    enum iotsafe_err err;

    if (!q->may_sign) {
        not_asked(q, "--no-sign");
        return IOTSAFE_OK;
    }
    err = sign_once(q, &first);
    if (err != IOTSAFE_OK)
        return err;
    if (first.len == 0) {
        found(q, false, "%04X", first.sw);
        return ask_close(q, SIGN, q->session);
    }
    /* closing what is closed is refused, on most; on the others the next INIT tells */
    err = ask_close(q, SIGN, q->session);
    closed = !sw_is_success(q->rsp.sw) && !setting_is(q, "close_idle", "9000");
    if (err == IOTSAFE_OK)
        err = sign_once(q, &second);
    if (err == IOTSAFE_OK && setting_is(q, "close_idle", "9000")) {
        err = ask_init(q, SIGN, q->session, &usual);
        closed = sw_is_success(q->rsp.sw);
    }
    if (err == IOTSAFE_OK)
        err = ask_close(q, SIGN, q->session);
    if (err != IOTSAFE_OK)
        return err;
    describe_signature(q, &first,
                       first.len == second.len && memcmp(first.bytes, second.bytes, first.len) == 0,
                       closed);
    return IOTSAFE_OK;
}

/* ------------------------------------------- which commands there are at all */

static enum iotsafe_err ask_random(struct inquiry *q)
{
    bool usual_sw = false, other_sw = false;

    for (unsigned i = 0; i < 4; i++) {
        enum iotsafe_err err = ask(q, &(struct iotsafe_probe_command){
                                          .ins = IOTSAFE_INS_GET_RANDOM, .ne = 8, .whole = true });

        if (err != IOTSAFE_OK)
            return err;
        if (q->rsp.sw != SW_MORE_DATA && !sw_is_success(q->rsp.sw)) {
            found(q, true, "%04X", q->rsp.sw);
            if (q->rsp.sw == SW_INS_UNKNOWN)
                setting(q, "random", "off");
            return IOTSAFE_OK;
        }
        usual_sw = usual_sw || q->rsp.sw != SW_MORE_DATA;
        other_sw = other_sw || q->rsp.sw == SW_MORE_DATA;
    }
    found(q, true, "%s", !other_sw ? "9000" : usual_sw ? "9000 and 6300" : "6300");
    setting(q, "random_sw", !other_sw ? "9000" : usual_sw ? "alternate" : "6300");
    return IOTSAFE_OK;
}

/* A command with names that nobody has: 6D00 where it does not exist. */
static enum iotsafe_err ask_presence(struct inquiry *q, uint8_t ins, uint8_t p1,
                                     const struct tlv_data *data, const char *name)
{
    enum iotsafe_err err = ask(
        q,
        &(struct iotsafe_probe_command){
            .ins = ins, .p1 = p1, .data = data->bytes, .data_len = data->len, .ne = APDU_NE_MAX });

    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%s", q->rsp.sw == SW_INS_UNKNOWN ? "6D00" : "there");
    setting(q, name, q->rsp.sw == SW_INS_UNKNOWN ? "off" : "on");
    return IOTSAFE_OK;
}

static const struct tlv_data two_names = { .bytes = { IOTSAFE_TAG_PRIVATE_KEY_ID, 3, 'z', '~', 'z',
                                                      IOTSAFE_TAG_PUBLIC_KEY_ID, 3, 'z', '~', 'z' },
                                           .len = 10 };
static const struct tlv_data secret_name = { .bytes = { IOTSAFE_TAG_SECRET_ID, 3, 'z', '~', 'z' },
                                             .len = 5 };

static enum iotsafe_err ask_agreement(struct inquiry *q)
{
    return ask_presence(q, IOTSAFE_INS_COMPUTE_DH, 0, &two_names, "dh");
}

static enum iotsafe_err ask_prf(struct inquiry *q)
{
    return ask_presence(q, IOTSAFE_INS_COMPUTE_PRF, IOTSAFE_P1_PRF_PSK, &secret_name, "prf");
}

static enum iotsafe_err ask_hkdf(struct inquiry *q)
{
    return ask_presence(q, IOTSAFE_INS_COMPUTE_HKDF, 0, &secret_name, "hkdf");
}

/* ------------------------------------------------------------- what changes it */

static enum iotsafe_err ask_generate(struct inquiry *q)
{
    struct tlv_data data = { .len = 0 };
    const uint8_t *id;
    size_t n = 0;
    bool renamed;
    enum iotsafe_err err;

    data_put_name(&data, IOTSAFE_PRIVATE_KEY, q->write_pair);
    err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_GENERATE_KEY_PAIR,
                                                  .data = data.bytes,
                                                  .data_len = data.len,
                                                  .ne = APDU_NE_MAX,
                                                  .whole = true });
    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw) || q->rsp.len == 0) {
        found(q, true, "%04X", q->rsp.sw);
        return IOTSAFE_OK;
    }
    id = tlv_value(q->rsp.data, q->rsp.len, IOTSAFE_TAG_PRIVATE_KEY_ID, &n);
    renamed = id != NULL && q->write_pair->id_len != 0
              && (n != q->write_pair->id_len || memcmp(id, q->write_pair->id, n) != 0);
    found(q, true, "%s", id == NULL ? "the key alone" : renamed ? "a new name" : "names and key");
    setting(q, "gen_answer", id == NULL ? "key" : renamed ? "new-ids" : "ids+key");
    return IOTSAFE_OK;
}

/* The key of another object goes into the container, and is read there before the close. */
static enum iotsafe_err ask_put(struct inquiry *q)
{
    struct tlv_data from = { .len = 0 }, to = { .len = 0 };
    uint8_t key[128];
    size_t key_len;
    bool before, after;
    enum iotsafe_err err;

    data_put_name(&from, IOTSAFE_PUBLIC_KEY, &q->verifier);
    data_put_name(&to, IOTSAFE_PUBLIC_KEY, q->write_public);
    struct iotsafe_probe_command read = { .ins = IOTSAFE_INS_READ_PUBLIC_KEY,
                                          .data = from.bytes,
                                          .data_len = from.len,
                                          .ne = APDU_NE_MAX,
                                          .whole = true };
    struct iotsafe_probe_command put = { .ins = IOTSAFE_INS_PUT_PUBLIC_KEY_INIT,
                                         .p2 = (uint8_t)q->session,
                                         .data = to.bytes,
                                         .data_len = to.len,
                                         .whole = true };

    err = ask(q, &read);
    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw) || q->rsp.len == 0 || q->rsp.len > sizeof(key)
        || q->rsp.data[0] != IOTSAFE_TAG_PUBLIC_KEY_DATA) {
        not_asked(q, "no key to put can be read");
        return IOTSAFE_OK;
    }
    key_len = q->rsp.len;
    memcpy(key, q->rsp.data, key_len);
    err = ask(q, &put);
    if (err == IOTSAFE_OK && sw_is_success(q->rsp.sw)) {
        put.ins = IOTSAFE_INS_PUT_PUBLIC_KEY_UPDATE;
        put.p1 = IOTSAFE_P1_LAST_BLOCK;
        put.data = key;
        put.data_len = key_len;
        err = ask(q, &put);
    }
    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw)) {
        found(q, true, "%04X", q->rsp.sw);
        return ask_close(q, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, q->session);
    }
    read.data = to.bytes;
    read.data_len = to.len;
    err = ask(q, &read);
    before = sw_is_success(q->rsp.sw) && q->rsp.len == key_len
             && memcmp(q->rsp.data, key, key_len) == 0;
    if (err == IOTSAFE_OK)
        err = ask_close(q, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, q->session);
    if (err == IOTSAFE_OK)
        err = ask(q, &read);
    if (err != IOTSAFE_OK)
        return err;
    after = sw_is_success(q->rsp.sw) && q->rsp.len == key_len
            && memcmp(q->rsp.data, key, key_len) == 0;
    found(q, after, "%s", before ? "there at once" : after ? "there after the close" : "not there");
    setting(q, "put_close_needed", before ? "off" : "on");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_derive(struct inquiry *q)
{
    struct tlv_data data = { .len = 0 };
    enum iotsafe_err err;

    if (q->write_public == NULL) {
        not_asked(q, "no container of a public key is named");
        return IOTSAFE_OK;
    }
    data_put_name(&data, IOTSAFE_PRIVATE_KEY, q->write_pair);
    data_put_name(&data, IOTSAFE_PUBLIC_KEY, q->write_public);
    err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_COMPUTE_DH,
                                                  .data = data.bytes,
                                                  .data_len = data.len,
                                                  .ne = APDU_NE_MAX,
                                                  .whole = true });
    if (err != IOTSAFE_OK)
        return err;
    if (sw_is_success(q->rsp.sw))
        found(q, q->rsp.len == IOTSAFE_SHARED_SECRET_SIZE, "%zu bytes", q->rsp.len);
    else
        found(q, true, "%04X", q->rsp.sw);
    OPENSSL_cleanse(q->rsp.data, q->rsp.len);
    return IOTSAFE_OK;
}

const struct rule rules_keys[] = {
    { "close-idle", "6985", ask_close_idle, NEEDS_KEY },
    { "session-numbers", "0 to 7", ask_numbers, NEEDS_KEY },
    { "session-reopen", "6985", ask_reopen, NEEDS_KEY },
    { "sessions", "1 at once, then 6989", ask_count, NEEDS_KEY },
    { "session-space", "6985, then the signature's close 9000", ask_space, NEEDS_VERIFIER },
    { "last-block", "6A86 to P1 90", ask_last_flag, NEEDS_KEY },
    { "forms", "text, last block, digest", ask_forms, NEEDS_KEY },
    { "signature", "r and s", ask_signature, NEEDS_KEY },
    { "random", "9000", ask_random, NEEDS_CARD },
    { "agreement", "there", ask_agreement, NEEDS_CARD },
    { "prf", "there", ask_prf, NEEDS_CARD },
    { "hkdf", "there", ask_hkdf, NEEDS_CARD },
    { "generate", "names and key", ask_generate, NEEDS_PAIR },
    { "put", "there at once", ask_put, NEEDS_PUBLIC },
    { "derive", "32 bytes", ask_derive, NEEDS_PAIR },
    { .name = NULL },
};
