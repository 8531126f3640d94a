/* SPDX-License-Identifier: Apache-2.0 */
/* Byte buffers, hex, error texts, clock. */
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

bool err_set(struct err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return false;
}

/* New memory instead of realloc(), so that old copies of secrets are wiped. */
static bool buf_reserve(struct buf *b, size_t need)
{
    size_t cap = b->cap == 0 ? 256 : b->cap;
    uint8_t *grown;

    if (need <= b->cap)
        return true;
    if (need > BUF_MAX)
        return false;
    while (cap < need)
        cap *= 2;
    grown = malloc(cap);
    if (grown == NULL)
        return false;
    if (b->len != 0)
        memcpy(grown, b->data, b->len);
    OPENSSL_clear_free(b->data, b->cap);
    b->data = grown;
    b->cap = cap;
    return true;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    if (b->failed || n == 0)
        return;
    if (n > BUF_MAX || !buf_reserve(b, b->len + n)) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->len, p, n);
    b->len += n;
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}

void buf_clear(struct buf *b)
{
    OPENSSL_clear_free(b->data, b->cap);
    *b = (struct buf){ 0 };
}

int softsim_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool softsim_hex_decode(const char *text, uint8_t *out, size_t cap, size_t *ret_len)
{
    size_t n = strlen(text);

    if (n % 2 != 0 || n / 2 > cap)
        return false;
    for (size_t i = 0; i < n / 2; i++) {
        int hi = softsim_hex_digit(text[2 * i]);
        int lo = softsim_hex_digit(text[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    *ret_len = n / 2;
    return true;
}

void softsim_hex_encode(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 0x0f];
    }
    out[2 * n] = '\0';
}

char *softsim_hex_text(const uint8_t *in, size_t n)
{
    char *out = malloc(2 * n + 1);

    if (out != NULL)
        softsim_hex_encode(in, n, out);
    return out;
}

bool number_parse(const char *text, long min, long max, long *ret)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}
