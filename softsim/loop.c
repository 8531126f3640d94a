/* SPDX-License-Identifier: Apache-2.0 */
/* poll() and a short list of timers. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct watch {
    int fd; /* -1: deleted, to be freed after the round */
    short events;
    watch_fn *fn;
    void *arg;
};

struct loop {
    struct watch **watches;
    size_t n, cap;
    struct pollfd *fds;
    struct timer *timers;
    bool stop;
};

struct loop *loop_new(void)
{
    return calloc(1, sizeof(struct loop));
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    for (size_t i = 0; i < loop->n; i++)
        free(loop->watches[i]);
    free(loop->watches);
    free(loop->fds);
    free(loop);
}

static bool grow(struct loop *loop)
{
    size_t cap = loop->cap == 0 ? 16 : 2 * loop->cap;
    struct watch **watches = realloc(loop->watches, cap * sizeof(*watches));
    struct pollfd *fds;

    if (watches == NULL)
        return false;
    loop->watches = watches;
    fds = realloc(loop->fds, cap * sizeof(*fds));
    if (fds == NULL)
        return false;
    loop->fds = fds;
    loop->cap = cap;
    return true;
}

struct watch *loop_watch(struct loop *loop, int fd, short events, watch_fn *fn, void *arg)
{
    struct watch *w;

    if (loop->n == loop->cap && !grow(loop))
        return NULL;
    w = malloc(sizeof(*w));
    if (w == NULL)
        return NULL;
    *w = (struct watch){ fd, events, fn, arg };
    loop->watches[loop->n++] = w;
    return w;
}

void loop_watch_events(struct watch *w, short events)
{
    w->events = events;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
    (void)loop;
    if (w != NULL)
        w->fd = -1;
}

void loop_timer_cancel(struct loop *loop, struct timer *t)
{
    struct timer **at = &loop->timers;

    while (*at != NULL && *at != t)
        at = &(*at)->next;
    if (*at != NULL)
        *at = t->next;
    t->at_us = 0;
}

void loop_timer(struct loop *loop, struct timer *t, uint64_t after_us, timer_fn *fn, void *arg)
{
    loop_timer_cancel(loop, t);
    *t = (struct timer){ now_us() + after_us, fn, arg, loop->timers };
    loop->timers = t;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

static struct timer *earliest(const struct loop *loop)
{
    struct timer *first = loop->timers;

    for (struct timer *t = loop->timers; t != NULL; t = t->next)
        if (t->at_us < first->at_us)
            first = t;
    return first;
}

/* Only what is due at the start of the round, so that a timer that sets itself again
 * does not keep descriptors waiting. */
static void run_timers(struct loop *loop)
{
    uint64_t now = now_us();

    for (;;) {
        struct timer *t = earliest(loop);

        if (t == NULL || t->at_us > now)
            return;
        loop_timer_cancel(loop, t);
        t->fn(t->arg);
    }
}

static int wait_events(struct loop *loop, size_t n)
{
    const struct timer *t = earliest(loop);
    struct timespec left = { 0, 0 };
    uint64_t now = now_us();

    if (t != NULL && t->at_us > now) {
        left.tv_sec = (time_t)((t->at_us - now) / 1000000u);
        left.tv_nsec = (long)((t->at_us - now) % 1000000u * 1000u);
    }
    for (size_t i = 0; i < n; i++)
        loop->fds[i] = (struct pollfd){ loop->watches[i]->fd, loop->watches[i]->events, 0 };
    return ppoll(loop->fds, (nfds_t)n, t == NULL ? NULL : &left, NULL);
}

static void free_deleted(struct loop *loop)
{
    size_t kept = 0;

    for (size_t i = 0; i < loop->n; i++) {
        if (loop->watches[i]->fd == -1)
            free(loop->watches[i]);
        else
            loop->watches[kept++] = loop->watches[i];
    }
    loop->n = kept;
}

bool loop_run(struct loop *loop, struct err *err)
{
    while (!loop->stop) {
        size_t n;

        free_deleted(loop);
        n = loop->n;
        if (wait_events(loop, n) < 0) {
            if (errno == EINTR)
                continue;
            return err_set(err, "poll: %s", strerror(errno));
        }
        run_timers(loop);
        for (size_t i = 0; i < n && !loop->stop; i++)
            if (loop->fds[i].revents != 0 && loop->watches[i]->fd != -1)
                loop->watches[i]->fn(loop->watches[i]->arg, loop->fds[i].revents);
    }
    return true;
}
