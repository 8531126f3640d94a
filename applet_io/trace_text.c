/* SPDX-License-Identifier: Apache-2.0 */
/* see trace_format.h */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "instruction.h"
#include "tlv.h"
#include "trace_format.h"

#define COMMAND_END 2000 /* so that its response has room, too */
#define HEX_MAX 350      /* bytes shown as such */

/* ------------------------------------------------------------------- lines */

/* What does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void put(struct trace_text *t, const char *format, ...)
{
    const size_t room = t->end - t->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->text + t->len, room, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void begin_line(struct trace_text *t, const char *device)
{
    struct timespec ts;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    (void)gmtime_r(&ts.tv_sec, &tm);
    put(t, "%02d:%02d:%02d.%03ld %ld %s ", tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000,
        (long)getpid(), device);
}

/* One line it is, whatever labels and devices are called. */
static void end_line(struct trace_text *t, size_t start)
{
    iotsafe_text_clean(t->text + start);
    t->len = start + strlen(t->text + start);
    t->end++;
    put(t, "\n");
}

/* ------------------------------------------------------------------- values */

enum form { FORM_BYTES, FORM_COUNT, FORM_NUMBER, FORM_WORD, FORM_BITS };

/* Values that have names: docs/references.md; a bit each where the tag's form is FORM_BITS. */
static const struct {
    uint8_t tag, value;
    char text[19];
} words[] = {
    { IOTSAFE_TAG_MODE, IOTSAFE_MODE_FULL_TEXT, "full text" },
    { IOTSAFE_TAG_MODE, IOTSAFE_MODE_LAST_BLOCK, "last block" },
    { IOTSAFE_TAG_MODE, IOTSAFE_MODE_PAD_AND_SIGN, "pad and sign" },
    { IOTSAFE_TAG_HASH, IOTSAFE_HASH_SHA256, "SHA-256" },
    { IOTSAFE_TAG_HASH, IOTSAFE_HASH_SHA384, "SHA-384" },
    { IOTSAFE_TAG_HASH, IOTSAFE_HASH_SHA512, "SHA-512" },
    { IOTSAFE_TAG_SIGNATURE_ALG, IOTSAFE_SIG_RSA_PKCS1, "RSA PKCS #1" },
    { IOTSAFE_TAG_SIGNATURE_ALG, IOTSAFE_SIG_RSA_PSS, "RSA PSS" },
    { IOTSAFE_TAG_SIGNATURE_ALG, IOTSAFE_SIG_ECDSA, "ECDSA" },
    { IOTSAFE_TAG_FUNCTIONS, IOTSAFE_FUNCTION_SIGN, "signature" },
    { IOTSAFE_TAG_FUNCTIONS, IOTSAFE_FUNCTION_GENERATE, "generation" },
    { IOTSAFE_TAG_FUNCTIONS, IOTSAFE_FUNCTION_AGREE, "agreement" },
    { IOTSAFE_TAG_FUNCTIONS, IOTSAFE_FUNCTION_DERIVE, "derivation" },
    { IOTSAFE_TAG_AGREEMENT, IOTSAFE_AGREEMENT_ECKA, "ECDH" },
    { IOTSAFE_TAG_DERIVATION, IOTSAFE_DERIVATION_PRF, "PRF" },
    { IOTSAFE_TAG_DERIVATION, IOTSAFE_DERIVATION_HKDF, "HKDF" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_RSA2048, "RSA-2048" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_P256, "P-256" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_P256_VOLATILE, "P-256 volatile" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_BP256, "brainpoolP256r1" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_BP256_VOLATILE, "brainpool volatile" },
    { IOTSAFE_TAG_KEY_TYPE, IOTSAFE_KEY_HMAC, "HMAC" },
    { IOTSAFE_TAG_KEY_USAGE, IOTSAFE_USAGE_GENERAL, "general" },
    { IOTSAFE_TAG_KEY_USAGE, IOTSAFE_USAGE_TLS12, "TLS 1.2" },
    { IOTSAFE_TAG_KEY_USAGE, IOTSAFE_USAGE_TLS13, "TLS 1.3" },
    { IOTSAFE_TAG_STATE, IOTSAFE_STATE_DEACTIVATED, "deactivated" },
    { IOTSAFE_TAG_STATE, IOTSAFE_STATE_ACTIVATED, "activated" },
    { IOTSAFE_TAG_ACCESS, IOTSAFE_ACCESS_READ, "read" },
    { IOTSAFE_TAG_ACCESS, IOTSAFE_ACCESS_UPDATE, "update" },
    { IOTSAFE_TAG_FILE_USAGE, IOTSAFE_FILE_GENERAL, "general" },
    { IOTSAFE_TAG_FILE_USAGE, IOTSAFE_FILE_CERTIFICATE, "certificate" },
};

/* Tags, but those of names and templates. `words`: the tag whose values they have. */
static const struct {
    uint8_t tag, form, words;
    char text[21];
} tags[] = {
    { IOTSAFE_TAG_VERSION, FORM_BYTES, 0, "version" },
    { IOTSAFE_TAG_APPLET_ID, FORM_BYTES, 0, "applet id" },
    { IOTSAFE_TAG_FILE_SIZE, FORM_NUMBER, 0, "size" },
    { IOTSAFE_TAG_FILE_USAGE, FORM_WORD, IOTSAFE_TAG_FILE_USAGE, "usage" },
    { IOTSAFE_TAG_PUBLIC_KEY_DATA, FORM_COUNT, 0, "public key" },
    { IOTSAFE_TAG_STATE, FORM_WORD, IOTSAFE_TAG_STATE, "state" },
    { IOTSAFE_TAG_KEY_TYPE, FORM_WORD, IOTSAFE_TAG_KEY_TYPE, "type" },
    { IOTSAFE_TAG_KEY_USAGE, FORM_WORD, IOTSAFE_TAG_KEY_USAGE, "usage" },
    { IOTSAFE_TAG_ACCESS, FORM_BITS, IOTSAFE_TAG_ACCESS, "access" },
    { IOTSAFE_TAG_FUNCTIONS, FORM_BITS, IOTSAFE_TAG_FUNCTIONS, "functions" },
    { IOTSAFE_TAG_APP_FUNCTIONS_ALT, FORM_BITS, IOTSAFE_TAG_FUNCTIONS, "functions" },
    { IOTSAFE_TAG_AGREEMENT, FORM_BITS, IOTSAFE_TAG_AGREEMENT, "key agreement" },
    { IOTSAFE_TAG_APP_AGREEMENT_ALT, FORM_BITS, IOTSAFE_TAG_AGREEMENT, "key agreement" },
    { IOTSAFE_TAG_HASH, FORM_BITS, IOTSAFE_TAG_HASH, "hash" },
    { IOTSAFE_TAG_SIGNATURE_ALG, FORM_BITS, IOTSAFE_TAG_SIGNATURE_ALG, "algorithm" },
    { IOTSAFE_TAG_DERIVATION, FORM_BITS, IOTSAFE_TAG_DERIVATION, "key derivation" },
    { IOTSAFE_TAG_LAST_BLOCK, FORM_COUNT, 0, "last block" },
    { IOTSAFE_TAG_FULL_TEXT, FORM_COUNT, 0, "text" },
    { IOTSAFE_TAG_INTERMEDIATE_HASH, FORM_COUNT, 0, "intermediate hash" },
    { IOTSAFE_TAG_HASHED_LENGTH, FORM_NUMBER, 0, "hashed bytes" },
    { IOTSAFE_TAG_FINAL_HASH, FORM_COUNT, 0, "digest" },
    { IOTSAFE_TAG_MODE, FORM_WORD, IOTSAFE_TAG_MODE, "mode" },
    { IOTSAFE_TAG_MAX_FILES, FORM_NUMBER, 0, "files at most" },
    { IOTSAFE_TAG_MAX_PRIVATE_KEYS, FORM_NUMBER, 0, "private keys at most" },
    { IOTSAFE_TAG_MAX_PUBLIC_KEYS, FORM_NUMBER, 0, "public keys at most" },
    { IOTSAFE_TAG_MAX_SECRETS, FORM_NUMBER, 0, "secrets at most" },
    { IOTSAFE_TAG_MAX_SESSIONS, FORM_NUMBER, 0, "sessions at most" },
};

static void put_hex(struct trace_text *t, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, "%02X", bytes[i]);
}

/* Those from `visible` on as a count. */
static void put_dump(struct trace_text *t, const uint8_t *bytes, size_t n, size_t visible)
{
    const size_t seen = visible < n ? visible : n, shown = seen < HEX_MAX ? seen : HEX_MAX;

    put_hex(t, bytes, shown);
    if (shown < seen)
        put(t, "<%zu more bytes>", seen - shown);
    if (seen < n)
        put(t, "<%zu bytes masked>", n - seen);
}

static uint32_t number_of(const struct tlv *tlv)
{
    uint32_t number = 0;

    for (size_t i = 0; i < tlv->len; i++)
        number = number << 8 | tlv->val[i];
    return number;
}

/* The names of a value, hex for what has none. */
static void put_words(struct trace_text *t, const struct tlv *tlv, uint8_t tag, bool bits)
{
    uint32_t rest = number_of(tlv);
    const char *between = "";

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const uint32_t value = words[i].value;

        if (words[i].tag != tag || (bits ? (rest & value) == 0 : rest != value))
            continue;
        put(t, "%s%s", between, words[i].text);
        between = "+";
        rest -= value;
        if (!bits)
            return;
    }
    if (rest != 0 || between[0] == '\0')
        put(t, "%s%02X", between, (unsigned)rest);
}

/* In quotation marks that a label cannot forge. */
static void put_label(struct trace_text *t, const struct tlv *tlv)
{
    put(t, "\"");
    for (size_t i = 0; i < tlv->len; i++) {
        const char c = (char)tlv->val[i];

        put(t, "%s%c", c == '"' || c == '\\' ? "\\" : "", c == '\0' ? '?' : c);
    }
    put(t, "\"");
}

static bool is_label(uint8_t tag)
{
    return tag >= IOTSAFE_TAG_FILE_LABEL && tag <= IOTSAFE_TAG_SECRET_LABEL;
}

static bool is_name(uint8_t tag)
{
    return is_label(tag) || (tag >= IOTSAFE_TAG_FILE_ID && tag <= IOTSAFE_TAG_SECRET_ID);
}

/* The name of an object; identifiers as URIs show them. */
static bool put_name(struct trace_text *t, const struct tlv *tlv)
{
    static const char kinds[][12] = { "file", "private key", "public key", "secret" };

    if (!is_name(tlv->tag))
        return false;
    put(t, "%s %s=", kinds[(tlv->tag & 7) - 3], is_label(tlv->tag) ? "label" : "id");
    if (is_label(tlv->tag))
        put_label(t, tlv);
    else
        for (size_t i = 0; i < tlv->len; i++)
            put(t, "%02x", tlv->val[i]);
    return true;
}

static void put_value(struct trace_text *t, const struct tlv *tlv, enum form form, uint8_t tag)
{
    if (form == FORM_COUNT)
        put(t, "%zu bytes", tlv->len);
    else if (form == FORM_BYTES || tlv->len > sizeof(uint32_t))
        put_hex(t, tlv->val, tlv->len);
    else if (form == FORM_NUMBER)
        put(t, "%u", (unsigned)number_of(tlv));
    else
        put_words(t, tlv, tag, form == FORM_BITS);
}

static bool put_attribute(struct trace_text *t, const struct tlv *tlv)
{
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (tags[i].tag != tlv->tag)
            continue;
        put(t, "%s=", tags[i].text);
        put_value(t, tlv, (enum form)tags[i].form, tags[i].words);
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ objects */

static bool is_template(uint8_t tag)
{
    return tag >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE && tag <= IOTSAFE_TAG_SECRET_TEMPLATE;
}

/* As far as it is understood. Templates are entered; a signature, whose length has several
 * forms, is the last. */
static void put_objects(struct trace_text *t, const uint8_t *bytes, size_t len)
{
    struct tlv_reader r = { bytes, len };
    bool after_attribute = false;
    struct tlv tlv;

    while (r.len > 0) {
        const struct tlv_reader here = r;
        const size_t before = t->len;

        if (here.in[0] == IOTSAFE_TAG_SIGNATURE) {
            put(t, ", signature=%zu bytes", tlv_signature(here.in, here.len).len);
            return;
        }
        if (tlv_next(&r, &tlv) != IOTSAFE_OK) {
            put(t, ", ...");
            return;
        }
        if (is_template(tlv.tag)) {
            r.in = tlv.val;
            r.len = here.len - (size_t)(tlv.val - here.in);
            continue;
        }
        put(t, after_attribute && is_name(tlv.tag) ? "; " : ", ");
        after_attribute = !put_name(t, &tlv);
        if (after_attribute && !put_attribute(t, &tlv)) {
            t->len = before;
            put(t, ", ...");
            return;
        }
    }
}

/* ------------------------------------------------------ command and response */

/* P1 and P2 */
static void put_parameters(struct trace_text *t, const struct instruction *in, const uint8_t *cmd)
{
    static const char *const data[] = { "application", "object list" };
    static const char *const derivations[] = { "general", "PSK", "PSK and ECDHE" };
    const uint8_t p1 = cmd[2], p2 = cmd[3];

    if (in->ins_init != 0) {
        if (in->ins_init == in->ins)
            put(t, ", %s", p1 == IOTSAFE_P1_SESSION_OPEN ? "open" : "close");
        else
            put(t, ", %s", (p1 & IOTSAFE_P1_LAST_BLOCK) != 0 ? "last" : "more follow");
        put(t, ", session=%u", p2);
        return;
    }
    switch (in->ins) {
    case IOTSAFE_INS_GET_DATA:
        put(t, ", %s%s", p1 < ARRAY_LEN(data) ? data[p1] : "object",
            p2 == IOTSAFE_P2_LIST_NEXT ? ", next page" : "");
        return;
    case IOTSAFE_INS_READ_FILE:
        put(t, ", offset=%u", (unsigned)(p1 << 8 | p2));
        return;
    case IOTSAFE_INS_COMPUTE_PRF:
        if (p1 < ARRAY_LEN(derivations))
            put(t, ", %s", derivations[p1]);
        return;
    case ISO_INS_MANAGE_CHANNEL:
        put(t, p1 == 0 ? ", open" : ", close, channel=%u", p2);
        return;
    default:
        return;
    }
}

/* Of the data, without an Le behind them. */
static size_t data_len(const struct traced *x, size_t visible)
{
    const size_t there = visible - (APDU_HEADER_SIZE + 1);

    return x->cmd[4] < there ? x->cmd[4] : there;
}

static void put_command(struct trace_text *t, const struct traced *x)
{
    const size_t visible = traced_cmd_visible(x);
    const struct instruction *in;

    put(t, ">> ");
    put_dump(t, x->cmd, x->cmd_len, visible);
    if (x->cmd_len < APDU_HEADER_SIZE)
        return;
    in = instruction_of(x->cmd[1]);
    put(t, "  %s", in->name);
    if (x->cmd[1] != x->ins) {
        put(t, ", of %s", instruction_of(x->ins)->name);
        return;
    }
    put_parameters(t, in, x->cmd);
    if (visible <= APDU_HEADER_SIZE + 1 || data_len(x, visible) == 0)
        return;
    if (in->ins == ISO_INS_SELECT) {
        put(t, ", AID=");
        put_hex(t, x->cmd + APDU_HEADER_SIZE + 1, data_len(x, visible));
    } else {
        put_objects(t, x->cmd + APDU_HEADER_SIZE + 1, data_len(x, visible));
    }
}

static void put_status(struct trace_text *t, uint16_t sw)
{
    const unsigned low = sw & 0xff;

    switch (sw & 0xff00) {
    case SW_BYTES_WAIT:
    case SW_GSM_BYTES_WAIT:
        put(t, "%u bytes wait", low == 0 ? APDU_NE_MAX : low);
        return;
    case SW_WRONG_LE:
        put(t, "%s, %u is right", error_sw_meaning(sw), low == 0 ? APDU_NE_MAX : low);
        return;
    default:
        put(t, "%s", error_sw_meaning(sw));
    }
}

/* What came, where it may be seen. */
static void put_data(struct trace_text *t, uint8_t ins, const uint8_t *data, size_t len)
{
    switch (ins) {
    case IOTSAFE_INS_GET_DATA:
    case IOTSAFE_INS_READ_PUBLIC_KEY:
    case IOTSAFE_INS_GENERATE_KEY_PAIR:
    case IOTSAFE_INS_COMPUTE_SIGNATURE_UPDATE:
        put_objects(t, data, len);
        return;
    case ISO_INS_MANAGE_CHANNEL:
        put(t, ", channel=%u", data[0]);
        return;
    default:
        put(t, ", %zu bytes", len);
    }
}

static void put_response(struct trace_text *t, const struct traced *x)
{
    const size_t visible = traced_rsp_visible(x);
    const size_t len = x->rsp_len < 2 ? x->rsp_len : x->rsp_len - 2;
    const uint8_t *sw = x->rsp + len;

    put(t, "<< ");
    put_dump(t, x->rsp, len, visible);
    if (x->rsp_len < 2) {
        put(t, "no %s (%lld ms)", len == 0 ? "response" : "status word", (long long)x->ms);
        return;
    }
    put(t, "%s%02X%02X  ", len > 0 ? " " : "", sw[0], sw[1]);
    put_status(t, (uint16_t)(sw[0] << 8 | sw[1]));
    put(t, " (%lld ms)", (long long)x->ms);
    if (len > 0 && visible > 0)
        put_data(t, x->ins, x->rsp, len);
}

void trace_text_exchange(struct trace_text *t, const char *device, const struct traced *x)
{
    size_t start;

    t->len = 0;
    t->end = COMMAND_END;
    begin_line(t, device);
    put_command(t, x);
    end_line(t, 0);
    start = t->len;
    t->end = sizeof(t->text) - 1;
    begin_line(t, device);
    put_response(t, x);
    end_line(t, start);
}

void trace_text_note(struct trace_text *t, const char *device, const char *remark)
{
    t->len = 0;
    t->end = sizeof(t->text) - 1;
    begin_line(t, device);
    put(t, "-- %s", remark);
    end_line(t, 0);
}
