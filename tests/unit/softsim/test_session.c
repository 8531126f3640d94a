/* SPDX-License-Identifier: Apache-2.0 */
/* The session table - state by command - row by row and profile by profile. */
#include <string.h>

#include "fixture.h"

#define INIT(n) "812A00" n "0D840101A1010391020001920104"
#define INIT_TEXT(n) "812A00" n "0D840101A1010191020001920104"
#define LAST(n) "812B80" n "229E20" HASH_SAMPLE "00"
#define MORE(n) "812B00" n "089B0673616D706C65"
#define LAST_TEXT(n) "812B80" n "089B0673616D706C6500"
#define CLOSE(n) "812A01" n "00"
#define VERIFY_INIT(n) "812C00" n "0D850101A1010391020001920104"
#define VERIFY_LAST(n) "812D80" n "659E20" HASH_SAMPLE "330040" SIG_SAMPLE
#define VERIFY_CLOSE(n) "812C01" n "00"
#define PUT_INIT(n) "812400" n "03850105"
#define PUT_LAST(n) "81D880" n "47344549438641" POINT_PEER
#define PUT_CLOSE(n) "812401" n "00"

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

TestSuite(softsim_session, .fini = end);

Test(softsim_session, closed_refuses_all_but_init)
{
    begin("");
    EXPECT_SW(&f, MORE("01"), 0x6985);
    EXPECT_SW(&f, LAST("01"), 0x6985);
    EXPECT_SW(&f, CLOSE("01"), 0x6985);
    EXPECT_SW(&f, INIT("01"), 0x9000);
}

Test(softsim_session, closed_takes_close_where_the_profile_says_so)
{
    begin("close_idle=9000");
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
}

Test(softsim_session, open_stays_open_between_blocks)
{
    begin("");
    EXPECT_SW(&f, INIT_TEXT("01"), 0x9000);
    EXPECT(&f, MORE("01"), "9000");
    EXPECT(&f, MORE("01"), "9000");
    EXPECT_SW(&f, INIT_TEXT("01"), 0x6985);
    EXPECT_SW(&f, LAST_TEXT("01"), 0x9000);
}

Test(softsim_session, open_closes)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x6985);
}

Test(softsim_session, finished_takes_nothing_but_close)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x6985);
    EXPECT_SW(&f, MORE("01"), 0x6985);
    EXPECT_SW(&f, INIT("01"), 0x6985);
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
    EXPECT_SW(&f, INIT("01"), 0x9000);
}

Test(softsim_session, auto_close_makes_finished_closed)
{
    begin("session_auto_close=on");
    for (int i = 0; i < 3; i++) {
        EXPECT_SW(&f, INIT("01"), 0x9000);
        EXPECT_SW(&f, LAST("01"), 0x9000);
    }
    EXPECT_SW(&f, CLOSE("01"), 0x6985);
}

Test(softsim_session, reopen_rules)
{
    begin("reopen_rule=6a86");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, INIT("01"), 0x6a86);
    fixture_end(&f);
    begin("reopen_rule=restart");
    EXPECT_SW(&f, INIT_TEXT("01"), 0x9000);
    EXPECT_SW(&f, MORE("01"), 0x9000);
    EXPECT_SW(&f, INIT_TEXT("01"), 0x9000);
    EXPECT(&f, LAST_TEXT("01"), "330040" SIG_SAMPLE "9000");
}

Test(softsim_session, numbers_out_of_range_are_6a86)
{
    begin("session_min=1;session_max=2");
    EXPECT_SW(&f, INIT("00"), 0x6a86);
    EXPECT_SW(&f, INIT("03"), 0x6a86);
    EXPECT_SW(&f, CLOSE("03"), 0x6a86);
    EXPECT_SW(&f, INIT("02"), 0x9000);
}

Test(softsim_session, one_too_many_is_6989)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, INIT("02"), 0x6989);
    EXPECT_SW(&f, VERIFY_INIT("02"), 0x6989);
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
    EXPECT_SW(&f, VERIFY_INIT("02"), 0x9000);
}

Test(softsim_session, commands_share_the_numbers)
{
    begin("session_count=2");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, VERIFY_INIT("01"), 0x6985);
    EXPECT_SW(&f, VERIFY_LAST("01"), 0x6985);
    EXPECT_SW(&f, VERIFY_CLOSE("01"), 0x6985);
    EXPECT_SW(&f, VERIFY_INIT("02"), 0x9000);
    EXPECT_SW(&f, VERIFY_LAST("02"), 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x9000);
}

Test(softsim_session, commands_have_numbers_of_their_own)
{
    begin("session_count=3;session_space=command");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, VERIFY_INIT("01"), 0x9000);
    EXPECT_SW(&f, PUT_INIT("01"), 0x9000);
    EXPECT_SW(&f, PUT_LAST("01"), 0x9000);
    EXPECT_SW(&f, VERIFY_LAST("01"), 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x9000);
}

Test(softsim_session, select_channel_close_and_reset_end_it)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, "01A4040007A0000005590010", 0x9000);
    EXPECT_SW(&f, LAST("01"), 0x6985);
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, "0070800100", 0x9000);
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, LAST("01"), 0x6985);
    EXPECT_SW(&f, INIT("01"), 0x9000);
    card_reset(&f.card);
    EXPECT_SW(&f, LAST("01"), 0x6881);
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, INIT("01"), 0x9000);
}

Test(softsim_session, survives_where_the_profile_says_so)
{
    begin("session_survives=on;session_scope=card;reopen_rule=6a86");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, "01A4040007A0000005590010", 0x9000);
    EXPECT_SW(&f, INIT("01"), 0x6a86);
    card_reset(&f.card);
    fixture_select(&f, AID_GSMA);
    EXPECT_SW(&f, INIT("01"), 0x6a86);
    EXPECT_SW(&f, LAST("01"), 0x9000);
}

Test(softsim_session, last_flag_top_bit)
{
    begin("last_flag=top-bit");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT(&f, "812B9001229E20" HASH_SAMPLE "00", "330040" SIG_SAMPLE "9000");
    fixture_end(&f);
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, "812B9001229E20" HASH_SAMPLE "00", 0x6a86);
    EXPECT_SW(&f, LAST("01"), 0x9000);
}

Test(softsim_session, wrong_data_in_update_makes_it_unusable)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, LAST_TEXT("01"), 0x6a80); /* tag of another mode */
    EXPECT_SW(&f, LAST("01"), 0x6985);
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
    fixture_end(&f);
    begin("malformed_sw=6985");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f, LAST_TEXT("01"), 0x6985);
}

Test(softsim_session, hash_of_another_length_is_6a80)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    EXPECT_SW(&f,
              "812B8001219E1F"
              "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEE",
              0x6a80);
}

Test(softsim_session, wrong_signature_finishes_verification)
{
    begin("");
    EXPECT_SW(&f, VERIFY_INIT("01"), 0x9000);
    EXPECT_SW(&f, "812D8001649E20" HASH_SAMPLE "3340" SIG_SAMPLE, 0x9000);
    EXPECT_SW(&f, VERIFY_CLOSE("01"), 0x9000);
    EXPECT_SW(&f, VERIFY_INIT("01"), 0x9000);
    EXPECT_SW(&f, "812D8001649E20" SIG_SAMPLE "3340" HASH_SAMPLE, 0x6a80);
    EXPECT_SW(&f, VERIFY_LAST("01"), 0x6985);
}

Test(softsim_session, changed_object_is_6989)
{
    begin("");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    store_by_label(f.store, KIND_PRIVATE, "tls-client", 10)->generation++;
    EXPECT_SW(&f, LAST("01"), 0x6989);
    EXPECT_SW(&f, INIT("01"), 0x9000);
    store_remove(f.store, store_by_label(f.store, KIND_PRIVATE, "tls-client", 10));
    EXPECT_SW(&f, LAST("01"), 0x6989);
    EXPECT_SW(&f, INIT("01"), 0x6a80);
}

Test(softsim_session, put_is_usable_after_the_last_block_or_after_the_close)
{
    begin("");
    fixture_load_ephemeral(&f, "ephemeral");
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    EXPECT_SW(&f, PUT_LAST("02"), 0x9000);
    EXPECT_SW(&f, "814600000684010485010500", 0x9000);
    fixture_end(&f);
    begin("put_close_needed=on");
    fixture_load_ephemeral(&f, "ephemeral");
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    EXPECT_SW(&f, PUT_LAST("02"), 0x9000);
    EXPECT_SW(&f, "814600000684010485010500", 0x6985);
    EXPECT_SW(&f, PUT_CLOSE("02"), 0x9000);
    EXPECT(&f, "814600000684010485010500", ECDH_Z "9000");
}

Test(softsim_session, put_off_the_curve_empties_the_container)
{
    char bad[] = PUT_LAST("02");
    struct object *peer;

    begin("");
    peer = store_by_label(f.store, KIND_PUBLIC, "peer", 4);
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    EXPECT_SW(&f, PUT_LAST("02"), 0x9000);
    cr_expect_eq(peer->state, IOTSAFE_STATE_ACTIVATED);
    EXPECT_SW(&f, PUT_CLOSE("02"), 0x9000);
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    bad[sizeof(bad) - 2] = bad[sizeof(bad) - 2] == '0' ? '1' : '0';
    EXPECT_SW(&f, bad, 0x6a80);
    cr_expect_eq(peer->state, IOTSAFE_STATE_DEACTIVATED);
}

Test(softsim_session, put_in_blocks_of_both_encodings)
{
    char second[300];

    begin("");
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    EXPECT_SW(&f, "81D800020434814549", 0x9000); /* BER length of the whole, then raw */
    snprintf(second, sizeof(second), "81D8800244%s%s", "438641", POINT_PEER);
    EXPECT_SW(&f, second, 0x9000);
    EXPECT_SW(&f, PUT_CLOSE("02"), 0x9000);
    EXPECT_SW(&f, PUT_INIT("02"), 0x9000);
    EXPECT_SW(&f, "81D80002053403494386", 0x9000); /* a TLV in every block */
    snprintf(second, sizeof(second), "81D88002443442%s%s", "41", POINT_PEER);
    EXPECT_SW(&f, second, 0x9000);
}

Test(softsim_session, generation_waits_for_the_session)
{
    begin("");
    EXPECT_SW(&f, "812A00010D840107A1010391020001920104", 0x9000);
    EXPECT_SW(&f, "81B900000384010700", 0x6985);
    EXPECT_SW(&f, CLOSE("01"), 0x9000);
    EXPECT_SW(&f, "81B900000384010700", 0x9000);
}

Test(softsim_session, clients_do_not_see_each_others_sessions)
{
    struct client other = { .next = NULL };

    begin("");
    card_attach(&f.card, &other);
    cr_expect_str_eq(send_as(&f, &other, "0070000001"), "029000");
    cr_expect_str_eq(send_as(&f, &other, "02A4040007A0000005590010"), "9000");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    cr_expect_str_eq(send_as(&f, &other, "822A00010D840101A1010391020001920104"), "9000");
    EXPECT_SW(&f, LAST("01"), 0x9000);
    cr_expect_str_eq(send_as(&f, &other, "822B8001229E20" HASH_SAMPLE "00"),
                     "330040" SIG_SAMPLE "9000");
    card_detach(&f.card, &other);
}

Test(softsim_session, card_wide_sessions_are_shared)
{
    struct client other = { .next = NULL };

    begin("session_scope=card");
    card_attach(&f.card, &other);
    send_as(&f, &other, "0070000001");
    send_as(&f, &other, "02A4040007A0000005590010");
    EXPECT_SW(&f, INIT("01"), 0x9000);
    cr_expect_str_eq(send_as(&f, &other, "822A00010D840101A1010391020001920104"), "6985");
    cr_expect_str_eq(send_as(&f, &other, "822A00020D840101A1010391020001920104"), "6989");
    card_detach(&f.card, &other);
}

Test(softsim_session, thousand_clients_leave_nothing_behind)
{
    begin("");
    for (int i = 0; i < 1000; i++) {
        struct client c = { .next = NULL };

        card_attach(&f.card, &c);
        cr_expect_str_eq(send_as(&f, &c, "00A4040007A0000005590010"), "9000");
        cr_expect_str_eq(send_as(&f, &c, "802A00010D840101A1010391020001920104"), "9000");
        cr_expect_str_eq(send_as(&f, &c, "0070000001"), "029000");
        card_detach(&f.card, &c);
    }
}
