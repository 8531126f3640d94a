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

Test(tlv, refuses_to_write_a_length_of_one_byte_that_takes_two)
{
    static const uint8_t value[256];
    uint8_t out[300];
    struct tlv_writer w = { .out = out, .cap = sizeof(out) };
    size_t len;

    tlv_put_raw_length(&w, 0x33, value, 255);
    cr_expect_eq(tlv_finish(&w, &len), IOTSAFE_OK);
    w = (struct tlv_writer){ .out = out, .cap = sizeof(out) };
    tlv_put_raw_length(&w, 0x33, value, 256);
    cr_expect_eq(tlv_finish(&w, &len), IOTSAFE_ERR_SPACE);
}

Test(tlv, takes_numbers_of_one_byte_or_two)
{
    static const uint8_t bytes[] = { 0x12, 0x34, 0x56 };
    static const uint16_t numbers[] = { 0, 0x12, 0x1234, 0 };

    for (size_t len = 0; len < sizeof(numbers) / sizeof(numbers[0]); len++)
        cr_expect_eq(tlv_number(&(struct tlv){ .val = bytes, .len = len }), numbers[len], "%zu",
                     len);
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

/* Where both forms end well, the value of a template begins with a name. */
Test(tlv, a_template_begins_with_a_name)
{
    uint8_t in[3 + 0x9d] = { 0xc1, 0x81, 0x9d, 0x84, 1, 7 };
    struct tlv_reader r = { .in = in, .len = sizeof(in) };
    struct tlv tlv;

    in[2 + 0x81] = 0x4a; /* a known tag: the raw form ends well */
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x9d);
    cr_expect_eq(tlv.val[0], 0x84);
    in[2] = 0x85; /* raw, it begins with an identifier, too */
    r = (struct tlv_reader){ .in = in, .len = sizeof(in) };
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x81);
    in[0] = 0x34; /* no template */
    in[2] = 0x9d;
    r = (struct tlv_reader){ .in = in, .len = sizeof(in) };
    cr_assert_eq(tlv_next(&r, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv.len, 0x81);
}

Test(tlv, finds_a_tag_among_others)
{
    static const uint8_t in[] = { 0x10, 1, 0x10, 0x83, 2, 7, 8, 0x20, 2, 1, 2 };
    struct tlv tlv;

    cr_assert_eq(tlv_find(in, sizeof(in), 0x20, &tlv), IOTSAFE_OK);
    cr_expect_eq(tlv_number(&tlv), 0x0102);
    cr_expect_eq(tlv_find(in, sizeof(in), 0x99, &tlv), IOTSAFE_ERR_NOT_FOUND);
}

Test(tlv, writes_all_of_an_object_or_nothing)
{
    uint8_t out[4] = { 0 };
    struct tlv_writer w = { .out = out, .cap = sizeof(out) };

    tlv_put_raw_length(&w, 0x9a, (const uint8_t[]){ 1, 2, 3 }, 3);
    cr_expect(w.failed && w.len == 0);
    w = (struct tlv_writer){ .out = out, .cap = sizeof(out) };
    tlv_put_signature(&w, (const uint8_t[]){ 1, 2 }, 2, false);
    cr_expect(w.failed && w.len == 0);
    cr_expect_eq(tlv_room(&w), 0, "nothing more fits");
    tlv_put_bytes(&w, out, 1);
    cr_expect_eq(w.len, 0);
}

Test(tlv, writes_lengths_in_the_form_asked_for)
{
    static const uint8_t zeros[255];
    static const struct {
        size_t len;
        uint8_t head[4];
        size_t head_len;
    } heads[] = {
        { 0, { 0x9b, 0 }, 2 },
        { 127, { 0x9b, 127 }, 2 },
        { 128, { 0x9b, 0x81, 128 }, 3 },
        { 255, { 0x9b, 0x81, 255 }, 3 },
        { 256, { 0x9b, 0x82, 1, 0 }, 4 },
        { 65535, { 0x9b, 0x82, 255, 255 }, 4 },
        { 65536, { 0 }, 0 },
    };
    uint8_t out[300];
    struct tlv_writer w;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        w = (struct tlv_writer){ .out = out, .cap = sizeof(out) };
        tlv_put_head(&w, 0x9b, heads[i].len);
        cr_expect_eq(w.len, heads[i].head_len, "length %zu", heads[i].len);
        cr_expect(memcmp(out, heads[i].head, heads[i].head_len) == 0, "length %zu", heads[i].len);
        cr_expect_eq(w.failed, heads[i].head_len == 0);
    }
    w = (struct tlv_writer){ .out = out, .cap = sizeof(out) };
    tlv_put_raw_length(&w, 0x9a, zeros, 255);
    cr_expect(!w.failed && w.len == 257 && out[1] == 255);
    w = (struct tlv_writer){ .out = out, .cap = sizeof(out) };
    tlv_put_signature(&w, zeros, 64, true);
    cr_expect(w.len == 66 && out[0] == 0x33 && out[1] == 64);
    tlv_put_signature(&w, zeros, 64, false);
    cr_expect(w.len == 66 + 67 && out[67] == 0 && out[68] == 64);
    tlv_put_signature(&w, zeros, 128, false);
    cr_expect(w.failed);
}

Test(tlv, takes_an_object_with_a_ber_length_and_no_other)
{
    static const uint8_t good[] = { 0x81, 0x81, 3, 1, 2, 3, 0x82, 0 };
    static const uint8_t bad[][5] = {
        { 0x82, 1, 1, 0, 0 },       { 0x81, 0x80, 0, 0, 0 }, { 0x81, 0x83, 0, 0, 1 },
        { 0x81, 0x82, 0, 2, 1 },    { 0x81, 4, 1, 2, 3 },    { 0x81, 0x81, 3, 1, 2 },
        { 0x81, 0x82, 0xff, 0xff }, { 0x81, 0xff, 1, 2, 3 },
    };
    struct tlv_reader r = { .in = good, .len = sizeof(good) };
    struct tlv tlv;

    cr_assert(tlv_take_ber(&r, 0x81, &tlv));
    cr_expect(tlv.len == 3 && tlv.val[2] == 3 && r.len == 2);
    cr_assert(tlv_take_ber(&r, 0x82, &tlv));
    cr_expect(tlv.len == 0 && r.len == 0);
    cr_expect(!tlv_take_ber(&r, 0x82, &tlv), "no bytes left");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r = (struct tlv_reader){ .in = bad[i], .len = 5 };
        cr_expect(!tlv_take_ber(&r, 0x81, &tlv), "row %zu", i);
        cr_expect_eq(r.len, 5, "row %zu: the reader moved on failure", i);
    }
    for (size_t n = 0; n < 6; n++) {
        r = (struct tlv_reader){ .in = good, .len = n };
        cr_expect(!tlv_take_ber(&r, 0x81, &tlv), "length %zu", n);
    }
}

Test(tlv, finds_the_signature_in_each_form_of_length)
{
    static const struct {
        uint8_t head[4];
        size_t head_len, len;
    } forms[] = {
        { { 0x33, 0x40 }, 2, 0x40 },
        { { 0x33, 0x00, 0x40 }, 3, 0x40 },
        { { 0x33, 0x01, 0x00 }, 3, 0x100 },
        { { 0x33, 0x81, 0x90 }, 3, 0x90 },
        { { 0x33, 0x82, 0x01, 0x00 }, 4, 0x100 },
        { { 0x33, 0x46 }, 2, 0x46 },
        { { 0 }, 0, 0x40 },          /* no tag */
        { { 0 }, 0, 0 },             /* nothing */
        { { 0x33 }, 0, 1 },          /* a tag and no more */
        { { 0x33, 0x41 }, 0, 0x40 }, /* a length that does not fit */
    };
    uint8_t in[4 + 0x100];

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const size_t len = forms[i].head_len + forms[i].len;
        struct tlv sig;

        memset(in, 0, sizeof(in));
        memcpy(in, forms[i].head, sizeof(forms[i].head));
        sig = tlv_signature(in, len);
        cr_expect_eq(sig.len, forms[i].len, "row %zu", i);
        cr_expect_eq(sig.val, in + forms[i].head_len, "row %zu", i);
    }
}

Test(tlv, gives_back_a_byte_and_strips_zeros)
{
    static const uint8_t in[] = { 0x92, 3, 0, 0, 0x91, 2, 1, 2 };
    struct tlv_reader r = { .in = in, .len = sizeof(in) };
    struct tlv tlv, number;

    cr_assert(tlv_take_ber(&r, 0x92, &tlv));
    tlv_give_back(&r, &tlv);
    cr_expect(tlv.len == 2 && r.len == 4 && r.in[0] == 0x91);
    number = tlv_without_zeros(&tlv);
    cr_expect_eq(number.len, 0);
    tlv = (struct tlv){ .val = in + 2, .len = 3 };
    number = tlv_without_zeros(&tlv);
    cr_expect(number.len == 1 && number.val[0] == 0x91);
}
