/* SPDX-License-Identifier: Apache-2.0 */
/* A clock of the harness's own: time passes only when the code under test waits, so that
 * pauses and deadlines of half a minute cost nothing. The linker sends clock_gettime(),
 * nanosleep() and poll() here (--wrap); outside fuzz_clock_start() ... fuzz_clock_stop() they
 * are the real ones, since the fuzzer itself reads the clock too. */
#ifndef FUZZ_CLOCK_H
#define FUZZ_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** Begin an input, at the same time of day each time.
 *  @param idle  called when poll() would wait: true if it has brought about something, so
 *               that it is worth looking again; false lets the time pass. NULL: nothing comes */
void fuzz_clock_start(bool (*idle)(void));
void fuzz_clock_stop(void);

#endif
