/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "tlv.h"

Test(tlv, writes_up_to_the_last_byte_and_not_past_it)
{
    uint8_t out[5] = { [4] = 0xee };
    struct tlv_writer w = { .out = out, .cap = 4 };
    size_t len = 99;

    tlv_put(&w, 0x84, (const uint8_t[]){ 1, 2 }, 2);
    cr_assert_eq(tlv_finish(&w, &len), IOTSAFE_OK);
    cr_expect_eq(len, 4);
    tlv_put(&w, 0x84, NULL, 0);
    cr_expect_eq(tlv_finish(&w, &len), IOTSAFE_ERR_SPACE);
    cr_expect_eq(len, 4, "an output changed on failure");
    cr_expect_eq(out[4], 0xee);
}

Test(tlv, refuses_to_write_lengths_without_an_agreed_form)
{
    uint8_t out[300], val[128] = { 0 };
    struct tlv_writer w = { .out = out, .cap = sizeof(out) };
    size_t len;

    tlv_put(&w, 0x9b, val, 127);
    cr_expect_eq(tlv_finish(&w, &len), IOTSAFE_OK);
    tlv_put(&w, 0x9b, val, 128);
    cr_expect_eq(tlv_finish(&w, &len), IOTSAFE_ERR_SPACE);
}

Test(tlv, rejects_truncation_at_every_length)
{
    uint8_t in[] = { 0x84, 0x03, 1, 2, 3 };

    for (size_t n = 1; n < sizeof(in); n++) {
        struct tlv_reader r = { .in = in, .len = n };
        struct tlv tlv;

        cr_expect_eq(tlv_next(&r, &tlv), IOTSAFE_ERR_PROTOCOL, "length %zu", n);
        cr_expect_eq(r.len, n, "the reader moved on failure");
    }
}

Test(tlv, rejects_huge_lengths)
{
    static const uint8_t rows[][5] = {
        { 0x84, 0x7f, 1, 2, 3 }, { 0x84, 0x81, 0xff, 2, 3 }, { 0x84, 0x82, 0xff, 0xff, 3 },
        { 0x84, 0xff, 1, 2, 3 }, { 0x84, 0x83, 1, 0, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tlv_reader r = { .in = rows[i], .len = 5 };
        struct tlv tlv;

        cr_expect_eq(tlv_next(&r, &tlv), IOTSAFE_ERR_PROTOCOL, "row %zu", i);
    }
}

Test(tlv, reads_long_lengths_raw_and_ber)
{
    uint8_t raw[2 + 0x88], ber[3 + 0x88], ber2[4 + 0x100];
    struct tlv_reader r = { .in = raw, .len = sizeof(raw) };
    struct tlv tlv;

    memset(raw, 0, sizeof(raw));
    memset(ber, 0, sizeof(ber));
    memset(ber2, 0, sizeof(ber2));
    memcpy(raw, (const uint8_t[]){ 0xc2, 0x88 }, 2);
    memcpy(ber, (const uint8_t[]){ 0xc2, 0x81, 0x88 }, 3);
    memcpy(ber2, (const uint8_t[]){ 0xc2, 0x82, 0x01, 0x00 }, 4);
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x88);
    r = (struct tlv_reader){ .in = ber, .len = sizeof(ber) };
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x88);
    r = (struct tlv_reader){ .in = ber2, .len = sizeof(ber2) };
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x100);
}

Test(tlv, finds_a_tag_among_others)
{
    static const uint8_t in[] = { 0x10, 1, 0x10, 0x83, 2, 7, 8, 0x20, 2, 1, 2 };
    struct tlv tlv;

    cr_assert_eq(tlv_find(in, sizeof(in), 0x20, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv_number(&tlv), 0x0102);
    cr_expect_eq(tlv_find(in, sizeof(in), 0x99, &tlv), IOTSAFE_ERR_NOT_FOUND);
}
