/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "apdu.h"

static size_t encode(const struct apdu_cmd *cmd, enum apdu_le le, uint8_t *out)
{
    return apdu_encode(cmd, 0x81, le, out);
}

Test(apdu, encodes_the_four_cases)
{
    uint8_t out[APDU_CMD_MAX];
    struct apdu_cmd cmd = { .ins = 0x2a, .p1 = 1, .p2 = 1 };

    cr_assert_eq(encode(&cmd, APDU_LE_AUTO, out), 5);
    cr_expect_arr_eq(out, ((const uint8_t[]){ 0x81, 0x2a, 1, 1, 0 }), 5);
    cmd.ne = 0x44;
    cr_assert_eq(encode(&cmd, APDU_LE_AUTO, out), 5);
    cr_expect_eq(out[4], 0x44);
    cmd.data[0] = 0xaa;
    cmd.data_len = 1;
    cmd.ne = 0;
    cr_assert_eq(encode(&cmd, APDU_LE_AUTO, out), 6);
    cr_expect_arr_eq(out, ((const uint8_t[]){ 0x81, 0x2a, 1, 1, 1, 0xaa }), 6);
    cr_expect_eq(encode(&cmd, APDU_LE_ALWAYS, out), 7);
    cmd.ne = 256;
    cr_assert_eq(encode(&cmd, APDU_LE_AUTO, out), 7);
    cr_expect_eq(out[6], 0);
    cr_expect_eq(encode(&cmd, APDU_LE_NONE, out), 6);
}

Test(apdu, fills_the_largest_command_and_refuses_a_larger_one)
{
    uint8_t out[APDU_CMD_MAX];
    struct apdu_cmd cmd = { .ins = 0xd8, .data_len = 255, .ne = 256 };

    cr_expect_eq(encode(&cmd, APDU_LE_AUTO, out), APDU_CMD_MAX);
    cmd.data_len = 256;
    cr_expect_eq(encode(&cmd, APDU_LE_AUTO, out), 0);
    cmd.data_len = 1;
    cmd.ne = 257;
    cr_expect_eq(encode(&cmd, APDU_LE_AUTO, out), 0);
}

Test(apdu, puts_the_channel_into_the_class)
{
    static const struct {
        bool proprietary;
        uint8_t channel, cla;
    } rows[] = { { false, 0, 0x00 }, { true, 0, 0x80 }, { false, 3, 0x03 },  { true, 3, 0x83 },
                 { false, 4, 0x40 }, { true, 4, 0xc0 }, { false, 19, 0x4f }, { true, 19, 0xcf } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(apdu_class(rows[i].proprietary, rows[i].channel), rows[i].cla, "row %zu", i);
}
