/* SPDX-License-Identifier: Apache-2.0 */
/* see fake_clock.h */
#include "fake_clock.h"

#include <time.h>

/* The linker sends the library's calls here (--wrap). With a time_t that is wider than long,
 * libc has other names for them. */
#if defined(__USE_TIME_BITS64) && __TIMESIZE == 32
#define __wrap_clock_gettime __wrap___clock_gettime64
#define __wrap_nanosleep __wrap___nanosleep64
#endif
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left);

static int64_t now_ns = 1000000000;

void fake_clock_pass(int64_t ms)
{
    now_ns += ms * 1000000;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    (void)clock;
    ret_time->tv_sec = (time_t)(now_ns / 1000000000);
    ret_time->tv_nsec = (long)(now_ns % 1000000000);
    return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *ret_left)
{
    (void)ret_left;
    now_ns += (int64_t)wanted->tv_sec * 1000000000 + wanted->tv_nsec;
    return 0;
}
