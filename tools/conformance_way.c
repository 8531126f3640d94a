/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of what stands around every command: selection, channels, class byte, lengths, and how
 * responses arrive. */
#include <string.h>

#include "conformance.h"
#include "output.h"

/* A name that no object has: what is refused is the form, or the name. */
static const uint8_t nobody[] = { IOTSAFE_TAG_PUBLIC_KEY_ID, 3, 'z', '~', 'z' };

/* ------------------------------------------------------ selection, channels */

static enum iotsafe_err ask_aid(struct inquiry *q)
{
    char hex[HEX_SIZE(IOTSAFE_AID_MAX)];

    text_hex(q->info.aid, q->info.aid_len, hex);
    for (char *c = hex; *c != '\0'; c++)
        if (*c >= 'a')
            *c = (char)(*c - 'a' + 'A');
    found(q, true, "AID %s", hex);
    setting(q, "aid", hex);
    return IOTSAFE_OK;
}

/* False after the rule was answered: the device selects, or there is no channel for it. */
static bool selected(struct inquiry *q, size_t len, enum iotsafe_err *ret_err)
{
    *ret_err = IOTSAFE_OK;
    if (iotsafe_probe_way(q->probe).device_opens_channels) {
        not_asked(q, "the modem selects");
        return false;
    }
    if (len < IOTSAFE_AID_MIN) {
        not_asked(q, "the AID is too short");
        return false;
    }
    *ret_err = iotsafe_probe_select(q->probe, q->info.aid, len, &q->rsp);
    if (*ret_err == IOTSAFE_ERR_UNSUPPORTED) {
        *ret_err = IOTSAFE_OK;
        not_asked(q, "no channel for it");
        return false;
    }
    return *ret_err == IOTSAFE_OK;
}

static enum iotsafe_err ask_select(struct inquiry *q)
{
    enum iotsafe_err err;

    if (!selected(q, q->info.aid_len, &err))
        return err;
    switch (q->rsp.sw >> 8) {
    case 0x61:
    case 0x9f:
        found(q, true, "61xx");
        setting(q, "select_answer", "61");
        break;
    case 0x91:
        found(q, true, "91xx");
        setting(q, "select_answer", "91");
        break;
    default:
        found(q, sw_is_success(q->rsp.sw), "%04X%s", q->rsp.sw, q->rsp.len != 0 ? " with FCI" : "");
        setting(q, "select_answer", q->rsp.len != 0 ? "fci" : "9000");
    }
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_partial(struct inquiry *q)
{
    enum iotsafe_err err;
    bool taken;

    if (!selected(q, q->info.aid_len - 1, &err))
        return err;
    taken = sw_is_success(q->rsp.sw) || (q->rsp.sw & 0xff00) == SW_BYTES_WAIT
            || (q->rsp.sw & 0xff00) == SW_GSM_BYTES_WAIT;
    if (taken)
        found(q, true, "accepted");
    else
        found(q, true, "%04X", q->rsp.sw);
    setting(q, "select_prefix", taken ? "on" : "off");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_channels(struct inquiry *q)
{
    unsigned highest;
    uint16_t sw;
    enum iotsafe_err err = iotsafe_probe_channels(q->probe, &highest, &sw);

    if (err == IOTSAFE_ERR_UNSUPPORTED) {
        not_asked(q, "the modem opens channels");
        return IOTSAFE_OK;
    }
    if (err != IOTSAFE_OK)
        return err;
    if (highest == 0 && sw == SW_INS_UNKNOWN) {
        found(q, true, "none, %04X", sw);
        setting(q, "channels", "fixed-1");
    } else if (highest > 3) {
        found(q, true, "beyond 3");
        setting(q, "channels", "0-19");
    } else {
        found(q, true, "up to 3, then %04X", sw);
        setting(q, "channels", "0-3");
    }
    return IOTSAFE_OK;
}

/* -------------------------------------------------------------- class, Le */

static enum iotsafe_err class_of(struct inquiry *q, uint8_t ins, bool *ret_8n, bool *ret_0n)
{
    struct iotsafe_probe_command cmd = { .ins = ins, .ne = APDU_NE_MAX };
    enum iotsafe_err err;

    cmd.cls = IOTSAFE_CLASS_8N;
    err = ask(q, &cmd);
    if (err != IOTSAFE_OK)
        return err;
    *ret_8n = q->rsp.sw != SW_CLA_UNKNOWN;
    cmd.cls = IOTSAFE_CLASS_0N;
    err = ask(q, &cmd);
    *ret_0n = err == IOTSAFE_OK && q->rsp.sw != SW_CLA_UNKNOWN;
    return err;
}

static enum iotsafe_err ask_class(struct inquiry *q)
{
    bool in_8n, in_0n;
    enum iotsafe_err err = class_of(q, IOTSAFE_INS_GET_DATA, &in_8n, &in_0n);

    if (err != IOTSAFE_OK)
        return err;
    found(q, in_8n || in_0n, "%s", in_8n && in_0n ? "8N and 0N" : in_8n ? "8N" : "0N");
    setting(q, "cla", in_8n && in_0n ? "both" : in_8n ? "8n" : "0n");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_response_class(struct inquiry *q)
{
    bool in_8n, in_0n;
    enum iotsafe_err err = class_of(q, ISO_INS_GET_RESPONSE, &in_8n, &in_0n);
    const char *cla = json_string_value(json_object_get(q->settings, "cla"));
    const bool plain = cla != NULL && strcmp(cla, "0n") == 0;

    if (err != IOTSAFE_OK)
        return err;
    found(q, in_8n || in_0n, "%s", in_8n && in_0n ? "8N and 0N" : in_8n ? "8N" : "0N");
    setting(q, "getresp_cla", in_8n && in_0n ? "both" : in_8n != plain ? "same" : "0n");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_idle(struct inquiry *q)
{
    struct iotsafe_probe_command cmd = { .ins = ISO_INS_GET_RESPONSE, .ne = APDU_NE_MAX };
    enum iotsafe_err err = ask(q, &cmd);

    if (err == IOTSAFE_OK && q->rsp.sw == SW_CLA_UNKNOWN) {
        cmd.cls = IOTSAFE_CLASS_8N;
        err = ask(q, &cmd);
    }
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X", q->rsp.sw);
    if (q->rsp.sw == SW_OK || q->rsp.sw == SW_UNKNOWN_ERROR)
        setting(q, "getresp_idle", q->rsp.sw == SW_OK ? "9000" : "6f00");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_le(struct inquiry *q)
{
    struct iotsafe_probe_command cmd = { .ins = IOTSAFE_INS_READ_PUBLIC_KEY,
                                         .data = nobody,
                                         .data_len = sizeof(nobody),
                                         .ne = APDU_NE_MAX,
                                         .le = IOTSAFE_LE_NOT_BEHIND_DATA };
    bool without, with;
    enum iotsafe_err err;

    if (iotsafe_probe_way(q->probe).no_le_behind_data) {
        not_asked(q, "T=0");
        return IOTSAFE_OK;
    }
    err = ask(q, &cmd);
    if (err != IOTSAFE_OK)
        return err;
    without = q->rsp.sw != SW_WRONG_LENGTH;
    cmd.le = IOTSAFE_LE_BEHIND_DATA;
    err = ask(q, &cmd);
    if (err != IOTSAFE_OK)
        return err;
    with = q->rsp.sw != SW_WRONG_LENGTH;
    q->no_le = without && !with;
    found(q, with || without, "%s",
          with && without ? "may be there"
          : with          ? "must be there"
          : without       ? "must not be there"
                          : "refused in both forms");
    setting(q, "le_policy", with && without ? "optional" : with ? "required" : "forbidden");
    return IOTSAFE_OK;
}

/* A random number of 5 or of 3 bytes is no secret of anybody. */
static enum iotsafe_err ask_stray(struct inquiry *q)
{
    static const uint8_t stray[] = { 3 };
    struct tlv_data data = { .len = 0 };
    struct iotsafe_probe_command cmd = { .ins = IOTSAFE_INS_READ_FILE,
                                         .ne = 5,
                                         .le = IOTSAFE_LE_BEHIND_DATA,
                                         .stray = stray,
                                         .stray_len = sizeof(stray) };
    enum iotsafe_err err;
    size_t n;

    if (!iotsafe_probe_way(q->probe).bytes_as_given) {
        not_asked(q, "readers and modems refuse it");
        return IOTSAFE_OK;
    }
    data_put_name(&data, IOTSAFE_FILE, &q->file.name);
    cmd.data = data.bytes;
    cmd.data_len = data.len;
    err = ask(q, &cmd);
    if (err != IOTSAFE_OK)
        return err;
    n = (q->rsp.sw & 0xff00) == SW_BYTES_WAIT || (q->rsp.sw & 0xff00) == SW_GSM_BYTES_WAIT
                || (q->rsp.sw & 0xff00) == SW_WRONG_LE
            ? (q->rsp.sw & 0xffu) + q->rsp.len
            : q->rsp.len;
    if (q->rsp.sw == SW_WRONG_LENGTH) {
        found(q, true, "6700");
        setting(q, "stray_bytes", "6700");
    } else {
        found(q, true, n == 3 ? "the last one is Le" : "ignored");
        setting(q, "stray_bytes", n == 3 ? "last-is-le" : "ignore");
    }
    return IOTSAFE_OK;
}

/* -------------------------------------------------------- how responses come */

/* Of what the card says first when n bytes are wanted. */
enum arrival { COMES_WHOLE, COMES_LATER, COMES_IN_PARTS, COMES_CORRECTED, COMES_NOT };

static enum arrival arrival_of(const struct inquiry *q)
{
    switch (q->rsp.sw & 0xff00) {
    case SW_BYTES_WAIT:
    case SW_GSM_BYTES_WAIT:
        return q->rsp.len != 0 ? COMES_IN_PARTS : COMES_LATER;
    case SW_WRONG_LE:
        return COMES_CORRECTED;
    default:
        return q->rsp.len != 0 ? COMES_WHOLE : COMES_NOT;
    }
}

static enum iotsafe_err want_bytes(struct inquiry *q, size_t n, enum arrival *ret)
{
    enum iotsafe_err err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_GET_RANDOM,
                                                                   .ne = n });

    *ret = arrival_of(q);
    if (err == IOTSAFE_OK && (*ret == COMES_LATER || *ret == COMES_IN_PARTS))
        setting(q, "wait_sw", (q->rsp.sw & 0xff00) == SW_GSM_BYTES_WAIT ? "9f" : "61");
    return err;
}

/* The most bytes that come at once, where 256 do not. */
static enum iotsafe_err find_threshold(struct inquiry *q, size_t *ret)
{
    size_t low = 0, high = APDU_NE_MAX; /* low comes whole, high does not */
    enum arrival how;

    while (high - low > 1) {
        size_t n = (low + high) / 2;
        enum iotsafe_err err = want_bytes(q, n, &how);

        if (err != IOTSAFE_OK)
            return err;
        if (how == COMES_WHOLE)
            low = n;
        else
            high = n;
    }
    *ret = low;
    return IOTSAFE_OK;
}

/* A response of unknown length, to a command without data: only T=0 and one kind of applet
 * correct Le there; to one with data T=0 makes it wait. */
static enum iotsafe_err ask_correction(struct inquiry *q, bool *ret_corrects)
{
    enum iotsafe_err err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_GET_DATA,
                                                                   .ne = APDU_NE_MAX });

    *ret_corrects = err == IOTSAFE_OK && arrival_of(q) == COMES_CORRECTED;
    return err;
}

/* The response to a command with data. */
static enum iotsafe_err want_key(struct inquiry *q, bool *ret_waits)
{
    struct tlv_data data = { .len = 0 };
    enum iotsafe_err err;

    data_put_name(&data, IOTSAFE_PUBLIC_KEY, &q->verifier);
    err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_READ_PUBLIC_KEY,
                                                  .data = data.bytes,
                                                  .data_len = data.len,
                                                  .ne = APDU_NE_MAX });
    *ret_waits = err == IOTSAFE_OK && arrival_of(q) == COMES_LATER;
    if (*ret_waits)
        setting(q, "wait_sw", (q->rsp.sw & 0xff00) == SW_GSM_BYTES_WAIT ? "9f" : "61");
    return err;
}

static enum iotsafe_err ask_t0(struct inquiry *q)
{
    bool waits;
    enum iotsafe_err err = want_key(q, &waits);

    if (err != IOTSAFE_OK)
        return err;
    found(q, true, waits ? "6Cxx, behind data 61xx: T=0" : "6Cxx");
    setting(q, waits ? "t0" : "answer_mode", waits ? "on" : "6c");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_arrival(struct inquiry *q)
{
    enum arrival long_one, short_one;
    size_t at_once = 0;
    bool corrects, waits = false;
    enum iotsafe_err err = ask_correction(q, &corrects);

    if (err != IOTSAFE_OK || corrects)
        return err != IOTSAFE_OK ? err : ask_t0(q);
    err = want_bytes(q, APDU_NE_MAX, &long_one);
    at_once = q->rsp.len;
    if (err == IOTSAFE_OK)
        err = want_bytes(q, 1, &short_one);
    if (err == IOTSAFE_OK && long_one == COMES_NOT)
        err = want_key(q, &waits); /* without GET RANDOM nothing else has any length */
    if (err != IOTSAFE_OK)
        return err;
    if (!waits && (long_one == COMES_WHOLE || long_one == COMES_NOT)) {
        found(q, true, long_one == COMES_WHOLE ? "at once" : "at once, as far as asked");
    } else if (waits || short_one == COMES_LATER) {
        found(q, true, "all by 61xx");
        setting(q, "answer_mode", "61");
    } else if (long_one == COMES_IN_PARTS) {
        found(q, true, "%zu bytes at once, the rest by 61xx", at_once);
        setting(q, "answer_mode", "data-61");
        setting_number(q, "answer_n", (unsigned)at_once);
    } else {
        err = find_threshold(q, &at_once);
        if (err != IOTSAFE_OK)
            return err;
        found(q, true, "by 61xx above %zu bytes", at_once);
        setting(q, "answer_mode", "61-above");
        setting_number(q, "answer_n", (unsigned)at_once);
    }
    return IOTSAFE_OK;
}

/* Which word says that bytes wait, and whether they come for Le 00. */
static enum iotsafe_err ask_waiting(struct inquiry *q)
{
    const char *sw = json_string_value(json_object_get(q->settings, "wait_sw"));
    struct tlv_data data = { .len = 0 };
    struct iotsafe_probe_command rest = { .ins = ISO_INS_GET_RESPONSE, .ne = APDU_NE_MAX };
    enum iotsafe_err err;

    data_put_name(&data, IOTSAFE_PUBLIC_KEY, &q->verifier);
    err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_READ_PUBLIC_KEY,
                                                  .data = data.bytes,
                                                  .data_len = data.len,
                                                  .ne = APDU_NE_MAX });
    if (err != IOTSAFE_OK)
        return err;
    if (arrival_of(q) != COMES_LATER && arrival_of(q) != COMES_IN_PARTS) {
        found(q, true, "%s", sw != NULL ? sw : "no bytes wait");
        return IOTSAFE_OK;
    }
    err = ask(q, &rest);
    if (err == IOTSAFE_OK && q->rsp.sw == SW_CLA_UNKNOWN) {
        rest.cls = IOTSAFE_CLASS_8N;
        err = ask(q, &rest);
    }
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%sxx, Le 00 %s", sw != NULL ? sw : "61",
          (q->rsp.sw & 0xff00) == SW_WRONG_LE ? "corrected by 6Cxx" : "accepted");
    setting(q, "getresp_le00", (q->rsp.sw & 0xff00) == SW_WRONG_LE ? "6c" : "accept");
    return IOTSAFE_OK;
}

const struct rule rules_way[] = {
    { "aid", "A0000005590010", ask_aid, NEEDS_CARD },
    { "select", "9000, with FCI perhaps", ask_select, NEEDS_CARD },
    { "select-partial", "accepted, or 6A82", ask_partial, NEEDS_CARD },
    { "channels", "up to 3, or up to 19", ask_channels, NEEDS_CARD },
    { "class", "8N", ask_class, NEEDS_CARD },
    { "response-class", "0N", ask_response_class, NEEDS_CARD },
    { "response-idle", "6985", ask_idle, NEEDS_CARD },
    { "le", "may be there", ask_le, NEEDS_CARD },
    { "stray-bytes", "6700", ask_stray, NEEDS_FILE },
    { "responses", "at once, or by 61xx", ask_arrival, NEEDS_VERIFIER },
    { "waiting", "61xx, Le 00 accepted", ask_waiting, NEEDS_VERIFIER },
    { .name = NULL },
};
