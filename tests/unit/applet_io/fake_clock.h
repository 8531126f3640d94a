/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that passes only when somebody waits. A program linked with
 * --wrap=clock_gettime and --wrap=nanosleep has it in the place of clock_gettime() and nanosleep(),
 * so that pauses and deadlines cost no time and do not depend on the machine. */
#ifndef FAKE_CLOCK_H
#define FAKE_CLOCK_H

#include <stdint.h>

/** Let time pass. */
void fake_clock_pass(int64_t ms);

#endif
