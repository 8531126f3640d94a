/* SPDX-License-Identifier: Apache-2.0 */
/* see util.h */
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void sleep_ms(int64_t ms, deadline_t deadline)
{
    int left = deadline_left_ms(deadline);
    struct timespec ts;

    if (ms > left)
        ms = left;
    ts.tv_sec = (time_t)(ms / 1000);
    ts.tv_nsec = (long)(ms % 1000) * 1000000L;
    while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
        ;
}

bool iotsafe_char_is_harmless(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } harmful[] = {
        { 0x0000, 0x001f }, { 0x007f, 0x009f }, /* controls */
        { 0x00ad, 0x00ad }, { 0x061c, 0x061c }, /* soft hyphen, Arabic letter mark */
        { 0x200b, 0x200f }, { 0x2028, 0x202e }, /* zero width, line ends, direction */
        { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, /* invisible operators, byte order mark */
        { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
    };

    for (size_t i = 0; i < ARRAY_LEN(harmful); i++)
        if (point >= harmful[i].first && point <= harmful[i].last)
            return false;
    return true;
}

/* Length of the well-formed UTF-8 character at the start of a text and its code point;
 * 0 if there is none. */
static size_t first_char(const uint8_t *text, uint32_t *ret_point)
{
    const size_t n = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    *ret_point = n == 1 ? text[0] : text[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) /* the end of the text, too */
            return 0;
        *ret_point = *ret_point << 6 | (text[i] & 0x3f);
    }
    return utf8_valid(text, n) ? n : 0;
}

void iotsafe_text_clean(char *text)
{
    uint8_t *p = (uint8_t *)text;

    while (*p != '\0') {
        uint32_t point = 0;
        size_t n;

        if (*p >= ' ' && *p < 0x7f) { /* as most of it */
            p++;
            continue;
        }
        n = first_char(p, &point);
        if (n == 0 || !iotsafe_char_is_harmless(point)) {
            n = n == 0 ? 1 : n;
            memset(p, '?', n);
        }
        p += n;
    }
}

__attribute__((format(printf, 3, 0))) static void op_vadd(struct iotsafe_op *op, size_t at,
                                                          const char *format, va_list args)
{
    (void)vsnprintf(op->text + at, sizeof(op->text) - at, format, args);
    iotsafe_text_clean(op->text + at);
}

void op_set(struct iotsafe_op *op, const char *format, ...)
{
    va_list args;

    if (op == NULL)
        return;
    va_start(args, format);
    op_vadd(op, 0, format, args);
    va_end(args);
}

void op_add(struct iotsafe_op *op, const char *format, ...)
{
    va_list args;

    if (op == NULL)
        return;
    va_start(args, format);
    op_vadd(op, strnlen(op->text, sizeof(op->text) - 1), format, args);
    va_end(args);
}

void hex_encode(const uint8_t *bytes, size_t n, char *ret_text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < n; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
    ret_text[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(const char *text, size_t text_len, uint8_t *ret_bytes, size_t cap)
{
    if (text_len % 2 != 0 || text_len / 2 > cap)
        return -1;
    for (size_t i = 0; i < text_len / 2; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return (int)(text_len / 2);
}

void name_text(const struct iotsafe_name *name, char ret_text[static NAME_TEXT_MAX])
{
    char id[HEX_SIZE(IOTSAFE_ID_MAX)];

    hex_encode(name->id, name->id_len, id);
    for (char *p = id; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p); /* as URIs show it */
    if (name->label_len == 0)
        (void)snprintf(ret_text, NAME_TEXT_MAX, "id=%s", id);
    else if (name->id_len == 0)
        (void)snprintf(ret_text, NAME_TEXT_MAX, "label=%s", name->label);
    else
        (void)snprintf(ret_text, NAME_TEXT_MAX, "id=%s;label=%s", id, name->label);
}

bool utf8_valid(const uint8_t *p, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint8_t c = p[i++];
        size_t more = c < 0x80             ? 0
                      : (c & 0xe0) == 0xc0 ? 1
                      : (c & 0xf0) == 0xe0 ? 2
                      : (c & 0xf8) == 0xf0 ? 3
                                           : 4;

        if (c == 0 || more == 4 || more > len - i || (more == 1 && c < 0xc2) || c > 0xf4)
            return false;
        if ((c == 0xe0 && p[i] < 0xa0) || (c == 0xed && p[i] > 0x9f) || (c == 0xf0 && p[i] < 0x90)
            || (c == 0xf4 && p[i] > 0x8f))
            return false;
        for (; more > 0; more--)
            if ((p[i++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}
