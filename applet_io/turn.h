/* SPDX-License-Identifier: Apache-2.0 */
/* A lock between the threads of a process that serves them in the order in
 * which they came and gives up at a deadline. (A plain mutex lets one busy
 * thread starve the others when a turn takes as long as a card needs.) */
#ifndef APPLET_IO_TURN_H
#define APPLET_IO_TURN_H

#include <pthread.h>

#include "util.h"

struct turn_waiter;

struct turn {
    pthread_mutex_t mutex; /* held for a few instructions only */
    bool taken;
    struct turn_waiter *first, *last; /* on the stacks of the waiting threads */
};

/** Also used to reinitialise it in a forked child, where no other thread exists. */
void turn_init(struct turn *turn);

/** @retval IOTSAFE_ERR_TIMEOUT  the deadline passed first */
IOTSAFE_NODISCARD enum iotsafe_err turn_take(struct turn *turn, deadline_t deadline);
void turn_give(struct turn *turn);

#endif
