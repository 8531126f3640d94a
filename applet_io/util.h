/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that every file here needs: array length, the clock and
 * deadlines, wiping, texts for people. Nothing about cards. */
#ifndef APPLET_IO_UTIL_H
#define APPLET_IO_UTIL_H

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "iotsafe.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/** A point in time on CLOCK_MONOTONIC, in milliseconds: when to give up. */
typedef int64_t deadline_t;

/** Milliseconds on CLOCK_MONOTONIC. */
static inline int64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline deadline_t deadline_in(int64_t ms)
{
    return now_ms() + ms;
}

/** Milliseconds left, 0 when the deadline has passed; fits poll(). */
static inline int deadline_left_ms(deadline_t deadline)
{
    int64_t left = deadline - now_ms();

    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

/** The earlier of the deadline and `ms` from now. */
static inline deadline_t deadline_min(deadline_t deadline, int64_t ms)
{
    deadline_t other = deadline_in(ms);

    return other < deadline ? other : deadline;
}

/** Sleep, but not past the deadline. */
void sleep_ms(int64_t ms, deadline_t deadline);

/** Write a failure's text, cleaned as by iotsafe_text_clean(); NULL op accepted. */
__attribute__((format(printf, 2, 3))) void op_set(struct iotsafe_op *op, const char *format, ...);
/** Append to a failure's text. */
__attribute__((format(printf, 2, 3))) void op_add(struct iotsafe_op *op, const char *format, ...);

#define HEX_SIZE(n) (2 * (n) + 1)
/** Upper-case hex with a NUL; `ret_text` takes HEX_SIZE(n) bytes. */
void hex_encode(const uint8_t *bytes, size_t n, char *ret_text);
/** Decode an even number of hex digits, at most `cap` bytes of them.
 *  @return the number of bytes, or -1 */
int hex_decode(const char *text, size_t text_len, uint8_t *ret_bytes, size_t cap);

/** True for well-formed UTF-8 without NUL. */
bool utf8_valid(const uint8_t *p, size_t len);

/** How a name looks in messages: label="...", id=...; always fits. */
#define NAME_TEXT_MAX 128
void name_text(const struct iotsafe_name *name, char ret_text[static NAME_TEXT_MAX]);

#endif
