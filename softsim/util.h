/* SPDX-License-Identifier: Apache-2.0 */
/* Small things every file of the software SIM needs: byte buffers, hex, error
 * texts. Knows nothing of cards. */
#ifndef SOFTSIM_UTIL_H
#define SOFTSIM_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/** Why something failed, in words for the person at the command line. */
struct err {
    char text[320];
};

/** Write the text and return false, so that callers can `return err_set(...)`. */
bool err_set(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/**
 * Bytes that grow. Zero-initialise before use, buf_clear() at the end.
 * Running out of memory or past BUF_MAX sets `failed`; later writes then do
 * nothing, so that a value is written straight down and checked once.
 */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
};

#define BUF_MAX (1u << 20) /* bytes; a hostile client cannot make the card grow further */

/** Append n bytes; p may be NULL when n is 0. */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_u8(struct buf *b, uint8_t v);
/** Wipe, free, and leave an empty buffer that can be used again. */
void buf_clear(struct buf *b);

/** Value of a hexadecimal digit, -1 if it is none. */
int softsim_hex_digit(char c);
/** Decode text of an even number of digits; false if it is not that or exceeds cap bytes. */
bool softsim_hex_decode(const char *text, uint8_t *out, size_t cap, size_t *ret_len);
/** Write 2 * n upper-case digits and a terminating 0; out must hold 2 * n + 1 characters. */
void softsim_hex_encode(const uint8_t *in, size_t n, char *out);
/** Same in new memory; NULL when there is none. Caller frees. */
char *softsim_hex_text(const uint8_t *in, size_t n);

/** Decimal number within [min, max]; false for anything else, trailing text included. */
bool number_parse(const char *text, long min, long max, long *ret);

/** Monotonic clock in microseconds. */
uint64_t now_us(void);

static inline uint16_t u16_be(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

#endif
