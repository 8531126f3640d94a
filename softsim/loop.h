/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: descriptors and timers, one thread. A callback may add and delete
 * any watch or timer, its own included. */
#ifndef SOFTSIM_LOOP_H
#define SOFTSIM_LOOP_H

#include <poll.h>

#include "util.h"

struct loop;
struct watch;

typedef void watch_fn(void *arg, short revents);
typedef void timer_fn(void *arg);

/** Zero-initialise; the owner keeps it alive while it is set. */
struct timer {
    uint64_t at_us; /* 0: not set */
    timer_fn *fn;
    void *arg;
    struct timer *next;
};

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/** Call fn when any of the poll events comes; NULL when out of memory. The descriptor
 *  stays the caller's. */
struct watch *loop_watch(struct loop *loop, int fd, short events, watch_fn *fn, void *arg);
void loop_watch_events(struct watch *w, short events);
/** Stop watching; accepts NULL. */
void loop_unwatch(struct loop *loop, struct watch *w);

/** Call fn once after so many microseconds; setting it again moves it. */
void loop_timer(struct loop *loop, struct timer *t, uint64_t after_us, timer_fn *fn, void *arg);
void loop_timer_cancel(struct loop *loop, struct timer *t);

/** Run until loop_stop(). */
bool loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

#endif
