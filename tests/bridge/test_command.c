/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "util.h"

static uint16_t decode(const char *hex, struct command *ret)
{
    uint8_t bytes[APDU_CMD_MAX + 4];
    int n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
    uint8_t *exact = malloc(n > 0 ? (size_t)n : 1); /* a sanitizer sees a read past the end */
    uint16_t sw;

    cr_assert_geq(n, 0);
    memcpy(exact, bytes, (size_t)n);
    sw = command_decode(exact, (size_t)n, ret);
    free(exact);
    return sw;
}

static struct good {
    char hex[80];
    enum command_kind kind;
    uint8_t channel;
    size_t data_len, ne;
} good[] = {
    { "0070000001", COMMAND_MANAGE_CHANNEL, 0, 0, 0 },
    { "00708001", COMMAND_MANAGE_CHANNEL, 0, 0, 0 },
    { "01A4040007A0000005590010", COMMAND_SELECT, 1, 7, 0 },
    { "02A4040007A000000559001000", COMMAND_SELECT, 2, 7, 0 },
    { "83CB000044", COMMAND_PLAIN, 3, 0, 0x44 },
    { "81CB0100", COMMAND_PLAIN, 1, 0, 256 },   /* T=0: the Le is ours */
    { "0184000000", COMMAND_PLAIN, 1, 0, 256 }, /* class 0N */
    { "81B0000003830102", COMMAND_PLAIN, 1, 3, 256 },
    { "81B000000383010220", COMMAND_PLAIN, 1, 3, 0x20 },
    { "812A00010D840101A1010391020001920104", COMMAND_OPEN, 1, 13, 0 },
    { "812A00010D840101A101039102000192010400", COMMAND_OPEN, 1, 13, 0 },
    { "812A0101", COMMAND_CLOSE, 1, 0, 0 },
    { "812A010100", COMMAND_CLOSE, 1, 0, 0 },
    { "812B8001039A0101", COMMAND_UPDATE, 1, 3, 256 },
    { "812B0001039A0101", COMMAND_UPDATE, 1, 3, 0 }, /* not the last: no answer */
    { "8124000203850105", COMMAND_OPEN, 1, 3, 0 },
    { "81D88002033401AA", COMMAND_UPDATE, 1, 3, 0 },
    { "CF84000004", COMMAND_PLAIN, 19, 0, 4 },
    { "01C0000010", COMMAND_GET_RESPONSE, 1, 0, 16 },
};

ParameterizedTestParameters(command, takes_apart)
{
    return cr_make_param_array(struct good, good, ARRAY_LEN(good));
}

ParameterizedTest(struct good *g, command, takes_apart)
{
    struct command cmd;

    cr_assert_eq(decode(g->hex, &cmd), 0, "%s", g->hex);
    cr_expect_eq(cmd.kind, g->kind, "%s", g->hex);
    cr_expect_eq(cmd.channel, g->channel, "%s", g->hex);
    cr_expect_eq(cmd.apdu.data_len, g->data_len, "%s", g->hex);
    cr_expect_eq(cmd.apdu.ne, g->ne, "%s: Ne is %zu", g->hex, cmd.apdu.ne);
}

static struct bad {
    char hex[80];
    uint16_t sw;
} bad[] = {
    { "", 0x6700 },
    { "81", 0x6700 },
    { "81CB00", 0x6700 },
    { "81B0000004830102", 0x6700 },     /* Lc says more than there is */
    { "81B00000028301020000", 0x6700 }, /* bytes behind Le */
    { "81B0000000830102", 0x6700 },     /* extended length */
    { "81B00000058301", 0x6700 },
    { "8120000108313233343536FFFF", 0x6d00 }, /* VERIFY PIN of the USIM */
    { "8188008010", 0x6d00 },                 /* AUTHENTICATE */
    { "00B2010400", 0x6d00 },                 /* READ RECORD */
    { "81C2000000", 0x6d00 },                 /* ENVELOPE */
    { "8170000001", 0x6e00 },                 /* the applet's version command on some cards */
    { "81A4040007A0000005590010", 0x6e00 },
    { "8584000004", 0x6882 }, /* secure messaging */
    { "9184000004", 0x6884 }, /* command chaining */
    { "A184000004", 0x6e00 },
    { "E184000004", 0x6882 },
    { "FF84000004", 0x6e00 },
    { "812A0201", 0x6a86 },
};

ParameterizedTestParameters(command, refuses)
{
    return cr_make_param_array(struct bad, bad, ARRAY_LEN(bad));
}

ParameterizedTest(struct bad *b, command, refuses)
{
    struct command cmd;
    uint16_t sw = decode(b->hex, &cmd);

    cr_expect_eq(sw, b->sw, "%s: %04X", b->hex, sw);
}

Test(command, takes_the_longest_and_nothing_longer)
{
    uint8_t bytes[APDU_CMD_MAX + 1] = { 0x81, 0xb0, 0, 0, 0xff };
    struct command cmd;

    cr_expect_eq(command_decode(bytes, APDU_CMD_MAX, &cmd), 0);
    cr_expect_eq(cmd.apdu.data_len, 255);
    cr_expect_eq(cmd.apdu.ne, 256);
    cr_expect_eq(command_decode(bytes, APDU_CMD_MAX + 1, &cmd), 0x6700);
}

Test(command, every_header_gets_an_answer_or_a_place_in_the_table)
{
    static const uint8_t iotsafe[] = { 0x70, 0xa4, 0xc0, 0xcb, 0x84, 0xb0, 0xcd, 0x24, 0xd8,
                                       0xb9, 0x2a, 0x2b, 0x2c, 0x2d, 0x46, 0x48, 0x4a };
    struct command cmd;
    unsigned passed = 0;

    for (unsigned ins = 0; ins < 256; ins++) {
        uint8_t bytes[] = { 0x01, (uint8_t)ins, 0, 0 };
        bool known = memchr(iotsafe, (int)ins, sizeof(iotsafe)) != NULL;

        cr_expect_eq(command_decode(bytes, sizeof(bytes), &cmd) == 0, known, "INS %02X", ins);
        passed += known;
    }
    cr_expect_eq(passed, sizeof(iotsafe));
}
