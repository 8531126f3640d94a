/* SPDX-License-Identifier: Apache-2.0 */
/* qmi: modems by Qualcomm's interface, through libqmi-glib (1.36 and later have
 * its APDU commands) and, unless told otherwise, qmi-proxy, which lets
 * ModemManager use the same device. */
#include <libqmi-glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "error.h"
#include "glib_call.h"
#include "modem.h"

#define CLOSE_MS 2000

struct qmi_transport {
    struct transport base;
    struct modem_address address;
    QmiDevice *device;
    QmiClientUim *client;
    unsigned channel; /* that we have opened; 0: none */
    bool removed;     /* the device or the proxy has gone */
};

static struct qmi_transport *self_of(struct transport *t)
{
    return (struct qmi_transport *)(void *)t;
}

static enum iotsafe_err qmi_open(const char *address, const char *lock_dir,
                                 struct transport **ret_transport, struct iotsafe_op *op)
{
    struct qmi_transport *self = calloc(1, sizeof(*self));

    (void)lock_dir; /* the bridge is the only one of us on this device */
    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    if (!modem_address_parse("qmi", true, address, &self->address, op)) {
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    self->base.ops = &transport_qmi;
    self->base.one_device = self->base.opens_channels = true;
    (void)snprintf(self->base.device, sizeof(self->base.device), "qmi:%s", self->address.path);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
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
static enum iotsafe_err refused(const struct qmi_transport *self, const char *what, GError *error,
                                enum iotsafe_err otherwise, struct iotsafe_op *op)
{
    enum iotsafe_err err = otherwise;

    op_set(op, "%s: %s: %s", self->base.device, what, error != NULL ? error->message : "refused");
    for (size_t i = 0; error != NULL && i < ARRAY_LEN(protocol_errors); i++)
        if (g_error_matches(error, QMI_PROTOCOL_ERROR, protocol_errors[i].code))
            err = protocol_errors[i].err;
    g_clear_error(&error);
    return err;
}

/* A request that came to no answer at all. */
static enum iotsafe_err unanswered(const struct qmi_transport *self, const char *what,
                                   GError *error, struct iotsafe_op *op)
{
    if (error != NULL && g_error_matches(error, QMI_CORE_ERROR, QMI_CORE_ERROR_TIMEOUT))
        g_clear_error(&error);
    return glib_call_failure(self->base.device, what, error, op);
}

/* --------------------------------------------------------------- connection */

static void on_removed(QmiDevice *device, gpointer arg)
{
    struct qmi_transport *self = arg;

    (void)device;
    self->removed = true;
}

static enum iotsafe_err make_device(struct qmi_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    GFile *file = g_file_new_for_path(self->address.path);
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;

    qmi_device_new(file, glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        self->device = qmi_device_new_finish(result, &error);
    glib_call_end(call);
    g_object_unref(file);
    if (self->device == NULL) {
        enum iotsafe_err err = unanswered(self, "no such modem", error, op);

        return err == IOTSAFE_ERR_TRANSPORT ? IOTSAFE_ERR_NO_SERVICE : err;
    }
    self->removed = false;
    (void)g_signal_connect(self->device, QMI_DEVICE_SIGNAL_REMOVED, G_CALLBACK(on_removed), self);
    return IOTSAFE_OK;
}

static enum iotsafe_err try_open(struct qmi_transport *self, QmiDeviceOpenFlags flags,
                                 deadline_t deadline, struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    bool opened = false;

    if (self->address.proxy)
        flags |= QMI_DEVICE_OPEN_FLAGS_PROXY;
    qmi_device_open(self->device, flags, glib_call_seconds(call), glib_call_cancellable(call),
                    glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        opened = qmi_device_open_finish(self->device, result, &error);
    glib_call_end(call);
    if (opened)
        return IOTSAFE_OK;
    return unanswered(self,
                      self->address.proxy ? "cannot open it through qmi-proxy" : "cannot open it",
                      error, op);
}

/* The library tells by the kernel's driver whether QMI runs inside MBIM; a driver
 * that it does not know speaks plain QMI. */
static enum iotsafe_err open_device(struct qmi_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    enum iotsafe_err err = try_open(self, QMI_DEVICE_OPEN_FLAGS_AUTO, deadline, op);

    if (err == IOTSAFE_ERR_TRANSPORT)
        err = try_open(self, QMI_DEVICE_OPEN_FLAGS_NONE, deadline, op);
    return err;
}

static enum iotsafe_err make_client(struct qmi_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    QmiClient *client = NULL;
    GError *error = NULL;
    GAsyncResult *result;

    qmi_device_allocate_client(self->device, QMI_SERVICE_UIM, QMI_CID_NONE, glib_call_seconds(call),
                               glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        client = qmi_device_allocate_client_finish(self->device, result, &error);
    glib_call_end(call);
    if (client == NULL)
        return unanswered(self, "no access to the UIM service", error, op);
    self->client = QMI_CLIENT_UIM(client);
    return IOTSAFE_OK;
}

static void release_client(struct qmi_transport *self)
{
    struct glib_call *call = glib_call_begin(deadline_in(CLOSE_MS));
    GAsyncResult *result;

    qmi_device_release_client(self->device, QMI_CLIENT(self->client),
                              QMI_DEVICE_RELEASE_CLIENT_FLAGS_RELEASE_CID, glib_call_seconds(call),
                              glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)qmi_device_release_client_finish(self->device, result, NULL);
    glib_call_end(call);
}

static void close_device(struct qmi_transport *self)
{
    struct glib_call *call = glib_call_begin(deadline_in(CLOSE_MS));
    GAsyncResult *result;

    qmi_device_close_async(self->device, glib_call_seconds(call), glib_call_cancellable(call),
                           glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)qmi_device_close_finish(self->device, result, NULL);
    glib_call_end(call);
}

static void qmi_close_channel(struct transport *t, const char *session, deadline_t deadline);

/* Without a word to the modem where it does not listen any more. */
static void let_go(struct qmi_transport *self, bool orderly)
{
    char session[SESSION_TEXT_MAX];

    if (self->device == NULL)
        return;
    if (orderly && !self->removed && self->client != NULL) {
        modem_session_format(self->channel, session);
        if (self->channel != 0)
            qmi_close_channel(&self->base, session, deadline_in(CLOSE_MS));
        release_client(self);
        close_device(self);
    }
    g_clear_object(&self->client);
    (void)g_signal_handlers_disconnect_by_data(self->device, self);
    g_clear_object(&self->device);
    self->channel = 0;
    self->base.connected = false;
}

static enum iotsafe_err qmi_connect(struct transport *t, unsigned n, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    struct qmi_transport *self = self_of(t);
    enum iotsafe_err err;

    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    err = make_device(self, deadline, op);
    if (err == IOTSAFE_OK)
        err = open_device(self, deadline, op);
    if (err == IOTSAFE_OK)
        err = make_client(self, deadline, op);
    if (err != IOTSAFE_OK) {
        let_go(self, false);
        return err;
    }
    t->connected = true;
    return IOTSAFE_OK;
}

static enum iotsafe_err qmi_acquire(struct transport *t, deadline_t deadline,
                                    enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct qmi_transport *self = self_of(t);

    (void)deadline;
    *ret_reset = RESET_NONE; /* a channel that is gone shows in its next use */
    glib_pump_run();         /* what the modem said meanwhile; perhaps that it has gone */
    if (!self->removed && qmi_device_is_open(self->device))
        return IOTSAFE_OK;
    op_set(op, "%s: the modem is gone", t->device);
    return IOTSAFE_ERR_TRANSPORT;
}

static void qmi_release(struct transport *t)
{
    (void)t;
}

static void qmi_disconnect(struct transport *t)
{
    let_go(self_of(t), true);
}

static void qmi_drop(struct transport *t)
{
    let_go(self_of(t), false);
}

static void qmi_close(struct transport *t)
{
    free(t);
}

/* ----------------------------------------------------------------- channels */

static GArray *bytes_new(const uint8_t *bytes, size_t n)
{
    GArray *array = g_array_sized_new(FALSE, FALSE, 1, (guint)n);

    return g_array_append_vals(array, bytes, (guint)n);
}

/* The card's own words, where the modem passes them on, tell more than its own. */
static enum iotsafe_err open_refused(const struct qmi_transport *self,
                                     QmiMessageUimOpenLogicalChannelOutput *output, GError *error,
                                     struct iotsafe_op *op)
{
    guint8 sw1 = 0, sw2 = 0;
    enum iotsafe_err err;

    if (!qmi_message_uim_open_logical_channel_output_get_card_result(output, &sw1, &sw2, NULL))
        return refused(self, "open channel", error, IOTSAFE_ERR_NO_APPLET, op);
    g_clear_error(&error);
    err = error_from_sw((uint16_t)(sw1 << 8 | sw2));
    op_set(op, "%s: open channel: the card answered %02X%02X: %s", self->base.device, sw1, sw2,
           error_sw_meaning((uint16_t)(sw1 << 8 | sw2)));
    if (err == IOTSAFE_ERR_NOT_FOUND)
        return IOTSAFE_ERR_NO_APPLET;
    return err == IOTSAFE_ERR_UNSUPPORTED || err == IOTSAFE_ERR_CHANNEL_LOST
               ? IOTSAFE_ERR_NO_CHANNEL
           : err == IOTSAFE_OK ? IOTSAFE_ERR_PROTOCOL
                               : err;
}

static enum iotsafe_err unpack_channel(struct qmi_transport *self,
                                       QmiMessageUimOpenLogicalChannelOutput *output,
                                       char ret_session[static SESSION_TEXT_MAX],
                                       struct iotsafe_op *op)
{
    GError *error = NULL;
    guint8 channel = 0;

    if (!qmi_message_uim_open_logical_channel_output_get_result(output, &error))
        return open_refused(self, output, error, op);
    if (!qmi_message_uim_open_logical_channel_output_get_channel_id(output, &channel, &error)
        || channel == 0 || channel > IOTSAFE_CHANNEL_MAX)
        return refused(self, "open channel: no channel in the answer", error, IOTSAFE_ERR_PROTOCOL,
                       op);
    self->channel = channel;
    modem_session_format(channel, ret_session);
    return IOTSAFE_OK;
}

static enum iotsafe_err qmi_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                         deadline_t deadline,
                                         char ret_session[static SESSION_TEXT_MAX],
                                         struct iotsafe_op *op)
{
    struct qmi_transport *self = self_of(t);
    QmiMessageUimOpenLogicalChannelInput *input = qmi_message_uim_open_logical_channel_input_new();
    QmiMessageUimOpenLogicalChannelOutput *output = NULL;
    GArray *name = bytes_new(aid, aid_len);
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    enum iotsafe_err err;

    (void)qmi_message_uim_open_logical_channel_input_set_slot(input, (guint8)self->address.slot,
                                                              NULL);
    (void)qmi_message_uim_open_logical_channel_input_set_aid(input, name, NULL);
    qmi_client_uim_open_logical_channel(self->client, input, glib_call_seconds(call),
                                        glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_open_logical_channel_finish(self->client, result, &error);
    glib_call_end(call);
    g_array_unref(name);
    qmi_message_uim_open_logical_channel_input_unref(input);
    if (output == NULL)
        return unanswered(self, "open channel", error, op);
    err = unpack_channel(self, output, ret_session, op);
    qmi_message_uim_open_logical_channel_output_unref(output);
    return err;
}

static void qmi_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    struct qmi_transport *self = self_of(t);
    QmiMessageUimLogicalChannelInput *input = qmi_message_uim_logical_channel_input_new();
    QmiMessageUimLogicalChannelOutput *output = NULL;
    struct glib_call *call = glib_call_begin(deadline);
    GAsyncResult *result;

    (void)qmi_message_uim_logical_channel_input_set_slot(input, (guint8)self->address.slot, NULL);
    (void)qmi_message_uim_logical_channel_input_set_channel_id(input,
                                                               (guint8)modem_session_parse(session),
                                                               NULL);
    qmi_client_uim_logical_channel(self->client, input, glib_call_seconds(call),
                                   glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_logical_channel_finish(self->client, result, NULL);
    glib_call_end(call);
    qmi_message_uim_logical_channel_input_unref(input);
    if (output != NULL)
        qmi_message_uim_logical_channel_output_unref(output);
    self->channel = 0;
}

/* --------------------------------------------------------------- exchange */

static enum iotsafe_err unpack_apdu(const struct qmi_transport *self,
                                    QmiMessageUimSendApduOutput *output, uint8_t *ret_rsp,
                                    size_t cap, size_t *ret_len, struct iotsafe_op *op)
{
    GArray *answer = NULL;
    GError *error = NULL;

    /* the modem takes any command on a channel that is open */
    if (!qmi_message_uim_send_apdu_output_get_result(output, &error))
        return refused(self, "APDU", error, IOTSAFE_ERR_CHANNEL_LOST, op);
    if (!qmi_message_uim_send_apdu_output_get_apdu_response(output, &answer, &error))
        return refused(self, "APDU: no answer of the card", error, IOTSAFE_ERR_PROTOCOL, op);
    if (answer->len > cap) {
        op_set(op, "%s: answer of %u bytes, at most %zu allowed", self->base.device, answer->len,
               cap);
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
    struct qmi_transport *self = self_of(t);
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
    (void)qmi_message_uim_send_apdu_input_set_slot(input, (guint8)self->address.slot, NULL);
    (void)qmi_message_uim_send_apdu_input_set_channel_id(input, (guint8)channel, NULL);
    (void)qmi_message_uim_send_apdu_input_set_apdu(input, bytes, NULL);
    call = glib_call_begin(tx->deadline);
    qmi_client_uim_send_apdu(self->client, input, glib_call_seconds(call),
                             glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        output = qmi_client_uim_send_apdu_finish(self->client, result, &error);
    glib_call_end(call);
    qmi_message_uim_send_apdu_input_unref(input);
    g_array_unref(bytes);
    if (output == NULL)
        return unanswered(self, "APDU", error, op);
    err = unpack_apdu(self, output, tx->rsp, tx->rsp_cap, ret_len, op);
    qmi_message_uim_send_apdu_output_unref(output);
    return err;
}

const struct transport_ops transport_qmi = {
    .scheme = "qmi",
    .open = qmi_open,
    .connect = qmi_connect,
    .acquire = qmi_acquire,
    .release = qmi_release,
    .open_channel = qmi_open_channel,
    .close_channel = qmi_close_channel,
    .transmit = qmi_transmit,
    .disconnect = qmi_disconnect,
    .drop = qmi_drop,
    .close = qmi_close,
};
