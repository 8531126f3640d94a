/* SPDX-License-Identifier: Apache-2.0 */
/* see glib_call.h */
#include "glib_call.h"

#define GRACE_MS 1000   /* for a cancelled call to come to its end */
#define PUMP_ROUNDS 100 /* a source that is always ready must not keep us */

struct glib_call {
    deadline_t deadline;
    GCancellable *cancellable;
    GAsyncResult *result;
    bool waiting; /* false: nobody will look at the result any more */
    bool finished;
};

static GMainContext *context(void)
{
    static GMainContext *own;

    if (own == NULL)
        own = g_main_context_new();
    return own;
}

/* ------------------------------------------------------------------- calls */

struct glib_call *glib_call_begin(deadline_t deadline)
{
    struct glib_call *call = g_new0(struct glib_call, 1);

    call->deadline = deadline;
    call->cancellable = g_cancellable_new();
    call->waiting = true;
    g_main_context_push_thread_default(context());
    return call;
}

guint glib_call_seconds(const struct glib_call *call)
{
    return (guint)deadline_left_ms(call->deadline) / 1000 + 1;
}

GCancellable *glib_call_cancellable(struct glib_call *call)
{
    return call->cancellable;
}

static void release(struct glib_call *call)
{
    g_clear_object(&call->result);
    g_clear_object(&call->cancellable);
    g_free(call);
}

void glib_call_done(GObject *source, GAsyncResult *result, gpointer arg)
{
    struct glib_call *call = arg;

    (void)source;
    call->finished = true;
    if (call->waiting)
        call->result = g_object_ref(result);
    else
        release(call); /* too late */
}

static gboolean wake(gpointer arg)
{
    (void)arg;
    return G_SOURCE_CONTINUE;
}

static void turn_until(struct glib_call *call, deadline_t deadline)
{
    GSource *alarm = g_timeout_source_new((guint)deadline_left_ms(deadline) + 1);

    g_source_set_callback(alarm, wake, NULL, NULL);
    (void)g_source_attach(alarm, context());
    while (!call->finished && deadline_left_ms(deadline) > 0)
        (void)g_main_context_iteration(context(), TRUE);
    g_source_destroy(alarm);
    g_source_unref(alarm);
}

GAsyncResult *glib_call_wait(struct glib_call *call)
{
    turn_until(call, call->deadline);
    if (!call->finished) {
        g_cancellable_cancel(call->cancellable);
        turn_until(call, deadline_in(GRACE_MS));
    }
    g_main_context_pop_thread_default(context());
    return call->result;
}

void glib_call_end(struct glib_call *call)
{
    call->waiting = false;
    if (call->finished)
        release(call);
}

enum iotsafe_err glib_call_failure(const char *device, const char *what, GError *error,
                                   struct iotsafe_op *op)
{
    bool late = error == NULL || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

    if (late)
        op_set(op, "%s: %s: the modem did not respond in time", device, what);
    else
        op_set(op, "%s: %s: %s", device, what, error->message);
    g_clear_error(&error);
    return late ? IOTSAFE_ERR_TIMEOUT : IOTSAFE_ERR_TRANSPORT;
}

/* -------------------------------------------------------- the server's loop */

size_t glib_pump_fds(struct pollfd *ret_fds, size_t cap, int *ret_timeout_ms)
{
    GPollFD fds[32];
    gint n, priority = G_MAXINT, room = (gint)(cap < 32 ? cap : 32);

    if (!g_main_context_acquire(context()))
        return 0;
    (void)g_main_context_prepare(context(), &priority);
    n = g_main_context_query(context(), priority, ret_timeout_ms, fds, room);
    g_main_context_release(context());
    if (n > room)
        n = room;
    for (gint i = 0; i < n; i++)
        ret_fds[i] = (struct pollfd){ .fd = fds[i].fd, .events = (short)fds[i].events };
    return (size_t)n;
}

void glib_pump_run(void)
{
    g_main_context_push_thread_default(context());
    for (int i = 0; i < PUMP_ROUNDS && g_main_context_iteration(context(), FALSE); i++)
        ;
    g_main_context_pop_thread_default(context());
}
