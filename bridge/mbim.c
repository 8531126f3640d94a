/* SPDX-License-Identifier: Apache-2.0 */
/* mbim: modems by the Mobile Broadband Interface Model, through libmbim-glib and,
 * unless told otherwise, mbim-proxy, which lets ModemManager use the same device.
 * Source: Microsoft's MBIM extension "low level UICC access"; it has the modem
 * make the class byte from type and channel, and fetch answers that wait. */
#include <libmbim-glib.h>

#include "glib_call.h"
#include "modem.h"

#define CHANNEL_GROUP 0x494f5453u /* marks our channels, so that a killed bridge's are found */

/* Statuses of the extension, which libmbim does not name. */
#define STATUS_MS_NO_LOGICAL_CHANNELS 0x87430001u
#define STATUS_MS_SELECT_FAILED 0x87430002u
#define STATUS_MS_INVALID_LOGICAL_CHANNEL 0x87430003u

/* P2 of SELECT: FCI, nothing, FCP. Some modems take one of them only. */
static const guint32 select_p2[] = { 0x00, 0x0c, 0x04 };

struct mbim_modem {
    struct modem modem;
    size_t p2;     /* of select_p2, the one that worked last */
    bool extended; /* class 0N goes under the "extended" type of class byte too */
};

static struct mbim_modem *mbim_of(struct modem *m)
{
    return (struct mbim_modem *)(void *)m;
}

static MbimDevice *device_of(const struct modem *m)
{
    return MBIM_DEVICE(m->device);
}

/* ----------------------------------------------------------------- messages */

static const struct {
    guint32 status;
    enum iotsafe_err err;
    const char *text;
} statuses[] = {
    { MBIM_STATUS_ERROR_BUSY, IOTSAFE_ERR_BUSY, "busy" },
    { MBIM_STATUS_ERROR_SIM_NOT_INSERTED, IOTSAFE_ERR_NO_CARD, "no SIM" },
    { MBIM_STATUS_ERROR_BAD_SIM, IOTSAFE_ERR_NO_CARD, "bad SIM" },
    { MBIM_STATUS_ERROR_PIN_REQUIRED, IOTSAFE_ERR_ACCESS, "the SIM requires its PIN" },
    { MBIM_STATUS_ERROR_NOT_INITIALIZED, IOTSAFE_ERR_BUSY, "the SIM is not ready yet" },
    { MBIM_STATUS_ERROR_STK_BUSY, IOTSAFE_ERR_BUSY, "the SIM toolkit is busy" },
    { MBIM_STATUS_ERROR_NO_DEVICE_SUPPORT, IOTSAFE_ERR_UNSUPPORTED,
      "this modem gives no low level access to its SIM; try its AT port" },
    { STATUS_MS_NO_LOGICAL_CHANNELS, IOTSAFE_ERR_NO_CHANNEL,
      "no logical channel is free; other programs hold them" },
    { STATUS_MS_SELECT_FAILED, IOTSAFE_ERR_NO_APPLET, "the SIM has no such applet" },
    { STATUS_MS_INVALID_LOGICAL_CHANNEL, IOTSAFE_ERR_CHANNEL_LOST, "the channel is not open" },
};

static enum iotsafe_err status_error(const struct modem *m, const char *what, guint32 status,
                                     struct iotsafe_op *op)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].status == status) {
            op_set(op, "%s: %s: %s", m->base.device, what, statuses[i].text);
            return statuses[i].err;
        }
    op_set(op, "%s: %s: MBIM status 0x%08X", m->base.device, what, status);
    return IOTSAFE_ERR_TRANSPORT;
}

static guint32 status_of(const MbimMessage *response)
{
    return (guint32)mbim_message_command_done_get_status_code(response);
}

/* Send one command and wait; `request` is consumed. On IOTSAFE_OK the caller frees the
 * response, whatever its status is. */
static enum iotsafe_err converse(struct modem *m, const char *what, MbimMessage *request,
                                 MbimMessage **ret_response, deadline_t deadline,
                                 struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    MbimMessage *response = NULL;
    GError *error = NULL;
    GAsyncResult *result;

    mbim_device_command(device_of(m), request, glib_call_seconds(call), glib_call_cancellable(call),
                        glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        response = mbim_device_command_finish(device_of(m), result, &error);
    glib_call_end(call);
    mbim_message_unref(request);
    if (response == NULL)
        return modem_unanswered(m, what, error, op);
    if (mbim_message_get_message_type(response) != MBIM_MESSAGE_TYPE_COMMAND_DONE) {
        mbim_message_unref(response);
        op_set(op, "%s: %s: the modem reports a protocol error", m->base.device, what);
        return IOTSAFE_ERR_TRANSPORT;
    }
    *ret_response = response;
    return IOTSAFE_OK;
}

/* The same; on IOTSAFE_OK the response tells success. */
static enum iotsafe_err command(struct modem *m, const char *what, MbimMessage *request,
                                MbimMessage **ret_response, deadline_t deadline,
                                struct iotsafe_op *op)
{
    MbimMessage *response = NULL;
    enum iotsafe_err err = converse(m, what, request, &response, deadline, op);

    if (err == IOTSAFE_OK && status_of(response) != MBIM_STATUS_ERROR_NONE) {
        err = status_error(m, what, status_of(response), op);
        g_clear_pointer(&response, mbim_message_unref);
    }
    *ret_response = response;
    return err;
}

static enum iotsafe_err malformed(const struct modem *m, const char *what, GError *error,
                                  struct iotsafe_op *op)
{
    op_set(op, "%s: %s: malformed response of the modem (%s)", m->base.device, what,
           error != NULL ? error->message : "no reason given");
    g_clear_error(&error);
    return IOTSAFE_ERR_PROTOCOL;
}

/* --------------------------------------------------------------- connection */

static GObject *new_finish(GAsyncResult *result, GError **error)
{
    MbimDevice *device = mbim_device_new_finish(result, error);

    return device != NULL ? G_OBJECT(device) : NULL;
}

static bool is_open(struct modem *m)
{
    return mbim_device_is_open(device_of(m));
}

static enum iotsafe_err open_device(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    MbimDeviceOpenFlags flags = m->address.proxy ? MBIM_DEVICE_OPEN_FLAGS_PROXY
                                                 : MBIM_DEVICE_OPEN_FLAGS_NONE;
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    bool opened = false;

    mbim_device_open_full(device_of(m), flags, glib_call_seconds(call), glib_call_cancellable(call),
                          glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        opened = mbim_device_open_full_finish(device_of(m), result, &error);
    glib_call_end(call);
    if (opened)
        return IOTSAFE_OK;
    return modem_unanswered(
        m, m->address.proxy ? "cannot open it through mbim-proxy" : "cannot open it", error, op);
}

/* With channel 0 all channels of our group: those of a bridge that was killed. */
static void close_channels(struct modem *m, unsigned channel, deadline_t deadline)
{
    MbimMessage *response = NULL;
    MbimMessage *request = mbim_message_ms_uicc_low_level_access_close_channel_set_new(
        channel, CHANNEL_GROUP, NULL);

    if (request != NULL
        && command(m, "close channel", request, &response, deadline, NULL) == IOTSAFE_OK)
        mbim_message_unref(response);
}

static void close_device(struct modem *m)
{
    struct glib_call *call = glib_call_begin(deadline_in(MODEM_CLOSE_MS));
    GAsyncResult *result;

    mbim_device_close(device_of(m), glib_call_seconds(call), glib_call_cancellable(call),
                      glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)mbim_device_close_finish(device_of(m), result, NULL);
    glib_call_end(call);
    (void)mbim_device_close_force(device_of(m), NULL);
}

static enum iotsafe_err mbim_start(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = open_device(m, deadline, op);

    if (err == IOTSAFE_OK)
        close_channels(m, 0, deadline);
    return err;
}

static void mbim_stop(struct modem *m, bool orderly)
{
    if (orderly)
        close_device(m);
}

/* ----------------------------------------------------------------- channels */

/* What is tried to open a channel, and how it went. */
struct opening {
    const uint8_t *aid;
    size_t aid_len;
    guint32 p2;
    guint32 channel;
    bool other_p2; /* it failed, and the reason may be P2 */
};

/* 6A82 in the order of MBIM: SW1 is the low byte. */
#define CARD_SAYS_NOT_FOUND 0x826au

/* A modem that passes on what the card said leaves no doubt. Others do not say why, and on
 * some the one status or the other means no more than that P2 is not to their liking. */
static enum iotsafe_err open_refused(struct modem *m, struct opening *o, guint32 status,
                                     guint32 card_status, struct iotsafe_op *op)
{
    const bool unexplained = (card_status & 0xffff) != CARD_SAYS_NOT_FOUND;

    if (status != STATUS_MS_SELECT_FAILED && status != STATUS_MS_INVALID_LOGICAL_CHANNEL)
        return status_error(m, "open channel", status, op);
    o->other_p2 = unexplained;
    m->base.open_hint =
        !unexplained ? NULL
        : status == STATUS_MS_SELECT_FAILED
            ? "the modem does not say why (MBIM status 0x87430002, select failed); try its AT port"
            : "the modem opens no channel to it (MBIM status 0x87430003); restart the modem, or "
              "try its AT port";
    op_set(op, "%s: open channel: the SIM has no such applet", m->base.device);
    return IOTSAFE_ERR_NO_APPLET;
}

/* Also of a response whose status tells failure: what the card said may stand there. */
static enum iotsafe_err unpack_opening(struct modem *m, const MbimMessage *response,
                                       struct opening *o, struct iotsafe_op *op)
{
    guint32 status = status_of(response), card_status = 0;
    GError *error = NULL;
    const bool told = mbim_message_ms_uicc_low_level_access_open_channel_response_parse(
        response, &card_status, &o->channel, NULL, NULL, &error);

    if (status == MBIM_STATUS_ERROR_NONE && (!told || o->channel > IOTSAFE_CHANNEL_MAX))
        return malformed(m, "open channel", error, op);
    g_clear_error(&error);
    if (status == MBIM_STATUS_ERROR_NONE && o->channel != 0)
        return IOTSAFE_OK;
    if (status == MBIM_STATUS_ERROR_NONE) /* channel 0: how some modems say it */
        status = STATUS_MS_SELECT_FAILED;
    return open_refused(m, o, status, told ? card_status : 0, op);
}

static enum iotsafe_err try_to_open(struct modem *m, struct opening *o, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    static const char what[] = "open channel";
    MbimMessage *response = NULL;
    GError *error = NULL;
    enum iotsafe_err err;
    MbimMessage *request = mbim_message_ms_uicc_low_level_access_open_channel_set_new(
        (guint32)o->aid_len, o->aid, o->p2, CHANNEL_GROUP, &error);

    if (request == NULL)
        return malformed(m, what, error, op);
    err = converse(m, what, request, &response, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = unpack_opening(m, response, o, op);
    mbim_message_unref(response);
    return err;
}

static enum iotsafe_err mbim_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                          deadline_t deadline,
                                          char ret_session[static SESSION_TEXT_MAX],
                                          struct iotsafe_op *op)
{
    struct modem *m = (struct modem *)(void *)t;
    const size_t first = mbim_of(m)->p2;
    enum iotsafe_err err = IOTSAFE_ERR_NO_APPLET;
    struct opening o = { .aid = aid, .aid_len = aid_len, .other_p2 = true };

    for (size_t i = 0; err != IOTSAFE_OK && o.other_p2 && i < ARRAY_LEN(select_p2); i++) {
        const size_t n = (first + i) % ARRAY_LEN(select_p2);

        o.p2 = select_p2[n];
        o.other_p2 = false;
        err = try_to_open(m, &o, deadline, op);
        if (err == IOTSAFE_OK)
            mbim_of(m)->p2 = n;
    }
    if (err == IOTSAFE_OK) {
        m->base.open_hint = NULL;
        modem_has_channel(m, o.channel, ret_session);
    }
    return err;
}

/* --------------------------------------------------------------- exchange */

/* Data and, in the first two bytes of a little-endian number, SW1 and SW2. */
static enum iotsafe_err unpack(const struct modem *m, const MbimMessage *response, uint8_t *ret_rsp,
                               size_t cap, size_t *ret_len, struct iotsafe_op *op)
{
    const guint8 *data = NULL;
    guint32 status = 0, size = 0;
    GError *error = NULL;

    if (!mbim_message_ms_uicc_low_level_access_apdu_response_parse(response, &status, &size, &data,
                                                                   &error))
        return malformed(m, "APDU", error, op);
    if (cap < 2 || size > cap - 2) {
        op_set(op, "%s: answer of %u bytes, at most %zu allowed", m->base.device, size, cap);
        return IOTSAFE_ERR_SPACE;
    }
    if (size != 0)
        memcpy(ret_rsp, data, size);
    ret_rsp[size] = (uint8_t)status;
    ret_rsp[size + 1] = (uint8_t)(status >> 8);
    *ret_len = size + 2;
    return IOTSAFE_OK;
}

static enum iotsafe_err transmit_as(struct modem *m, const struct transmission *tx,
                                    MbimUiccClassByteType type, size_t *ret_len,
                                    struct iotsafe_op *op)
{
    unsigned channel = modem_session_parse(tx->session);
    uint8_t bytes[APDU_CMD_MAX];
    MbimMessage *request, *response = NULL;
    GError *error = NULL;
    enum iotsafe_err err;

    if (tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > sizeof(bytes) || channel == 0)
        return IOTSAFE_ERR_ARGUMENT;
    memcpy(bytes, tx->cmd, tx->cmd_len);
    bytes[0] = modem_class(tx->cmd[0], channel);
    request = mbim_message_ms_uicc_low_level_access_apdu_set_new(
        channel, MBIM_UICC_SECURE_MESSAGING_NONE, type, (guint32)tx->cmd_len, bytes, &error);
    explicit_bzero(bytes, sizeof(bytes));
    if (request == NULL)
        return malformed(m, "APDU", error, op);
    err = command(m, "APDU", request, &response, tx->deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = unpack(m, response, tx->rsp, tx->rsp_cap, ret_len, op);
    mbim_message_unref(response);
    return err;
}

static bool refuses_class(const struct transmission *tx, size_t len)
{
    return len == 2 && tx->rsp[0] == SW_CLA_UNKNOWN >> 8 && tx->rsp[1] == (uint8_t)SW_CLA_UNKNOWN;
}

/* Class 8N is of the type "extended", class 0N of the type "inter-industry". Some modems
 * answer 6E00 to all of the latter: nothing was carried out, and the other type is tried. */
static enum iotsafe_err mbim_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    struct modem *m = (struct modem *)(void *)t;
    const bool plain = tx->cmd_len > 0 && (tx->cmd[0] & 0x80) == 0;
    bool extended = !plain || mbim_of(m)->extended;
    enum iotsafe_err err;

    for (int n = 0;; n++) {
        err = transmit_as(m, tx,
                          extended ? MBIM_UICC_CLASS_BYTE_TYPE_EXTENDED
                                   : MBIM_UICC_CLASS_BYTE_TYPE_INTER_INDUSTRY,
                          ret_len, op);
        if (err != IOTSAFE_OK || !plain || n == 1 || !refuses_class(tx, *ret_len))
            break;
        extended = !extended;
    }
    if (err == IOTSAFE_OK && plain && !refuses_class(tx, *ret_len))
        mbim_of(m)->extended = extended;
    return err;
}

static const struct modem_kind mbim = {
    .ops = &transport_mbim,
    .size = sizeof(struct mbim_modem),
    .removed_signal = MBIM_DEVICE_SIGNAL_REMOVED,
    .core_error = mbim_core_error_quark,
    .timeout_code = MBIM_CORE_ERROR_TIMEOUT,
    .device_new = mbim_device_new,
    .device_new_finish = new_finish,
    .start = mbim_start,
    .is_open = is_open,
    .close_channel = close_channels,
    .stop = mbim_stop,
};

static enum iotsafe_err mbim_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    (void)lock_dir; /* the bridge is the only one of us on this device */
    return modem_open(&mbim, address, ret_transport, op);
}

const struct transport_ops transport_mbim = {
    .scheme = "mbim",
    .open = mbim_open,
    .connect = modem_connect,
    .acquire = modem_acquire,
    .release = modem_release,
    .open_channel = mbim_open_channel,
    .close_channel = modem_close_channel,
    .transmit = mbim_transmit,
    .disconnect = modem_disconnect,
    .drop = modem_drop,
    .close = modem_close,
};
