/* SPDX-License-Identifier: Apache-2.0 */
/* +CSIM, +CCHO, +CGLA, +CCHC: APDUs in hexadecimal to the card and back. */
#include "modem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "iotsafe_defs.h"

#define ROUNDS_MAX 64 /* commands to the card for one of the caller's */

/* ---- arguments ---- */

static const char *skip_blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* The text that is left, perhaps in quotes, as bytes; 0, or the error to answer. */
static int take_hex(const struct modem *m, const char *p, size_t max, struct buf *ret)
{
    uint8_t bytes[MODEM_LINE_MAX / 2];
    char text[MODEM_LINE_MAX];
    size_t n = 0, len = strlen(p);

    while (len > 0 && p[len - 1] == ' ')
        len--;
    if (len >= 2 && p[0] == '"' && p[len - 1] == '"') {
        p++;
        len -= 2;
    }
    if (len >= sizeof(text))
        return CME_TOO_LONG;
    memcpy(text, p, len);
    text[len] = '\0';
    for (size_t i = 0; i < len && modem_quirk(m, QUIRK_LOWER_HEX) == REFUSE; i++)
        if (islower((unsigned char)text[i]))
            return CME_BAD_CHARACTERS;
    if (!softsim_hex_decode(text, bytes, sizeof(bytes), &n))
        return CME_BAD_CHARACTERS;
    if (n > max)
        return CME_TOO_LONG;
    buf_clear(ret);
    buf_put(ret, bytes, n);
    return 0;
}

/* Exactly what ISO/IEC 7816-3 has as case 1 to 3 and the modem's buffer. */
static bool length_is_exact(const struct buf *cmd)
{
    return cmd->len <= 5 || cmd->len == 5 + (size_t)cmd->data[4];
}

/* `<length>,"<hex>"` */
static int take_apdu(struct modem *m, const char *args)
{
    char *end;
    unsigned long declared = strtoul(args, &end, 10);
    const char *p = skip_blanks(end);
    int error;

    if (end == args || *p != ',')
        return CME_BAD_PARAMETERS;
    error = take_hex(m, skip_blanks(p + 1), APDU_CMD_MAX, &m->cmd);
    if (error != 0)
        return error;
    if (declared != 2 * m->cmd.len || m->cmd.len < APDU_HEADER_SIZE)
        return CME_BAD_PARAMETERS;
    if (modem_quirk(m, QUIRK_SHORT_APDU) == REFUSE && m->cmd.len < 5)
        return CME_BAD_PARAMETERS;
    if (modem_quirk(m, QUIRK_LE_AFTER_DATA) == REFUSE && !length_is_exact(&m->cmd))
        return CME_BAD_PARAMETERS;
    return 0;
}

/* ---- exchanges ---- */

static void submit(struct modem *m, const uint8_t *cmd, size_t len, modem_step *next)
{
    m->next = next;
    if (!sim_submit(m->sim, &m->user, cmd, len)) {
        m->next = NULL;
        modem_error(m, CME_SIM_FAILURE);
    }
}

static bool says_ok(uint8_t sw1)
{
    return (sw1 & 0xf0) == 0x90 || (sw1 >= 0x61 && sw1 <= 0x63) || sw1 == 0x6c;
}

static bool is_init(const struct buf *cmd)
{
    return cmd->len > 1
           && (cmd->data[1] == IOTSAFE_INS_PUT_PUBLIC_KEY_INIT
               || cmd->data[1] == IOTSAFE_INS_COMPUTE_SIGNATURE_INIT
               || cmd->data[1] == IOTSAFE_INS_VERIFY_SIGNATURE_INIT);
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* `PREFIX: <length>,"<hex>"` in the modem's spelling. */
static void answer_apdu(struct modem *m, const uint8_t *rsp, size_t len)
{
    size_t limit = (size_t)modem_quirk(m, QUIRK_ANSWER_MAX);
    const char *quote = modem_quirk(m, QUIRK_QUOTES) == YES ? "\"" : "";
    size_t shown = limit != 0 && limit < len ? limit : len;
    char *hex = softsim_hex_text(rsp, shown);
    char *info = NULL;

    if (hex != NULL && modem_quirk(m, QUIRK_HEX) == HEX_LOWER)
        lower(hex);
    if (hex != NULL
        && asprintf(&info, "%s:%s%zu,%s%s%s", m->prefix,
                    modem_quirk(m, QUIRK_SPACE) == YES ? " " : "", 2 * len, quote, hex, quote)
               < 0)
        info = NULL;
    if (info != NULL)
        modem_info(m, info, true);
    else
        modem_error(m, CME_SIM_FAILURE);
    free(hex);
    free(info);
}

/* A modem that has no channels to give says so. */
static void refuse_channel(struct modem *m)
{
    m->sim->n_line_faults++;
    modem_error(m, CME_PLAIN_ERROR);
}

/* The channel is open, but the caller is not told. */
static bool swallow_open(struct modem *m)
{
    int n = modem_quirk(m, QUIRK_NO_ANSWER_TO_OPEN);
    bool swallowed;

    m->opens++;
    swallowed = n > 0 && m->opens % (unsigned long)n == 0;
    m->sim->n_line_faults += swallowed;
    return swallowed;
}

static bool manages_channels(const struct buf *cmd)
{
    return (cmd->data[0] & 0x80) == 0 && cmd->data[1] == ISO_INS_MANAGE_CHANNEL;
}

static bool opened_channel(const struct modem *m, const uint8_t *rsp, size_t len)
{
    return manages_channels(&m->cmd) && m->cmd.data[2] == 0 && len == 3 && says_ok(rsp[1]);
}

static void answer_card(struct modem *m, const uint8_t *rsp, size_t len)
{
    const uint8_t *sw = rsp + len - 2;
    bool mismatch = len >= 2 && sw[0] == 0x6d && sw[1] == 0x01;

    if (len >= 2 && modem_quirk(m, QUIRK_ERROR_STYLE) == STYLE_ERROR && !says_ok(sw[0])
        && !mismatch)
        modem_error(m, CME_PLAIN_ERROR);
    else if (len == 2 && modem_quirk(m, QUIRK_INIT_REPLY) == INIT_OK && is_init(&m->cmd)
             && says_ok(sw[0]))
        modem_ok(m);
    else if (!opened_channel(m, rsp, len) || !swallow_open(m))
        answer_apdu(m, rsp, len);
}

static modem_step on_fetched;

/* GET RESPONSE for what waits, or the command again with the Le that the card wants. */
static void fetch(struct modem *m, uint8_t sw1, uint8_t sw2)
{
    uint8_t channel = m->cmd.data[0] & ((m->cmd.data[0] & 0x40) != 0 ? 0x4f : 0x03);
    const uint8_t get_response[] = { channel, ISO_INS_GET_RESPONSE, 0, 0, sw2 };

    if (sw1 != 0x6c) {
        submit(m, get_response, sizeof(get_response), on_fetched);
        return;
    }
    if (m->cmd.len == 5 || m->cmd.len == 6 + (size_t)m->cmd.data[4])
        m->cmd.data[m->cmd.len - 1] = sw2;
    else
        buf_u8(&m->cmd, sw2);
    submit(m, m->cmd.data, m->cmd.len, on_fetched);
}

static void on_fetched(struct modem *m, const uint8_t *rsp, size_t len)
{
    uint8_t sw1 = len >= 2 ? rsp[len - 2] : 0;

    if (len < 2) {
        answer_card(m, rsp, len);
        return;
    }
    buf_put(&m->data, rsp, len - 2);
    if ((sw1 == 0x61 || sw1 == 0x9f || sw1 == 0x6c) && m->rounds++ < ROUNDS_MAX) {
        fetch(m, sw1, rsp[len - 1]);
        return;
    }
    buf_put(&m->data, rsp + len - 2, 2);
    if (m->data.failed)
        modem_error(m, CME_SIM_FAILURE);
    else
        answer_card(m, m->data.data, m->data.len);
    buf_clear(&m->data);
}

static void transmit(struct modem *m, const char *prefix)
{
    m->prefix = prefix;
    m->rounds = 0;
    buf_clear(&m->data);
    submit(m, m->cmd.data, m->cmd.len,
           modem_quirk(m, QUIRK_FETCH) == FETCH_MODEM ? on_fetched : answer_card);
}

/* ---- +CSIM ---- */

static bool concerns_channels(const struct buf *cmd)
{
    return (cmd->data[0] & 0x43) != 0 || manages_channels(cmd);
}

void modem_csim(struct modem *m, const char *args)
{
    int error = take_apdu(m, args);

    if (error != 0)
        modem_error(m, error);
    else if (!modem_sim_ready(m))
        return;
    else if (modem_quirk(m, QUIRK_CSIM_CHANNELS) == REFUSE && concerns_channels(&m->cmd))
        modem_error(m, CME_NOT_ALLOWED);
    else if (modem_quirk(m, QUIRK_NO_CHANNELS) == YES && manages_channels(&m->cmd))
        refuse_channel(m);
    else
        transmit(m, "+CSIM");
}

/* ---- sessions ---- */

static struct modem_session *find_session(struct modem *m, const char *id, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(m->sessions); i++)
        if (m->sessions[i].open && strlen(m->sessions[i].id) == len
            && strncasecmp(m->sessions[i].id, id, len) == 0)
            return &m->sessions[i];
    return NULL;
}

static void name_session(struct modem *m, struct modem_session *s)
{
    if (modem_quirk(m, QUIRK_SESSION_ID) == ID_IS_HANDLE)
        snprintf(s->id, sizeof(s->id), "%016x", 0x385a7cfu + 0x1010u * m->last_handle++);
    else
        snprintf(s->id, sizeof(s->id), "%u", s->channel);
}

static void on_selected(struct modem *m, const uint8_t *rsp, size_t len);
static void on_closed_again(struct modem *m, const uint8_t *rsp, size_t len);

static void on_opened(struct modem *m, const uint8_t *rsp, size_t len)
{
    uint8_t select[APDU_CMD_MAX] = { 0, ISO_INS_SELECT, 0x04, 0, (uint8_t)m->aid.len };

    if (len != 3 || rsp[0] == 0 || rsp[0] > IOTSAFE_CHANNEL_MAX) {
        modem_error(m, CME_MEMORY_FULL);
        return;
    }
    m->channel = rsp[0];
    select[0] = m->channel <= 3 ? m->channel : (uint8_t)(0x40 | (m->channel - 4));
    memcpy(select + 5, m->aid.data, m->aid.len);
    submit(m, select, 5 + m->aid.len, on_selected);
}

static void on_selected(struct modem *m, const uint8_t *rsp, size_t len)
{
    const uint8_t close[] = { 0, ISO_INS_MANAGE_CHANNEL, 0x80, m->channel, 0 };
    struct modem_session *s = &m->sessions[m->channel];
    char info[40];

    if (len < 2 || !says_ok(rsp[len - 2])) {
        submit(m, close, sizeof(close), on_closed_again);
        return;
    }
    *s = (struct modem_session){ .open = true, .channel = m->channel };
    name_session(m, s);
    snprintf(info, sizeof(info), "%s%s",
             modem_quirk(m, QUIRK_SESSION_PREFIX) == NO ? ""
             : modem_quirk(m, QUIRK_SPACE) == YES       ? "+CCHO: "
                                                        : "+CCHO:",
             s->id);
    if (!swallow_open(m))
        modem_info(m, info, false);
}

static void on_closed_again(struct modem *m, const uint8_t *rsp, size_t len)
{
    (void)rsp, (void)len;
    modem_error(m, CME_NOT_FOUND);
}

void modem_ccho(struct modem *m, const char *args)
{
    static const uint8_t open[] = { 0, ISO_INS_MANAGE_CHANNEL, 0, 0, 1 };
    int error = take_hex(m, skip_blanks(args), IOTSAFE_AID_MAX, &m->aid);

    if (error == 0 && m->aid.len == 0)
        error = CME_BAD_PARAMETERS;
    if (error != 0)
        modem_error(m, error);
    else if (modem_quirk(m, QUIRK_NO_CHANNELS) == YES)
        refuse_channel(m);
    else if (modem_sim_ready(m))
        submit(m, open, sizeof(open), on_opened);
}

static void fill_class(struct modem *m, uint8_t channel)
{
    uint8_t *cla = m->cmd.data;

    if (modem_quirk(m, QUIRK_CLASS_BY) == BY_CALLER)
        return;
    if (channel <= 3)
        *cla = (uint8_t)((*cla & 0xfc) | channel);
    else
        *cla = (uint8_t)((*cla & 0x80) | 0x40 | (channel - 4));
}

void modem_cgla(struct modem *m, const char *args)
{
    const char *p = skip_blanks(args);
    size_t id_len = strcspn(p, " ,");
    const struct modem_session *s = find_session(m, p, id_len);
    int error;

    p = skip_blanks(p + id_len);
    error = *p == ',' ? take_apdu(m, skip_blanks(p + 1)) : CME_BAD_PARAMETERS;
    if (error == 0 && s == NULL)
        error = CME_NOT_FOUND;
    if (error != 0) {
        modem_error(m, error);
    } else if (modem_sim_ready(m)) {
        fill_class(m, s->channel);
        transmit(m, "+CGLA");
    }
}

static void on_closed(struct modem *m, const uint8_t *rsp, size_t len)
{
    if (len == 2 && (rsp[0] & 0xf0) != 0x90 && rsp[0] != 0x62)
        modem_error(m, CME_SIM_FAILURE);
    else
        modem_ok(m);
}

void modem_cchc(struct modem *m, const char *args)
{
    const char *p = skip_blanks(args);
    struct modem_session *s = find_session(m, p, strcspn(p, " "));
    uint8_t close[] = { 0, ISO_INS_MANAGE_CHANNEL, 0x80, 0, 0 };

    if (s == NULL) {
        modem_error(m, CME_NOT_FOUND);
    } else if (modem_sim_ready(m)) {
        close[3] = s->channel;
        s->open = false;
        submit(m, close, sizeof(close), on_closed);
    }
}
