/* SPDX-License-Identifier: Apache-2.0 */
/* Hex in both directions, with every size of text and room; the cleaning of texts for
 * people. */
/* eva: -eva-slevel 100000 -eva-split-return-function utf8_valid:0 -inline-calls first_char */
#include "proof.h"

#include "util.c"

#define MOST 7

static uint8_t bytes[MOST];
static char text[HEX_SIZE(MOST)];
static char dirty[MOST + 1];

static void decode(size_t digits, size_t room)
{
    const int n = hex_decode(LAST(text, digits), digits, LAST(bytes, room), room);

    //@ assert n == -1 || (n * 2 == digits && n <= room);
}

static void clean(size_t n)
{
    char *start = LAST(dirty, n + 1);

    dirty[MOST] = '\0';
    iotsafe_text_clean(start);
    //@ assert dirty[MOST] == 0;
}

int main(void)
{
    const size_t n = UP_TO(MOST), digits = UP_TO(2 * MOST), length = UP_TO(4);

    UNKNOWN(bytes);
    //@ split n;
    hex_encode(LAST(bytes, n), n, LAST(text, HEX_SIZE(n)));
    //@ assert text[2 * MOST] == 0;
    UNKNOWN(text);
    //@ split digits;
    decode(digits, n);
    UNKNOWN(dirty);
    //@ split length;
    clean(length);
    return 0;
}
