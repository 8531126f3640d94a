/* SPDX-License-Identifier: Apache-2.0 */
/* qmi: modems by Qualcomm's interface, through libqmi-glib (1.36 and later have
 * its APDU commands) and, unless told otherwise, qmi-proxy, which lets
 * ModemManager use the same device. */
#include <libqmi-glib.h>

#include "error.h"
#include "glib_call.h"
#include "modem.h"

struct qmi_modem {
    struct modem modem;
    QmiClientUim *client; /* owned; NULL: none */
};

static struct qmi_modem *qmi_of(struct modem *m)
{
    return (struct qmi_modem *)(void *)m;
}

static QmiDevice *device_of(const struct modem *m)
{
    return QMI_DEVICE(m->device);
}

/* ------------------------------------------------------------------- errors */

static const struct {
    gint code;
    enum iotsafe_err err;
} protocol_errors[] = {
    { QMI_PROTOCOL_ERROR_NO_SIM, IOTSAFE_ERR_NO_CARD },
    { QMI_PROTOCOL_ERROR_UIM_UNINITIALIZED, IOTSAFE_ERR_BUSY },
    { QMI_PROTOCOL_ERROR_ACCESS_DENIED, IOTSAFE_ERR_ACCESS },
    { QMI_PROTOCOL_ERROR_NOT_SUPPORTED, IOTSAFE_ERR_UNSUPPORTED },
    { QMI_PROTOCOL_ERROR_INVALID_QMI_COMMAND, IOTSAFE_ERR_UNSUPPORTED },
};

/* What the modem refused; `otherwise` is what a refusal means that says no more. */
static enum iotsafe_err refused(const struct modem *m, const char *what, GError *error,
                                enum iotsafe_err otherwise, struct iotsafe_op *op)
{
    enum iotsafe_err err = otherwise;

    op_set(op, "%s: %s: %s", m->base.device, what, error != NULL ? error->message : "refused");
    for (size_t i = 0; error != NULL && i < ARRAY_LEN(protocol_errors); i++)
        if (g_error_matches(error, QMI_PROTOCOL_ERROR, protocol_errors[i].code))
            err = protocol_errors[i].err;
    g_clear_error(&error);
    return err;
}

/* --------------------------------------------------------------- connection */

static GObject *new_finish(GAsyncResult *result, GError **error)
{
    QmiDevice *device = qmi_device_new_finish(result, error);

    return device != NULL ? G_OBJECT(device) : NULL;
}

static bool is_open(struct modem *m)
{
    return qmi_device_is_open(device_of(m));
}

static enum iotsafe_err try_open(struct modem *m, QmiDeviceOpenFlags flags, deadline_t deadline,
                                 struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    bool opened = false;

    if (m->address.proxy)
        flags |= QMI_DEVICE_OPEN_FLAGS_PROXY;
    qmi_device_open(device_of(m), flags, glib_call_seconds(call), glib_call_cancellable(call),
                    glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        opened = qmi_device_open_finish(device_of(m), result, &error);
    glib_call_end(call);
    if (opened)
        return IOTSAFE_OK;
    return modem_unanswered(
        m, m->address.proxy ? "cannot open it through qmi-proxy" : "cannot open it", error, op);
}

/* The library tells by the kernel's driver whether QMI runs inside MBIM; a driver
 * that it does not know speaks plain QMI. */
static enum iotsafe_err open_device(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = try_open(m, QMI_DEVICE_OPEN_FLAGS_AUTO, deadline, op);

    if (err == IOTSAFE_ERR_TRANSPORT)
        err = try_open(m, QMI_DEVICE_OPEN_FLAGS_NONE, deadline, op);
    return err;
}

static enum iotsafe_err make_client(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    QmiClient *client = NULL;
    GError *error = NULL;
    GAsyncResult *result;

    qmi_device_allocate_client(device_of(m), QMI_SERVICE_UIM, QMI_CID_NONE, glib_call_seconds(call),
                               glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        client = qmi_device_allocate_client_finish(device_of(m), result, &error);
    glib_call_end(call);
    if (client == NULL)
        return modem_unanswered(m, "no access to the UIM service", error, op);
    qmi_of(m)->client = QMI_CLIENT_UIM(client);
    return IOTSAFE_OK;
}

static void release_client(struct modem *m)
{
    struct glib_call *call = glib_call_begin(deadline_in(MODEM_CLOSE_MS));
    GAsyncResult *result;

    qmi_device_release_client(device_of(m), QMI_CLIENT(qmi_of(m)->client),
                              QMI_DEVICE_RELEASE_CLIENT_FLAGS_RELEASE_CID, glib_call_seconds(call),
                              glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)qmi_device_release_client_finish(device_of(m), result, NULL);
    glib_call_end(call);
}

static void close_device(struct modem *m)
{
    struct glib_call *call = glib_call_begin(deadline_in(MODEM_CLOSE_MS));
    GAsyncResult *result;

    qmi_device_close_async(device_of(m), glib_call_seconds(call), glib_call_cancellable(call),
                           glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)qmi_device_close_finish(device_of(m), result, NULL);
    glib_call_end(call);
}

static enum iotsafe_err qmi_start(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    enum iotsafe_err err = open_device(m, deadline, op);

    return err == IOTSAFE_OK ? make_client(m, deadline, op) : err;
}

static void qmi_stop(struct modem *m, bool orderly)
{
    if (orderly && qmi_of(m)->client != NULL) {
        release_client(m);
        close_device(m);
    }
    g_clear_object(&qmi_of(m)->client);
}

/* ----------------------------------------------------------------- channels */

static GArray *bytes_new(const uint8_t *bytes, size_t n)
{
    GArray *array = g_array_sized_new(FALSE, FALSE, 1, (guint)n);

    return g_array_append_vals(array, bytes, (guint)n);
}

/* The card's own words, where the modem passes them on, tell more than its own. A modem
 * that lets certain applications through only says so of each other one: the next AID may
 * be let through. */
static enum iotsafe_err open_refused(struct modem *m, QmiMessageUimOpenLogicalChannelOutput *output,
                                     GError *error, struct iotsafe_op *op)
{
    guint8 sw1 = 0, sw2 = 0;
    enum iotsafe_err err;

    if (g_error_matches(error, QMI_PROTOCOL_ERROR, QMI_PROTOCOL_ERROR_ACCESS_DENIED)) {
        (void)refused(m, "open channel", error, IOTSAFE_ERR_NO_APPLET, op);
        m->base.open_hint = "the modem denies access to it (AccessDenied): its firmware lets "
                            "certain applications through only; try its AT port with ?mode=csim";
        return IOTSAFE_ERR_NO_APPLET;
    }
    if (!qmi_message_uim_open_logical_channel_output_get_card_result(output, &sw1, &sw2, NULL))
        return refused(m, "open channel", error, IOTSAFE_ERR_NO_APPLET, op);
    g_clear_error(&error);
    err = error_from_sw((uint16_t)(sw1 << 8 | sw2));
    op_set(op, "%s: open channel: the card answered %02X%02X: %s", m->base.device, sw1, sw2,
           error_sw_meaning((uint16_t)(sw1 << 8 | sw2)));
    if (err == IOTSAFE_ERR_NOT_FOUND)
        return IOTSAFE_ERR_NO_APPLET;
    return err == IOTSAFE_ERR_UNSUPPORTED || err == IOTSAFE_ERR_CHANNEL_LOST
               ? IOTSAFE_ERR_NO_CHANNEL
           : err == IOTSAFE_OK ? IOTSAFE_ERR_PROTOCOL
                               : err;
}

static enum iotsafe_err unpack_channel(struct modem *m,
                                       QmiMessageUimOpenLogicalChannelOutput *output,
                                       char ret_session[static SESSION_TEXT_MAX],
                                       struct iotsafe_op *op)
{
    GError *error = NULL;
    guint8 channel = 0;

    if (!qmi_message_uim_open_logical_channel_output_get_result(output, &error))
        return open_refused(m, output, error, op);
    if (!qmi_message_uim_open_logical_channel_output_get_channel_id(output, &channel, &error)
        || channel == 0 || channel > IOTSAFE_CHANNEL_MAX)
        return refused(m, "open channel: no channel in the answer", error, IOTSAFE_ERR_PROTOCOL,
                       op);
    m->base.open_hint = NULL;
    modem_has_channel(m, channel, ret_session);
    return IOTSAFE_OK;
}

static enum iotsafe_err qmi_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                         deadline_t deadline,
                                         char ret_session[static SESSION_TEXT_MAX],
                                         struct iotsafe_op *op)
{
    struct modem *m = (struct modem *)(void *)t;
    QmiMessageUimOpenLogicalChannelInput *input = qmi_message_uim_open_logical_channel_input_new();
    QmiMessageUimOpenLogicalChannelOutput *output = NULL;
    GArray *name = bytes_new(aid, aid_len);
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    enum iotsafe_err err;

    (void)qmi_message_uim_open_logical_channel_input_set_slot(input, (guint8)m->address.slot, NULL);
    (void)qmi_message_uim_open_logical_channel_input_set_aid(input, name, NULL);
    qmi_client_uim_open_logical_channel(qmi_of(m)->client, input, glib_call_seconds(call),
                                        glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_open_logical_channel_finish(qmi_of(m)->client, result, &error);
    glib_call_end(call);
    g_array_unref(name);
    qmi_message_uim_open_logical_channel_input_unref(input);
    if (output == NULL)
        return modem_unanswered(m, "open channel", error, op);
    err = unpack_channel(m, output, ret_session, op);
    qmi_message_uim_open_logical_channel_output_unref(output);
    return err;
}

static void close_channel(struct modem *m, unsigned channel, deadline_t deadline)
{
    QmiMessageUimLogicalChannelInput *input = qmi_message_uim_logical_channel_input_new();
    QmiMessageUimLogicalChannelOutput *output = NULL;
    struct glib_call *call = glib_call_begin(deadline);
    GAsyncResult *result;

    (void)qmi_message_uim_logical_channel_input_set_slot(input, (guint8)m->address.slot, NULL);
    (void)qmi_message_uim_logical_channel_input_set_channel_id(input, (guint8)channel, NULL);
    qmi_client_uim_logical_channel(qmi_of(m)->client, input, glib_call_seconds(call),
                                   glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_logical_channel_finish(qmi_of(m)->client, result, NULL);
    glib_call_end(call);
    qmi_message_uim_logical_channel_input_unref(input);
    if (output != NULL)
        qmi_message_uim_logical_channel_output_unref(output);
}

/* --------------------------------------------------------------- exchange */

static enum iotsafe_err unpack_apdu(const struct modem *m, QmiMessageUimSendApduOutput *output,
                                    uint8_t *ret_rsp, size_t cap, size_t *ret_len,
                                    struct iotsafe_op *op)
{
    GArray *answer = NULL;
    GError *error = NULL;

    /* the modem takes any command on a channel that is open */
    if (!qmi_message_uim_send_apdu_output_get_result(output, &error))
        return refused(m, "APDU", error, IOTSAFE_ERR_CHANNEL_LOST, op);
    if (!qmi_message_uim_send_apdu_output_get_apdu_response(output, &answer, &error))
        return refused(m,
                       "APDU: no response of the card (long ones come in pieces on some modems, "
                       "which libqmi does not collect)",
                       error, IOTSAFE_ERR_PROTOCOL, op);
    if (answer->len > cap) {
        op_set(op, "%s: answer of %u bytes, at most %zu allowed", m->base.device, answer->len, cap);
        return IOTSAFE_ERR_SPACE;
    }
    if (answer->len != 0)
        memcpy(ret_rsp, answer->data, answer->len);
    *ret_len = answer->len;
    return IOTSAFE_OK;
}

static enum iotsafe_err qmi_transmit(struct transport *t, const struct transmission *tx,
                                     size_t *ret_len, struct iotsafe_op *op)
{
    struct modem *m = (struct modem *)(void *)t;
    unsigned channel = modem_session_parse(tx->session);
    QmiMessageUimSendApduInput *input;
    QmiMessageUimSendApduOutput *output = NULL;
    struct glib_call *call;
    GError *error = NULL;
    GAsyncResult *result;
    GArray *bytes;
    enum iotsafe_err err;

    if (tx->cmd_len < APDU_HEADER_SIZE || tx->cmd_len > APDU_CMD_MAX || channel == 0)
        return IOTSAFE_ERR_ARGUMENT;
    bytes = bytes_new(tx->cmd, tx->cmd_len);
    bytes->data[0] = (gchar)modem_class(tx->cmd[0], channel);
    input = qmi_message_uim_send_apdu_input_new();
    (void)qmi_message_uim_send_apdu_input_set_slot(input, (guint8)m->address.slot, NULL);
    (void)qmi_message_uim_send_apdu_input_set_channel_id(input, (guint8)channel, NULL);
    (void)qmi_message_uim_send_apdu_input_set_apdu(input, bytes, NULL);
    call = glib_call_begin(tx->deadline);
    qmi_client_uim_send_apdu(qmi_of(m)->client, input, glib_call_seconds(call),
                             glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_send_apdu_finish(qmi_of(m)->client, result, &error);
    glib_call_end(call);
    qmi_message_uim_send_apdu_input_unref(input);
    g_array_unref(bytes);
    if (output == NULL)
        return modem_unanswered(m, "APDU", error, op);
    err = unpack_apdu(m, output, tx->rsp, tx->rsp_cap, ret_len, op);
    qmi_message_uim_send_apdu_output_unref(output);
    return err;
}

static const struct modem_kind qmi = {
    .ops = &transport_qmi,
    .size = sizeof(struct qmi_modem),
    .slots = true,
    .removed_signal = QMI_DEVICE_SIGNAL_REMOVED,
    .core_error = qmi_core_error_quark,
    .timeout_code = QMI_CORE_ERROR_TIMEOUT,
    .device_new = qmi_device_new,
    .device_new_finish = new_finish,
    .start = qmi_start,
    .is_open = is_open,
    .close_channel = close_channel,
    .stop = qmi_stop,
};

static enum iotsafe_err qmi_open(const char *address, const char *lock_dir,
                                 struct transport **ret_transport, struct iotsafe_op *op)
{
    (void)lock_dir; /* the bridge is the only one of us on this device */
    return modem_open(&qmi, address, ret_transport, op);
}

const struct transport_ops transport_qmi = {
    .scheme = "qmi",
    .open = qmi_open,
    .connect = modem_connect,
    .acquire = modem_acquire,
    .release = modem_release,
    .open_channel = qmi_open_channel,
    .close_channel = modem_close_channel,
    .transmit = qmi_transmit,
    .disconnect = modem_disconnect,
    .drop = modem_drop,
    .close = modem_close,
};
