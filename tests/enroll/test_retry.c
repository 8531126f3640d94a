/* SPDX-License-Identifier: Apache-2.0 */
/* Pauses between attempts: they grow, differ by chance, and keep to what a server asks for. */
#include <criterion/criterion.h>
#include <limits.h>

#include "enroll/retry.h"

Test(retry, pauses_grow_to_five_minutes)
{
    long before = 0;

    for (unsigned tries = 0; tries < 9; tries++) {
        const long pause = retry_pause_ms(tries, 0, 0);

        cr_expect_gt(pause, before, "after %u tries", tries);
        before = pause;
    }
    cr_expect_leq(retry_pause_ms(8, 0, 999), 300000);
    cr_expect_leq(retry_pause_ms(UINT_MAX, 0, 999), 300000);
    cr_expect_geq(retry_pause_ms(UINT_MAX, 0, 0), 150000);
}

Test(retry, chance_takes_off_up_to_half)
{
    cr_expect_eq(retry_pause_ms(0, 0, 0), 500);
    cr_expect_lt(retry_pause_ms(0, 0, 999), 1000);
    cr_expect_neq(retry_pause_ms(3, 0, 1), retry_pause_ms(3, 0, 2));
}

Test(retry, never_before_the_server_wants_it)
{
    for (unsigned random = 0; random < 1000; random += 37) {
        const long pause = retry_pause_ms(0, 100, random);

        cr_expect_geq(pause, 100000);
        cr_expect_lt(pause, 125000);
    }
    cr_expect_geq(retry_pause_ms(9, 1, 0), 150000, "the longer one counts");
}

Test(retry, an_absurd_wish_is_bounded)
{
    cr_expect_leq(retry_pause_ms(0, LONG_MAX, UINT_MAX), 604800L * 1250);
}
