/* SPDX-License-Identifier: Apache-2.0 */
/* see modem.h */
#include "modem.h"

#include <stdio.h>
#include <stdlib.h>

#include "apdu.h"
#include "glib_call.h"

/* -------------------------------------------------------------------- address */

static bool set_option(struct modem_address *a, bool slots, const char *word, size_t len)
{
    if (len == 9 && strncmp(word, "proxy=yes", len) == 0)
        a->proxy = true;
    else if (len == 8 && strncmp(word, "proxy=no", len) == 0)
        a->proxy = false;
    else if (slots && len == 6 && strncmp(word, "slot=", 5) == 0 && word[5] >= '1'
             && word[5] <= '5')
        a->slot = (unsigned)(word[5] - '0');
    else
        return false;
    return true;
}

bool modem_address_parse(const char *scheme, bool slots, const char *address,
                         struct modem_address *ret, struct iotsafe_op *op)
{
    size_t path_len = strcspn(address, "?");
    const char *p = address + path_len;
    bool ok = address[0] == '/' && path_len < sizeof(ret->path);

    *ret = (struct modem_address){ .proxy = true, .slot = 1 };
    if (ok)
        memcpy(ret->path, address, path_len);
    while (ok && *p != '\0') {
        size_t len = strcspn(++p, "&");

        ok = set_option(ret, slots, p, len);
        p += len;
    }
    if (!ok)
        op_set(op, "transport \"%s:%.100s\": want %s:/dev/NAME, then ?proxy=yes|no%s as needed",
               scheme, address, scheme, slots ? " and &slot=1...5" : "");
    return ok;
}

/* ------------------------------------------------------------------- channels */

void modem_has_channel(struct modem *m, unsigned channel, char ret_session[static SESSION_TEXT_MAX])
{
    m->channel = channel;
    (void)snprintf(ret_session, SESSION_TEXT_MAX, "%u", channel);
}

unsigned modem_session_parse(const char *session)
{
    char *end;
    unsigned long number = strtoul(session, &end, 10);

    return *session >= '0' && *session <= '9' && *end == '\0' && number <= IOTSAFE_CHANNEL_MAX
               ? (unsigned)number
               : 0;
}

uint8_t modem_class(uint8_t cla, unsigned channel)
{
    return apdu_class((cla & 0x80) != 0, (uint8_t)channel);
}

static struct modem *modem_of(struct transport *t)
{
    return (struct modem *)(void *)t;
}

static void close_channel(struct modem *m, unsigned channel, deadline_t deadline)
{
    m->channel = 0;
    m->kind->close_channel(m, channel, deadline);
}

void modem_close_channel(struct transport *t, const char *session, deadline_t deadline)
{
    unsigned channel = modem_session_parse(session);

    if (channel != 0)
        close_channel(modem_of(t), channel, deadline);
}

/* ----------------------------------------------------------------- connection */

enum iotsafe_err modem_open(const struct modem_kind *kind, const char *address,
                            struct transport **ret_transport, struct iotsafe_op *op)
{
    struct modem *m = calloc(1, kind->size);

    if (m == NULL)
        return IOTSAFE_ERR_MEMORY;
    if (!modem_address_parse(kind->ops->scheme, kind->slots, address, &m->address, op)) {
        free(m);
        return IOTSAFE_ERR_CONFIG;
    }
    m->kind = kind;
    m->base.ops = kind->ops;
    m->base.one_device = m->base.opens_channels = true;
    (void)snprintf(m->base.device, sizeof(m->base.device), "%s:%s", kind->ops->scheme,
                   m->address.path);
    *ret_transport = &m->base;
    return IOTSAFE_OK;
}

enum iotsafe_err modem_unanswered(const struct modem *m, const char *what, GError *error,
                                  struct iotsafe_op *op)
{
    if (error != NULL && g_error_matches(error, m->kind->core_error(), m->kind->timeout_code))
        g_clear_error(&error);
    return glib_call_failure(m->base.device, what, error, op);
}

static void on_removed(GObject *device, gpointer arg)
{
    struct modem *m = arg;

    (void)device;
    m->removed = true;
}

static enum iotsafe_err make_device(struct modem *m, deadline_t deadline, struct iotsafe_op *op)
{
    GFile *file = g_file_new_for_path(m->address.path);
    struct glib_call *call = glib_call_begin(deadline);
    GError *error = NULL;
    GAsyncResult *result;

    m->kind->device_new(file, glib_call_cancellable(call), glib_call_done, call);
    result = glib_call_wait(call);
    if (result != NULL)
        m->device = m->kind->device_new_finish(result, &error);
    glib_call_end(call);
    g_object_unref(file);
    if (m->device == NULL) {
        enum iotsafe_err err = modem_unanswered(m, "no such modem", error, op);

        return err == IOTSAFE_ERR_TRANSPORT ? IOTSAFE_ERR_NO_SERVICE : err;
    }
    m->removed = false;
    (void)g_signal_connect(m->device, m->kind->removed_signal, G_CALLBACK(on_removed), m);
    return IOTSAFE_OK;
}

/* Without a word to the modem where it does not listen any more. */
static void let_go(struct modem *m, bool orderly)
{
    if (m->device == NULL)
        return;
    orderly = orderly && !m->removed;
    if (orderly && m->channel != 0)
        close_channel(m, m->channel, deadline_in(MODEM_CLOSE_MS));
    m->kind->stop(m, orderly);
    (void)g_signal_handlers_disconnect_by_data(m->device, m);
    g_clear_object(&m->device);
    m->channel = 0;
    m->base.connected = false;
}

enum iotsafe_err modem_connect(struct transport *t, unsigned n, deadline_t deadline,
                               struct iotsafe_op *op)
{
    struct modem *m = modem_of(t);
    enum iotsafe_err err;

    if (n > 0)
        return IOTSAFE_ERR_NOT_FOUND;
    err = make_device(m, deadline, op);
    if (err == IOTSAFE_OK)
        err = m->kind->start(m, deadline, op);
    if (err != IOTSAFE_OK)
        let_go(m, false);
    else
        t->connected = true;
    return err;
}

enum iotsafe_err modem_acquire(struct transport *t, deadline_t deadline, enum card_reset *ret_reset,
                               struct iotsafe_op *op)
{
    struct modem *m = modem_of(t);

    (void)deadline;
    *ret_reset = RESET_NONE; /* a channel that is gone shows in its next use */
    glib_pump_run();         /* what the modem said meanwhile; perhaps that it has gone */
    if (!m->removed && m->kind->is_open(m))
        return IOTSAFE_OK;
    op_set(op, "%s: the modem has been removed", t->device);
    return IOTSAFE_ERR_TRANSPORT;
}

void modem_release(struct transport *t)
{
    (void)t;
}

void modem_disconnect(struct transport *t)
{
    let_go(modem_of(t), true);
}

void modem_drop(struct transport *t)
{
    let_go(modem_of(t), false);
}

void modem_close(struct transport *t)
{
    free(t);
}
