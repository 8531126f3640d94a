/* SPDX-License-Identifier: Apache-2.0 */
/* see retry.h */
#include "retry.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "report.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS 300000
#define RETRY_AFTER_MAX_S 604800 /* a week: a number from outside */

static long now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void retry_begin(struct retry *retry, bool wanted, long max_s)
{
    *retry = (struct retry){ .wanted = wanted, .max_s = max_s, .began_s = now_s() };
}

/* Between half of the pause and all of it; what the server asked for is stretched, by up to
 * a quarter, and never shortened. */
long retry_pause_ms(unsigned tries, long at_least_s, unsigned random)
{
    long pause = PAUSE_FIRST_MS, least;

    for (unsigned i = 0; i < tries && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    pause = pause / 2 + (long)(random % 1000) * (pause / 2) / 1000;
    if (at_least_s > RETRY_AFTER_MAX_S)
        at_least_s = RETRY_AFTER_MAX_S;
    least = at_least_s * 1000 + at_least_s * (long)(random % 250);
    return pause > least ? pause : least;
}

bool retry_pause(struct retry *retry, long at_least_s)
{
    unsigned random = 0;
    struct timespec left;
    long ms;

    if (!retry->wanted)
        return false;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK); /* without it all pauses are short */
    ms = retry_pause_ms(retry->tries++, at_least_s, random);
    if (now_s() - retry->began_s + ms / 1000 >= retry->max_s)
        return false;
    report_note("the next attempt is in %ld.%ld s", ms / 1000, ms % 1000 / 100);
    left = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return true;
}
