/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of hostile bytes: TLVs, APDUs, class bytes, frames, hex, settings. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apdu.h"
#include "fixture.h"
#include "frame.h"
#include "tlv.h"

/* The bytes in memory of exactly their size, so that a sanitizer sees one byte too many. */
static uint8_t *exact(const char *hex, size_t *ret_len)
{
    uint8_t *p = malloc(strlen(hex) / 2 + 1);
    uint8_t *tight;

    *ret_len = unhex(hex, p, strlen(hex) / 2);
    tight = malloc(*ret_len == 0 ? 1 : *ret_len);
    memcpy(tight, p, *ret_len);
    free(p);
    return tight;
}

static struct tlv_row {
    char hex[40];
    int n;       /* TLVs; -1: refused */
    int missing; /* bytes announced for the next block */
    int last_len;
} tlv_rows[] = {
    { "", 0, 0, 0 },
    { "840101", 1, 0, 1 },
    { "8400", 1, 0, 0 },
    { "840101A10103", 2, 0, 1 },
    { "84", -1, 0, 0 },
    { "8402", -1, 0, 0 },
    { "840201", -1, 0, 0 },
    { "84010184", -1, 0, 0 },
    { "33004011", -1, 0, 0 },
    { "330001AA", 1, 0, 1 },
    { "3301AA", 1, 0, 1 },
    { "9B8101AA", 1, 0, 1 },
    { "9B820001AA", 1, 0, 1 },
    { "9B83000001AA", 1, 0, 1 },
    { "9B820258AABB", 1, 0x256, 2 },
    { "9B810FAABB", 1, 13, 2 },
    { "9B80", -1, 0, 0 },
    { "9B84000000017F", -1, 0, 0 },
    { "9BFF", -1, 0, 0 },
};

ParameterizedTestParameters(softsim_bytes, tlv_reads)
{
    return cr_make_param_array(struct tlv_row, tlv_rows, ARRAY_LEN(tlv_rows));
}

ParameterizedTest(struct tlv_row *row, softsim_bytes, tlv_reads)
{
    struct tlv_list list;
    size_t len;
    uint8_t *data = exact(row->hex, &len);
    bool ok = softsim_tlv_parse(data, len, &list);

    cr_expect_eq(ok, row->n >= 0, "%s", row->hex);
    if (ok && row->n > 0) {
        cr_expect_eq((int)list.n, row->n, "%s", row->hex);
        cr_expect_eq((int)list.missing, row->missing, "%s", row->hex);
        cr_expect_eq((int)list.item[list.n - 1].len, row->last_len, "%s", row->hex);
    }
    free(data);
}

Test(softsim_bytes, tlv_takes_raw_length_that_ends_with_the_data)
{
    uint8_t data[2 + 0xfd] = { 0x9b, 0xfd };
    struct tlv_list list;

    cr_assert(softsim_tlv_parse(data, sizeof(data), &list));
    cr_expect_eq(list.item[0].len, 0xfd);
    cr_expect_eq(list.missing, 0);
}

/* 130 bytes of text: 82 is a raw length unless the next two bytes are a BER length that fits. */
Test(softsim_bytes, tlv_takes_82_as_raw_when_ber_does_not_fit)
{
    uint8_t data[2 + 0x82];
    struct tlv_list list;

    memset(data, ' ', sizeof(data));
    data[0] = 0x9b;
    data[1] = 0x82;
    cr_assert(softsim_tlv_parse(data, sizeof(data), &list));
    cr_expect_eq(list.item[0].len, 0x82);
}

Test(softsim_bytes, tlv_refuses_more_than_the_list_holds)
{
    uint8_t data[2 * (TLV_LIST_MAX + 1)] = { 0 };
    struct tlv_list list;

    cr_expect(softsim_tlv_parse(data, 2 * TLV_LIST_MAX, &list));
    cr_expect_not(softsim_tlv_parse(data, sizeof(data), &list));
}

/* No content of any length may be read past its end, whatever it says about itself. */
Test(softsim_bytes, tlv_never_reads_past_the_end)
{
    unsigned seed = 1;

    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand_r(&seed) % 24;
        uint8_t *data = malloc(len == 0 ? 1 : len);
        struct tlv_list list;

        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)rand_r(&seed);
        if (softsim_tlv_parse(data, len, &list))
            for (size_t i = 0; i < list.n; i++)
                cr_assert(list.item[i].val + list.item[i].len <= data + len);
        free(data);
    }
}

static struct apdu_row {
    char hex[24];
    bool ok;
    int lc;
    int le; /* 0: none */
    int stray;
} apdu_rows[] = {
    { "", false, 0, 0, 0 },
    { "81", false, 0, 0, 0 },
    { "81CB00", false, 0, 0, 0 },
    { "81CB0000", true, 0, 0, 0 },
    { "81CB000000", true, 0, 256, 0 },
    { "81CB000044", true, 0, 0x44, 0 },
    { "81CB000001AA", true, 1, 0, 0 },
    { "81CB000001AA00", true, 1, 256, 0 },
    { "81CB000001AA0000", true, 1, 256, 1 },
    { "81CB000002AA", false, 0, 0, 0 },
    { "81CB00000000", false, 0, 0, 0 },
    { "81CB0000000001AA", false, 0, 0, 0 }, /* extended length */
};

ParameterizedTestParameters(softsim_bytes, apdu_cases)
{
    return cr_make_param_array(struct apdu_row, apdu_rows, ARRAY_LEN(apdu_rows));
}

ParameterizedTest(struct apdu_row *row, softsim_bytes, apdu_cases)
{
    struct apdu a;
    size_t len;
    uint8_t *cmd = exact(row->hex, &len);
    bool ok = apdu_parse(cmd, len, &a);

    cr_expect_eq(ok, row->ok, "%s", row->hex);
    if (ok) {
        cr_expect_eq((int)a.lc, row->lc, "%s", row->hex);
        cr_expect_eq(a.has_le, row->le != 0, "%s", row->hex);
        cr_expect_eq((int)a.le, row->le, "%s", row->hex);
        cr_expect_eq((int)a.stray, row->stray, "%s", row->hex);
    }
    free(cmd);
}

static struct class_row {
    uint8_t cla;
    bool ok, proprietary, secure, chained;
    uint8_t channel;
} class_rows[] = {
    { 0x00, true, false, false, false, 0 },  { 0x03, true, false, false, false, 3 },
    { 0x81, true, true, false, false, 1 },   { 0x40, true, false, false, false, 4 },
    { 0x4f, true, false, false, false, 19 }, { 0xc0, true, true, false, false, 4 },
    { 0xcf, true, true, false, false, 19 },  { 0x0c, true, false, true, false, 0 },
    { 0x84, true, true, true, false, 0 },    { 0x10, true, false, false, true, 0 },
    { 0x90, true, true, false, true, 0 },    { 0x60, true, false, true, false, 4 },
    { 0x20, false, false, false, false, 0 }, { 0xa0, false, false, false, false, 0 },
    { 0xe0, false, false, false, false, 0 }, { 0xff, false, false, false, false, 0 },
};

ParameterizedTestParameters(softsim_bytes, class_bytes)
{
    return cr_make_param_array(struct class_row, class_rows, ARRAY_LEN(class_rows));
}

ParameterizedTest(struct class_row *row, softsim_bytes, class_bytes)
{
    struct apdu_class c;
    bool ok = apdu_class_parse(row->cla, &c);

    cr_expect_eq(ok, row->ok, "%02X", row->cla);
    if (ok) {
        cr_expect_eq(c.proprietary, row->proprietary, "%02X", row->cla);
        cr_expect_eq(c.secure, row->secure, "%02X", row->cla);
        cr_expect_eq(c.chained, row->chained, "%02X", row->cla);
        cr_expect_eq(c.channel, row->channel, "%02X", row->cla);
    }
}

Test(softsim_bytes, frames_arrive_whole_in_any_cut)
{
    static const uint8_t stream[] = { 0, 0, 0, 1, 0xaa, 0, 2, 0xbb, 0xcc };
    struct frame_reader r = { .at = 0 };
    const uint8_t *frame;
    size_t len, seen = 0, want[] = { 0, 1, 2 };
    int fd[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    for (size_t i = 0; i < sizeof(stream); i++) {
        cr_assert_eq(write(fd[0], stream + i, 1), 1);
        cr_assert_eq(frame_receive(&r, fd[1]), FRAME_MORE);
        while (frame_next(&r, &frame, &len) == FRAME_READY)
            cr_expect_eq(len, want[seen++]);
    }
    cr_expect_eq(seen, 3);
    cr_expect_eq(frame_receive(&r, fd[1]), FRAME_MORE, "nothing there is no failure");
    close(fd[0]);
    cr_expect_eq(frame_receive(&r, fd[1]), FRAME_FAILED, "the end is");
    close(fd[1]);
    frame_clear(&r);
}

Test(softsim_bytes, hex_refuses_what_is_none)
{
    uint8_t out[2];
    size_t n = 7;

    cr_expect(softsim_hex_decode("aBcD", out, sizeof(out), &n));
    cr_expect_eq(n, 2);
    cr_expect_eq(out[1], 0xcd);
    cr_expect_not(softsim_hex_decode("abc", out, sizeof(out), &n));
    cr_expect_not(softsim_hex_decode("zz", out, sizeof(out), &n));
    cr_expect_not(softsim_hex_decode("010203", out, sizeof(out), &n));
    cr_expect_eq(n, 2, "an output changed on failure");
}

Test(softsim_bytes, buffer_fails_instead_of_growing_without_end)
{
    struct buf b = { 0 };
    static uint8_t chunk[64 * 1024];

    for (size_t i = 0; i < BUF_MAX / sizeof(chunk); i++)
        buf_put(&b, chunk, sizeof(chunk));
    cr_expect_not(b.failed);
    buf_u8(&b, 1);
    cr_expect(b.failed);
    cr_expect_eq(b.len, BUF_MAX);
    buf_clear(&b);
}

/* Every command of every length up to a full one, with each instruction: an answer of two
 * bytes at least, and no memory error. */
Test(softsim_bytes, card_survives_any_bytes)
{
    struct fixture f;
    unsigned seed = 7;
    static const uint8_t ins[] = { 0x70, 0xa4, 0xc0, 0x24, 0x2a, 0x2b, 0x2c, 0x2d,
                                   0x46, 0x48, 0x4a, 0x84, 0xb0, 0xcb, 0xcd, 0xd8 };

    fixture_begin(&f, "gsma-strict", "session_count=8;cla=both");
    fixture_select(&f, AID_GSMA);
    for (int round = 0; round < 30000; round++) {
        size_t len = (size_t)rand_r(&seed) % 300;
        uint8_t *cmd = malloc(len == 0 ? 1 : len);
        uint8_t rsp[APDU_RSP_MAX];
        struct exchange_info info;

        for (size_t i = 0; i < len; i++)
            cmd[i] = (uint8_t)(rand_r(&seed) >> 3);
        if (len > 6) {
            static const uint8_t tags[] = { 0x84, 0x85, 0x86, 0x9b, 0x9e, 0x34, 0x33, 0xd1 };

            cmd[0] = 0x81;
            cmd[1] = ins[(size_t)rand_r(&seed) % sizeof(ins)];
            cmd[2] &= 0x81;
            cmd[3] &= 0x01;
            cmd[4] = (uint8_t)(len - 5);
            cmd[5] = tags[(size_t)rand_r(&seed) % sizeof(tags)];
        }
        cr_assert_geq(card_exchange(&f.card, &f.client, cmd, len, rsp, &info), 2);
        free(cmd);
    }
    fixture_end(&f);
}

/* Truncated valid commands: 6700 or an error of content, never success with other meaning. */
Test(softsim_bytes, card_refuses_truncated_commands)
{
    static const char *const whole[] = {
        "812A00010D840101A1010391020001920104",
        "81CD000003850101",
        "81B0000003830102",
        "814600000684010485010500",
    };
    struct fixture f;
    char cut[64];

    fixture_begin(&f, "gsma-strict", "");
    fixture_select(&f, AID_GSMA);
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        for (size_t n = 0; n < 16; n += 2) {
            memcpy(cut, whole[i], n);
            cut[n] = '\0';
            cr_expect_neq(sw_of(&f, cut), 0x9000, "%s", cut);
        }
    }
    fixture_end(&f);
}
