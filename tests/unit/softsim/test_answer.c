/* SPDX-License-Identifier: Apache-2.0 */
/* How answers travel: direct, 61xx, 6Cxx, T=0, pending answers. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define READ_KEY "81CD000003850101"

static struct fixture f;

static void begin(const char *settings)
{
    fixture_begin(&f, "gsma-strict", settings);
    fixture_select(&f, AID_GSMA);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(softsim_answer, .fini = end);

Test(softsim_answer, direct_takes_00_or_the_exact_length)
{
    begin("");
    EXPECT_SW(&f, READ_KEY, 0x9000);
    EXPECT_SW(&f, READ_KEY "00", 0x9000);
    EXPECT_SW(&f, READ_KEY "47", 0x9000);
    EXPECT(&f, READ_KEY "46", "6C47");
    EXPECT(&f, READ_KEY "48", "6C47");
    EXPECT_SW(&f, READ_KEY "47", 0x9000);
}

/* The command of a 6Cxx answer has run: its repetition must not run it again. */
Test(softsim_answer, corrected_command_runs_once)
{
    begin("answer_mode=6c;session_auto_close=on");
    EXPECT_SW(&f, "812A00010D840101A1010391020001920104", 0x9000);
    EXPECT(&f, "812B8001229E20" HASH_SAMPLE "00", "6C43");
    EXPECT(&f, "812B8001229E20" HASH_SAMPLE "43", "330040" SIG_SAMPLE "9000");
    EXPECT_SW(&f, "812B8001229E20" HASH_SAMPLE "43", 0x6985);
}

Test(softsim_answer, corrected_page_is_not_skipped)
{
    begin("t0=on;list_page=200;list_form=per-kind"); /* 318 bytes */
    EXPECT(&f, "81CB010000", "6CC8");
    EXPECT_SW(&f, "81CB0100C8", 0x6300);
    EXPECT(&f, "81CB010100", "6C76");
    EXPECT_SW(&f, "81CB010176", 0x9000);
}

Test(softsim_answer, another_command_drops_a_pending_answer)
{
    begin("answer_mode=61");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT_SW(&f, "81CD000003850109", 0x6a80);
    EXPECT(&f, "81C0000047", "6985");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT_SW(&f, "8200000000", 0x6881);
    EXPECT(&f, "81C0000047", "6985");
}

Test(softsim_answer, get_response_gives_it_in_pieces)
{
    begin("answer_mode=61");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT(&f, "81C0000048", "6C47");
    cr_expect_eq(strlen(send_hex(&f, "81C0000040")), 2 * 66);
    cr_expect_str_eq(f.answer + 2 * 64, "6107");
    cr_expect_eq(strlen(send_hex(&f, "81C0000000")), 2 * 9);
    EXPECT(&f, "81C0000000", "6985");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT_SW(&f, "81C0010000", 0x6a86);
    EXPECT_SW(&f, "81C0000001AA", 0x6700);
}

Test(softsim_answer, get_response_belongs_to_the_channel)
{
    begin("answer_mode=61");
    EXPECT(&f, "0070000001", "029000");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT(&f, "82C0000047", "6985");
    EXPECT_SW(&f, "81C0000047", 0x9000);
}

Test(softsim_answer, get_response_class_and_idle_words)
{
    begin("answer_mode=61;getresp_cla=0n;getresp_idle=6f00");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT(&f, "81C0000047", "6E00");
    EXPECT_SW(&f, "01C0000047", 0x9000);
    EXPECT(&f, "01C0000047", "6F00");
    fixture_end(&f);
    begin("answer_mode=61;getresp_cla=same;getresp_le00=6c;getresp_idle=9000");
    EXPECT(&f, READ_KEY, "6147");
    EXPECT(&f, "01C0000047", "6E00");
    EXPECT(&f, "81C0000000", "6C47");
    EXPECT_SW(&f, "81C0000047", 0x9000);
    EXPECT(&f, "81C0000000", "9000");
}

Test(softsim_answer, gsm_form)
{
    begin("answer_mode=61;wait_sw=9f");
    EXPECT(&f, READ_KEY, "9F47");
    EXPECT_SW(&f, "01C0000047", 0x9000);
}

Test(softsim_answer, above_n)
{
    begin("answer_mode=61-above;answer_n=70");
    EXPECT(&f, READ_KEY, "6147");
    cr_expect_eq(strlen(send_hex(&f, "81CB000000")), 2 * 70);
}

Test(softsim_answer, data_then_61)
{
    begin("answer_mode=data-61;answer_n=64");
    cr_expect_eq(strlen(send_hex(&f, READ_KEY)), 2 * 66);
    cr_expect_str_eq(f.answer + 2 * 64, "6107");
    EXPECT_SW(&f, "81C0000007", 0x9000);
}

Test(softsim_answer, t0_card)
{
    begin("t0=on");
    EXPECT(&f, READ_KEY "00", "6147");
    EXPECT_SW(&f, "81C0000047", 0x9000);
    EXPECT(&f, "81CB000000", "6C44");
    EXPECT_SW(&f, "81CB000044", 0x9000);
    EXPECT(&f, "81CB0000", "6C44");
    EXPECT_SW(&f, "8184000000", 0x9000);
    EXPECT_SW(&f, "8184000010", 0x9000);
    EXPECT(&f, "0070000000", "6C01");
    EXPECT(&f, "0070000001", "029000");
    EXPECT(&f, "0070000000", "6C01"); /* which opened nothing */
    EXPECT(&f, "0070000001", "039000");
}

Test(softsim_answer, status_of_a_page_comes_with_its_last_byte)
{
    begin("answer_mode=61;list_page=100");
    EXPECT(&f, "81CB010000", "6164");
    EXPECT_SW(&f, "81C0000032", 0x6132);
    EXPECT_SW(&f, "81C0000032", 0x6300);
}

Test(softsim_answer, timing_profile_makes_case_4_wait)
{
    begin("");
    f.card.case4_by_61 = true;
    EXPECT(&f, READ_KEY "00", "6147");
    EXPECT_SW(&f, "81C0000047", 0x9000);
    EXPECT_SW(&f, "81CB000000", 0x9000);
}

Test(softsim_answer, reset_drops_it)
{
    begin("answer_mode=61");
    EXPECT(&f, READ_KEY, "6147");
    card_reset(&f.card);
    EXPECT(&f, "00C0000047", "6985");
}

/* The answer's data behind what is in all. */
static void gather(char *all)
{
    size_t at = strlen(all), n = strlen(f.answer) - 4;

    memcpy(all + at, f.answer, n);
    all[at + n] = '\0';
}

/* The random card: many signatures, each by whatever way, all of them right in the end. */
Test(softsim_answer, hostile_card_still_signs)
{
    int signatures = 0;

    fixture_begin(&f, "hostile", "");
    for (int i = 0; i < 400; i++) {
        char all[8 * APDU_RSP_MAX] = "";
        unsigned sw;

        if (sw_of(&f, "81A4040007A0000005590010") == 0x6881)
            send_hex(&f, "0070000001");
        send_hex(&f, "01A4040007A0000005590010");
        send_hex(&f, "812A010100");
        send_hex(&f, "812A00010D840101A1010391020001920104");
        sw = sw_of(&f, "812B8001229E20" HASH_SAMPLE "00");
        if (sw >> 8 == 0x6c)
            sw = sw_of(&f, "812B8001229E20" HASH_SAMPLE "43");
        gather(all);
        for (int k = 0; k < 4 && sw >> 8 == 0x61; k++) {
            sw = sw_of(&f, "01C0000000");
            gather(all);
        }
        if (sw == 0x9000 || sw == 0x63cf || sw >> 8 == 0x91) {
            cr_expect_str_eq(all, "330040" SIG_SAMPLE);
            signatures++;
        }
    }
    cr_expect_gt(signatures, 200, "%d", signatures);
}
