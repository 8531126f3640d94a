/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "util.h"
#include "virtual.h"

static const struct aid gsma = { { 0xa0, 0x00, 0x00, 0x05, 0x59, 0x00, 0x10 }, 7 };
static const struct aid unknown = { .len = 0 };

/* The answer as hex; "card" where the card must be asked. */
static const char *give(struct virtual_card *v, const char *hex, const struct aid *applet)
{
    static char text[HEX_SIZE(APDU_RSP_MAX)];
    uint8_t bytes[APDU_CMD_MAX];
    int n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
    struct command cmd;
    struct reply reply;

    cr_assert_eq(command_decode(bytes, (size_t)n, &cmd), 0, "%s", hex);
    if (!virtual_answer(v, &cmd, applet, &reply))
        return "card";
    hex_encode(reply.bytes, reply.len, text);
    return text;
}

#define GIVES(hex, want) cr_expect_str_eq(give(&v, hex, &gsma), want, "%s", hex)

static void select_on_1(struct virtual_card *v)
{
    cr_assert_str_eq(give(v, "0070000001", &gsma), "019000");
    cr_assert_str_eq(give(v, "01A4040007A0000005590010", &gsma), "9000");
}

Test(virtual, gives_three_channels_and_takes_them_back)
{
    struct virtual_card v = { 0 };

    GIVES("0070000001", "019000");
    GIVES("0070000001", "029000");
    GIVES("0170000001", "039000"); /* from a channel that is open */
    GIVES("0070000001", "6A81");
    GIVES("00708002", "9000");
    GIVES("0070800200", "6881"); /* closed already */
    GIVES("0270800200", "6881");
    GIVES("0370800000", "9000"); /* the channel that it comes on */
    GIVES("0070000001", "029000");
    GIVES("0070800000", "6A86"); /* not the basic one */
    GIVES("0070800700", "6881");
    GIVES("0070000101", "6A86");
    virtual_clear(&v);
    GIVES("0070000001", "019000");
}

Test(virtual, the_basic_channel_is_not_for_clients)
{
    struct virtual_card v = { 0 };

    GIVES("00A4040007A0000005590010", "6E00");
    GIVES("80CB000044", "6E00");
    GIVES("0084000004", "6E00");
}

Test(virtual, a_channel_must_be_open_and_the_applet_selected)
{
    struct virtual_card v = { 0 };

    GIVES("8184000004", "6881");
    GIVES("01A4040007A0000005590010", "6881");
    GIVES("CF84000004", "6881");
    GIVES("0070000001", "019000");
    GIVES("8184000004", "6D00");
    GIVES("812B8001039A010100", "6D00");
    GIVES("01A4040007A0000005590010", "9000");
    GIVES("8184000004", "card");
    GIVES("8284000004", "6881"); /* each channel by itself */
}

Test(virtual, selects_the_applet_by_its_name_or_the_beginning_of_it)
{
    struct virtual_card v = { 0 };

    GIVES("0070000001", "019000");
    GIVES("01A4040007A0000005590011", "6A82");
    GIVES("8184000004", "6D00");
    GIVES("01A4040005A000000559", "9000");
    GIVES("8184000004", "card");
    GIVES("01A4040008A000000559001001", "6A82"); /* perhaps another instance */
    GIVES("8184000004", "6D00");                 /* and a failed SELECT leaves nothing */
    GIVES("01A4040C07A0000005590010", "9000");
    GIVES("01A4040207A0000005590010", "6A86"); /* next occurrence */
    GIVES("01A40004023F00", "6A86");           /* a file of the USIM */
    GIVES("01A4040004A0000005", "6A82");
    GIVES("01A40400", "6A82");
    cr_expect_str_eq(give(&v, "01A4040007A0000005590010", &unknown), "card");
}

Test(virtual, a_long_answer_comes_in_pieces_and_is_lost_by_another_command)
{
    struct virtual_card v = { 0 };
    const struct command cmd = { .channel = 1 };
    struct reply reply;
    uint8_t data[600];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    select_on_1(&v);
    GIVES("01C0000000", "6985");
    virtual_reply(&v, &cmd, data, sizeof(data), 0x6300, &reply);
    cr_expect(reply.len == 2 && reply.bytes[0] == 0x61 && reply.bytes[1] == 0x00);
    cr_expect_eq(strlen(give(&v, "01C0000000", &gsma)), 2 * 258);
    cr_expect_eq(strncmp(give(&v, "81C0000002", &gsma), "00016100", 8), 0);
    cr_expect_eq(strlen(give(&v, "01C0000000", &gsma)), 2 * 258);
    GIVES("01C0000003", "0203046153");
    cr_expect_str_eq(give(&v, "01C0000000", &gsma) + 2 * 83, "6300", "the last word is the card's");
    GIVES("01C0000000", "6985");

    virtual_reply(&v, &cmd, data, sizeof(data), 0x9000, &reply);
    GIVES("0070000001", "029000");
    GIVES("01C0000000", "6985");

    virtual_reply(&v, &cmd, data, sizeof(data), 0x9000, &reply);
    GIVES("02C0000000", "6985"); /* on another channel */
    GIVES("01C0000000", "6985");

    virtual_reply(&v, &cmd, data, 256, 0x9000, &reply);
    cr_expect_eq(reply.len, 258, "256 bytes go at once");
    virtual_reply(&v, &cmd, data, sizeof(data), 0x9000, &reply);
    virtual_clear(&v);
}

Test(virtual, commands_of_a_session_need_the_session)
{
    struct virtual_card v = { 0 };
    const struct session signing = { 0x2a, 1 };

    select_on_1(&v);
    GIVES("812B8001039A010100", "6985");
    GIVES("812A010100", "9000"); /* nothing to close */
    GIVES("812A00010384010100", "card");
    virtual_add_session(&v, signing);
    GIVES("812B8001039A010100", "card");
    GIVES("812B8002039A010100", "6985"); /* another number */
    GIVES("812D8001039A010100", "6985"); /* another command */
    GIVES("812A00010384010100", "6985"); /* open already */
    GIVES("812A00020384010100", "card");
    GIVES("812A010100", "card");
    virtual_drop_session(&v, signing);
    cr_expect_eq(v.n_sessions, 0);
    GIVES("812B8001039A010100", "6985");
}

Test(virtual, select_and_closing_end_a_sequence)
{
    struct virtual_card v = { 0 };

    select_on_1(&v);
    virtual_add_session(&v, (struct session){ 0x2a, 1 });
    cr_expect_not(v.sequence_ended);
    GIVES("01A4040007A0000005590010", "9000");
    cr_expect(v.sequence_ended);
    v.sequence_ended = false;
    GIVES("0070800100", "9000");
    cr_expect(v.sequence_ended);
}

Test(virtual, sessions_are_bounded)
{
    struct virtual_card v = { 0 };

    select_on_1(&v);
    for (uint8_t i = 0; i < 2 * VIRTUAL_SESSIONS; i++)
        virtual_add_session(&v, (struct session){ 0x2a, i });
    cr_expect_eq(v.n_sessions, VIRTUAL_SESSIONS);
    GIVES("812A00300384010100", "6985");
}
