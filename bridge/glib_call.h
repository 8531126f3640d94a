/* SPDX-License-Identifier: Apache-2.0 */
/* GLib's asynchronous calls as calls that wait, with a deadline. They run on a
 * main context of our own, which turns only inside glib_call_wait() and, between
 * commands, in the server's loop.
 *
 *     call = glib_call_begin(deadline);
 *     some_call(object, ..., glib_call_seconds(call), glib_call_cancellable(call),
 *               glib_call_done, call);
 *     result = glib_call_wait(call);
 *     if (result != NULL)
 *         some_call_finish(object, result, &error);
 *     glib_call_end(call);
 */
#ifndef BRIDGE_GLIB_CALL_H
#define BRIDGE_GLIB_CALL_H

#include <gio/gio.h>
#include <poll.h>

#include "util.h"

struct glib_call;

/** Also makes our context the one that new sources of this thread go to. */
struct glib_call *glib_call_begin(deadline_t deadline);

/** Time left in whole seconds, rounded up, at least 1. */
guint glib_call_seconds(const struct glib_call *call);
GCancellable *glib_call_cancellable(struct glib_call *call);
void glib_call_done(GObject *source, GAsyncResult *result, gpointer call);

/** Turn the context until the call is done. At the deadline it is cancelled.
 *  @return the result, borrowed until glib_call_end(); NULL if it never came */
GAsyncResult *glib_call_wait(struct glib_call *call);
void glib_call_end(struct glib_call *call);

/** Why a call failed: `error` is freed, NULL stands for no result in time. */
IOTSAFE_NODISCARD enum iotsafe_err glib_call_failure(const char *device, const char *what,
                                                     GError *error, struct iotsafe_op *op);

/** see struct pump in server.h */
size_t glib_pump_fds(struct pollfd *ret_fds, size_t cap, int *ret_timeout_ms);
void glib_pump_run(void);

#endif
