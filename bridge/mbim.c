/* SPDX-License-Identifier: Apache-2.0 */
/* mbim: modems by the Mobile Broadband Interface Model, through libmbim-glib and,
 * unless told otherwise, mbim-proxy, which lets ModemManager use the same device.
 * Source: Microsoft's MBIM extension "low level UICC access"; it has the modem
 * make the class byte from type and channel, and fetch answers that wait. */
#include <libmbim-glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "glib_call.h"
#include "modem.h"

#define CHANNEL_GROUP 0x494f5453u /* marks our channels, so that a killed bridge's are found */
#define CLOSE_MS 2000

/* Statuses of the extension, which libmbim does not name. */
#define STATUS_MS_NO_LOGICAL_CHANNELS 0x87430001u
#define STATUS_MS_SELECT_FAILED 0x87430002u
#define STATUS_MS_INVALID_LOGICAL_CHANNEL 0x87430003u

struct mbim_transport {
    struct transport base;
    struct modem_address address;
    MbimDevice *device;
    unsigned channel; /* that we have opened; 0: none */
    bool removed;     /* the device or the proxy has gone */
};

static struct mbim_transport *self_of(struct transport *t)
{
    return (struct mbim_transport *)(void *)t;
}

static enum iotsafe_err mbim_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    struct mbim_transport *self = calloc(1, sizeof(*self));

    (void)lock_dir; /* the bridge is the only one of us on this device */
    if (self == NULL)
        return IOTSAFE_ERR_MEMORY;
    if (!modem_address_parse("mbim", false, address, &self->address, op)) {
        free(self);
        return IOTSAFE_ERR_CONFIG;
    }
    self->base.ops = &transport_mbim;
    self->base.one_device = self->base.opens_channels = true;
    (void)snprintf(self->base.device, sizeof(self->base.device), "mbim:%s", self->address.path);
    *ret_transport = &self->base;
    return IOTSAFE_OK;
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
    { MBIM_STATUS_ERROR_PIN_REQUIRED, IOTSAFE_ERR_ACCESS, "the SIM wants its PIN" },
    { MBIM_STATUS_ERROR_NOT_INITIALIZED, IOTSAFE_ERR_BUSY, "the SIM is not ready yet" },
    { MBIM_STATUS_ERROR_STK_BUSY, IOTSAFE_ERR_BUSY, "the SIM toolkit is busy" },
    { MBIM_STATUS_ERROR_NO_DEVICE_SUPPORT, IOTSAFE_ERR_UNSUPPORTED,
      "this modem gives no low level access to its SIM; try its AT port" },
    { STATUS_MS_NO_LOGICAL_CHANNELS, IOTSAFE_ERR_NO_CHANNEL,
      "no logical channel is free; other programs hold them" },
    { STATUS_MS_SELECT_FAILED, IOTSAFE_ERR_NO_APPLET, "the SIM has no such applet" },
    { STATUS_MS_INVALID_LOGICAL_CHANNEL, IOTSAFE_ERR_CHANNEL_LOST, "the channel is not open" },
};

static enum iotsafe_err status_error(const struct mbim_transport *self, const char *what,
                                     guint32 status, struct iotsafe_op *op)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (statuses[i].status == status) {
            op_set(op, "%s: %s: %s", self->base.device, what, statuses[i].text);
            return statuses[i].err;
        }
    op_set(op, "%s: %s: MBIM status %u", self->base.device, what, status);
    return IOTSAFE_ERR_TRANSPORT;
}

/* Send one command and wait; `request` is consumed. On IOTSAFE_OK the caller
 * frees the response, which tells success. */
static enum iotsafe_err command(struct mbim_transport *self, const char *what, MbimMessage *request,
                                MbimMessage **ret_response, deadline_t deadline,
                                struct iotsafe_op *op)
{
    struct glib_call *call = glib_call_begin(deadline);
    MbimMessage *response = NULL;
    GError *error = NULL;
    GAsyncResult *result;
    guint32 status;

    mbim_device_command(self->device, request, glib_call_seconds(call), glib_call_cancellable(call),
                        glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        response = mbim_device_command_finish(self->device, result, &error);
    glib_call_end(call);
    mbim_message_unref(request);
    if (response == NULL) {
        if (error != NULL && g_error_matches(error, MBIM_CORE_ERROR, MBIM_CORE_ERROR_TIMEOUT))
            g_clear_error(&error);
        return glib_call_failure(self->base.device, what, error, op);
    }
    if (mbim_message_get_message_type(response) != MBIM_MESSAGE_TYPE_COMMAND_DONE) {
        mbim_message_unref(response);
        op_set(op, "%s: %s: the modem reports a protocol error", self->base.device, what);
        return IOTSAFE_ERR_TRANSPORT;
    }
    status = (guint32)mbim_message_command_done_get_status_code(response);
    if (status != MBIM_STATUS_ERROR_NONE) {
        mbim_message_unref(response);
        return status_error(self, what, status, op);
    }
    *ret_response = response;
    return IOTSAFE_OK;
}

static enum iotsafe_err malformed(const struct mbim_transport *self, const char *what,
                                  GError *error, struct iotsafe_op *op)
{
    op_set(op, "%s: %s: malformed answer of the modem (%s)", self->base.device, what,
           error != NULL ? error->message : "no reason given");
    g_clear_error(&error);
    return IOTSAFE_ERR_PROTOCOL;
}

/* --------------------------------------------------------------- connection */

static void on_removed(MbimDevice *device, gpointer arg)
{
    struct mbim_transport *self = arg;

    (void)device;
    self->removed = true;
}

static enum iotsafe_err make_device(struct mbim_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    GFile *file = g_file_new_for_path(self->address.path);
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;

    mbim_device_new(file, glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        self->device = mbim_device_new_finish(result, &error);
    glib_call_end(call);
    g_object_unref(file);
    if (self->device == NULL) {
        enum iotsafe_err err = glib_call_failure(self->base.device, "no such modem", error, op);

        return err == IOTSAFE_ERR_TRANSPORT ? IOTSAFE_ERR_NO_SERVICE : err;
    }
    self->removed = false;
    (void)g_signal_connect(self->device, MBIM_DEVICE_SIGNAL_REMOVED, G_CALLBACK(on_removed), self);
    return IOTSAFE_OK;
}

static enum iotsafe_err open_device(struct mbim_transport *self, deadline_t deadline,
                                    struct iotsafe_op *op)
{
    MbimDeviceOpenFlags flags = self->address.proxy ? MBIM_DEVICE_OPEN_FLAGS_PROXY
                                                    : MBIM_DEVICE_OPEN_FLAGS_NONE;
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;
    bool opened = false;

    mbim_device_open_full(self->device, flags, glib_call_seconds(call), glib_call_cancellable(call),
                          glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        opened = mbim_device_open_full_finish(self->device, result, &error);
    glib_call_end(call);
    if (opened)
        return IOTSAFE_OK;
    return glib_call_failure(self->base.device,
                             self->address.proxy ? "cannot open it through mbim-proxy"
                                                 : "cannot open it",
                             error, op);
}

/* With channel 0 all channels of our group: those of a bridge that was killed. */
static void close_channels(struct mbim_transport *self, unsigned channel, deadline_t deadline)
{
    MbimMessage *response = NULL;
    MbimMessage *request = mbim_message_ms_uicc_low_level_access_close_channel_set_new(
        channel, CHANNEL_GROUP, NULL);

    self->channel = 0;
    if (request != NULL
        && command(self, "close channel", request, &response, deadline, NULL) == IOTSAFE_OK)
        mbim_message_unref(response);
}

static void close_device(struct mbim_transport *self)
{
    struct glib_call *call = glib_call_begin(deadline_in(CLOSE_MS));
    GAsyncResult *result;

    mbim_device_close(self->device, glib_call_seconds(call), glib_call_cancellable(call),
                      glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        (void)mbim_device_close_finish(self->device, result, NULL);
    glib_call_end(call);
    (void)mbim_device_close_force(self->device, NULL);
}

/* Without a word to the modem where it does not listen any more. */
static void let_go(struct mbim_transport *self, bool orderly)
{
    if (self->device == NULL)
        return;
    if (orderly && !self->removed) {
        if (self->channel != 0)
            close_channels(self, self->channel, deadline_in(CLOSE_MS));
        close_device(self);
    }
    (void)g_signal_handlers_disconnect_by_data(self->device, self);
    g_clear_object(&self->device);
    self->channel = 0;
    self->base.connected = false;
}

static enum iotsafe_err mbim_connect(struct transport *t, unsigned n, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    struct mbim_transport *self = self_of(t);
    enum iotsafe_err err;

    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    err = make_device(self, deadline, op);
    if (err == IOTSAFE_OK)
        err = open_device(self, deadline, op);
    if (err != IOTSAFE_OK) {
        let_go(self, false);
        return err;
    }
    close_channels(self, 0, deadline);
    t->connected = true;
    return IOTSAFE_OK;
}

static enum iotsafe_err mbim_acquire(struct transport *t, deadline_t deadline,
                                     enum card_reset *ret_reset, struct iotsafe_op *op)
{
    struct mbim_transport *self = self_of(t);

    (void)deadline;
    *ret_reset = RESET_NONE; /* a channel that is gone shows in its next use */
    glib_pump_run();         /* what the modem said meanwhile; perhaps that it has gone */
    if (!self->removed && mbim_device_is_open(self->device))
        return IOTSAFE_OK;
    op_set(op, "%s: the modem is gone", t->device);
    return IOTSAFE_ERR_TRANSPORT;
}

static void mbim_release(struct transport *t)
{
    (void)t;
}

static void mbim_disconnect(struct transport *t)
{
    let_go(self_of(t), true);
}

static void mbim_drop(struct transport *t)
{
    let_go(self_of(t), false);
}

static void mbim_close(struct transport *t)
{
    free(t);
}

/* ----------------------------------------------------------------- channels */

static enum iotsafe_err mbim_open_channel(struct transport *t, const uint8_t *aid, size_t aid_len,
                                          deadline_t deadline,
                                          char ret_session[static SESSION_TEXT_MAX],
                                          struct iotsafe_op *op)
{
    static const char what[] = "open channel";
    struct mbim_transport *self = self_of(t);
    MbimMessage *response = NULL;
    guint32 channel = 0;
    GError *error = NULL;
    enum iotsafe_err err;
    MbimMessage *request = mbim_message_ms_uicc_low_level_access_open_channel_set_new(
        (guint32)aid_len, aid, 0, CHANNEL_GROUP, &error);

    if (request == NULL)
        return malformed(self, what, error, op);
    err = command(self, what, request, &response, deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    if (!mbim_message_ms_uicc_low_level_access_open_channel_response_parse(response, NULL, &channel,
                                                                           NULL, NULL, &error)
        || channel > IOTSAFE_CHANNEL_MAX) {
        err = malformed(self, what, error, op);
    } else if (channel == 0) { /* how some modems say what a status should */
        err = status_error(self, what, STATUS_MS_SELECT_FAILED, op);
    } else {
        self->channel = channel;
        modem_session_format(channel, ret_session);
    }
    mbim_message_unref(response);
    return err;
}

static void mbim_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    unsigned channel = modem_session_parse(session);

    if (channel != 0)
        close_channels(self_of(t), channel, deadline);
}

/* --------------------------------------------------------------- exchange */

/* Data and, in the first two bytes of a little-endian number, SW1 and SW2. */
static enum iotsafe_err unpack(const struct mbim_transport *self, const MbimMessage *response,
                               uint8_t *ret_rsp, size_t cap, size_t *ret_len, struct iotsafe_op *op)
{
    const guint8 *data = NULL;
    guint32 status = 0, size = 0;
    GError *error = NULL;

    if (!mbim_message_ms_uicc_low_level_access_apdu_response_parse(response, &status, &size, &data,
                                                                   &error))
        return malformed(self, "APDU", error, op);
    if (cap < 2 || size > cap - 2) {
        op_set(op, "%s: answer of %u bytes, at most %zu allowed", self->base.device, size, cap);
        return IOTSAFE_ERR_SPACE;
    }
    if (size != 0)
        memcpy(ret_rsp, data, size);
    ret_rsp[size] = (uint8_t)status;
    ret_rsp[size + 1] = (uint8_t)(status >> 8);
    *ret_len = size + 2;
    return IOTSAFE_OK;
}

static enum iotsafe_err mbim_transmit(struct transport *t, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    struct mbim_transport *self = self_of(t);
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
        channel, MBIM_UICC_SECURE_MESSAGING_NONE,
        (tx->cmd[0] & 0x80) != 0 ? MBIM_UICC_CLASS_BYTE_TYPE_EXTENDED
                                 : MBIM_UICC_CLASS_BYTE_TYPE_INTER_INDUSTRY,
        (guint32)tx->cmd_len, bytes, &error);
    explicit_bzero(bytes, sizeof(bytes));
    if (request == NULL)
        return malformed(self, "APDU", error, op);
    err = command(self, "APDU", request, &response, tx->deadline, op);
    if (err != IOTSAFE_OK)
        return err;
    err = unpack(self, response, tx->rsp, tx->rsp_cap, ret_len, op);
    mbim_message_unref(response);
    return err;
}

const struct transport_ops transport_mbim = {
    .scheme = "mbim",
    .open = mbim_open,
    .connect = mbim_connect,
    .acquire = mbim_acquire,
    .release = mbim_release,
    .open_channel = mbim_open_channel,
    .close_channel = mbim_close_channel,
    .transmit = mbim_transmit,
    .disconnect = mbim_disconnect,
    .drop = mbim_drop,
    .close = mbim_close,
};
