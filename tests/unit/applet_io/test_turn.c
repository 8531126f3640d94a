/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "turn.h"

struct shared {
    struct turn turn;
    atomic_int inside, most, done;
    int order[16];
};

static void *take_once(void *arg)
{
    struct shared *s = arg;
    int now;

    if (turn_take(&s->turn, deadline_in(20000)) != IOTSAFE_OK)
        return NULL;
    now = atomic_fetch_add(&s->inside, 1) + 1;
    if (now > atomic_load(&s->most))
        atomic_store(&s->most, now);
    sleep_ms(2, deadline_in(1000));
    atomic_fetch_sub(&s->inside, 1);
    turn_give(&s->turn);
    atomic_fetch_add(&s->done, 1);
    return NULL;
}

Test(turn, lets_one_thread_in_at_a_time_and_all_in_the_end)
{
    static struct shared s;
    pthread_t threads[16];

    turn_init(&s.turn);
    for (int i = 0; i < 16; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_once, &s), 0);
    for (int i = 0; i < 16; i++)
        (void)pthread_join(threads[i], NULL);
    cr_expect_eq(s.most, 1);
    cr_expect_eq(s.done, 16);
    cr_expect(!s.turn.taken);
}

Test(turn, gives_up_at_the_deadline_and_leaves_the_queue)
{
    struct turn turn;

    turn_init(&turn);
    cr_assert_eq(turn_take(&turn, deadline_in(1000)), IOTSAFE_OK);
    cr_expect_eq(turn_take(&turn, deadline_in(20)), IOTSAFE_ERR_TIMEOUT);
    cr_expect_null(turn.first);
    cr_expect_null(turn.last);
    turn_give(&turn);
    cr_expect_eq(turn_take(&turn, deadline_in(0)), IOTSAFE_OK);
    turn_give(&turn);
}
