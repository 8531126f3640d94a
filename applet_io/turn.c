/* SPDX-License-Identifier: Apache-2.0 */
/* see turn.h */
#include "turn.h"

#include <errno.h>

struct turn_waiter {
    struct turn_waiter *next;
    pthread_cond_t served_cond;
    bool served;
};

void turn_init(struct turn *turn)
{
    (void)pthread_mutex_init(&turn->mutex, NULL);
    turn->taken = false;
    turn->first = turn->last = NULL;
}

static void queue_append(struct turn *turn, struct turn_waiter *waiter)
{
    if (turn->last != NULL)
        turn->last->next = waiter;
    else
        turn->first = waiter;
    turn->last = waiter;
}

static void queue_remove(struct turn *turn, const struct turn_waiter *waiter)
{
    struct turn_waiter *before = NULL;

    for (struct turn_waiter *w = turn->first; w != NULL; before = w, w = w->next) {
        if (w != waiter)
            continue;
        if (before != NULL)
            before->next = w->next;
        else
            turn->first = w->next;
        if (turn->last == w)
            turn->last = before;
        return;
    }
}

/* Called with the mutex held, which the condition wait lets go. */
static enum iotsafe_err wait_in_queue(struct turn *turn, deadline_t deadline)
{
    struct turn_waiter self = { 0 };
    struct timespec until = { .tv_sec = (time_t)(deadline / 1000),
                              .tv_nsec = (long)(deadline % 1000) * 1000000L };
    pthread_condattr_t monotonic;

    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&self.served_cond, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    queue_append(turn, &self);
    while (!self.served
           && pthread_cond_timedwait(&self.served_cond, &turn->mutex, &until) != ETIMEDOUT)
        ;
    if (!self.served)
        queue_remove(turn, &self);
    (void)pthread_cond_destroy(&self.served_cond);
    return self.served ? IOTSAFE_OK : IOTSAFE_ERR_TIMEOUT;
}

enum iotsafe_err turn_take(struct turn *turn, deadline_t deadline)
{
    enum iotsafe_err err = IOTSAFE_OK;

    (void)pthread_mutex_lock(&turn->mutex);
    if (turn->taken)
        err = wait_in_queue(turn, deadline);
    else
        turn->taken = true;
    (void)pthread_mutex_unlock(&turn->mutex);
    return err;
}

void turn_give(struct turn *turn)
{
    struct turn_waiter *next;

    (void)pthread_mutex_lock(&turn->mutex);
    next = turn->first;
    if (next != NULL) {
        queue_remove(turn, next); /* the turn goes over without becoming free */
        next->served = true;
        (void)pthread_cond_signal(&next->served_cond);
    } else {
        turn->taken = false;
    }
    (void)pthread_mutex_unlock(&turn->mutex);
}
