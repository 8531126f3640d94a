/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a program: its clock says SET_CLOCK seconds since 1970. */
#include <stdlib.h>
#include <time.h>

__attribute__((visibility("default"))) time_t time(time_t *ret);

time_t time(time_t *ret)
{
    const char *set = getenv("SET_CLOCK");
    const time_t now = set != NULL ? atol(set) : 0;

    if (ret != NULL)
        *ret = now;
    return now;
}
