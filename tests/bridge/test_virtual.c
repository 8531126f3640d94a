/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "users.h"
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

static const uint8_t answered[] = { 0x34, 0x01, 0x00 };

/* What the bridge does after the card has answered. */
static void carried_out(struct virtual_card *v, const char *hex, uint16_t sw)
{
    uint8_t bytes[APDU_CMD_MAX];
    int n = hex_decode(hex, strlen(hex), bytes, sizeof(bytes));
    struct command cmd;

    cr_assert_eq(command_decode(bytes, (size_t)n, &cmd), 0, "%s", hex);
    sequences_book(&v->sequences, &cmd, sw == 0x9000, sw, answered, sizeof(answered));
}

#define OPENS_1 "812A00010384010100"

Test(virtual, commands_of_a_session_need_the_session)
{
    struct virtual_card v = { 0 };

    select_on_1(&v);
    GIVES("812B8001039A010100", "6985");
    GIVES("812A010100", "9000"); /* nothing to close */
    GIVES(OPENS_1, "card");
    carried_out(&v, OPENS_1, 0x9000);
    GIVES("812B8001039A010100", "card");
    GIVES("812B8002039A010100", "6985"); /* another number */
    GIVES("812D8001039A010100", "6985"); /* another command */
    GIVES(OPENS_1, "6985");              /* open already */
    GIVES("812A00020384010100", "card");
    GIVES("812A010100", "card");
    carried_out(&v, "812A010100", 0x9000);
    cr_expect_not(sequences_hold(&v.sequences));
    GIVES("812B8001039A010100", "6985");
}

Test(virtual, what_was_broken_off_is_to_begin_anew)
{
    struct virtual_card v = { 0 };

    select_on_1(&v);
    carried_out(&v, OPENS_1, 0x9000);
    sequences_break(&v.sequences);
    GIVES("812B8002039A010100", "6985"); /* this was never open */
    GIVES("812B8001039A010100", "6881");
    GIVES("0070000001", "029000");
    GIVES("0070000001", "039000");
    GIVES("0070000001", "019000"); /* the channel that was given up */
    GIVES("8184000004", "6D00");
    GIVES("01A4040007A0000005590010", "9000");
    GIVES("812B8001039A010100", "6985");
    GIVES(OPENS_1, "card");
}

Test(virtual, select_and_closing_leave_what_is_open_on_that_channel)
{
    struct virtual_card v = { 0 };
    struct session session;

    select_on_1(&v);
    carried_out(&v, OPENS_1, 0x9000);
    GIVES("0070000001", "029000");
    GIVES("02A4040007A0000005590010", "9000");
    cr_expect_not(v.sequences.left, "another channel");
    GIVES("822B8001039A010100", "6985"); /* not opened over this one */
    GIVES("01A4040007A0000005590010", "9000");
    cr_expect(sequences_take_left(&v.sequences, &session));
    cr_expect(session.ins_init == 0x2a && session.number == 1);
    cr_expect_not(sequences_take_left(&v.sequences, &session));
    carried_out(&v, OPENS_1, 0x9000);
    GIVES("0070800100", "9000");
    cr_expect(v.sequences.left);
}

Test(virtual, sessions_are_bounded)
{
    struct virtual_card v = { 0 };
    char hex[] = "812A00000384010100";

    select_on_1(&v);
    for (unsigned i = 0; i < 2 * SEQUENCE_SESSIONS; i++) {
        (void)snprintf(hex, sizeof(hex), "812A00%02X0384010100", i);
        carried_out(&v, hex, 0x9000);
    }
    cr_expect_eq(v.sequences.n_open, SEQUENCE_SESSIONS);
    GIVES("812A00300384010100", "6985");
}

/* ------------------------------------------------------------------ sequences */

#define LIST_PAGE_0 "81CB010000"
#define LIST_NEXT "81CB010100"
#define PUTS_ID_5 "81240001038501" /* and the number's last digits */

static const struct step {
    const char *command;
    uint16_t sw;
    bool holds; /* after it */
} list[] = {
    { LIST_PAGE_0, 0x6300, true },
    { "8184000004", 0x9000, true },
    { LIST_NEXT, 0x6300, true },
    { LIST_NEXT, 0x9000, false },
    { LIST_PAGE_0, 0x6300, true },
    { LIST_NEXT, 0x6985, false },
}, put[] = {
    { PUTS_ID_5 "05", 0x9000, true },
    { "81D80001033401AA", 0x9000, true },
    { "81D88001033401AA", 0x9000, true },
    { "8146000006840101850106", 0x9000, true }, /* another container */
    { "8146000006840101850105", 0x9000, false },
    { PUTS_ID_5 "05", 0x9000, true },
    { "81D88001033401AA", 0x9000, true },
    { "812C000103850109", 0x6a88, false }, /* any INIT */
    { PUTS_ID_5 "05", 0x9000, true },
    { "81D88001033401AA", 0x6a80, false },
}, generate[] = {
    { "81B9000003840101", 0x9000, false }, /* the response has the public key */
    { "81B9000003840101", 0x6985, false },
};

static void walk(const struct step *steps, size_t n)
{
    struct virtual_card v = { 0 };

    select_on_1(&v);
    for (size_t i = 0; i < n; i++) {
        carried_out(&v, steps[i].command, steps[i].sw);
        cr_expect_eq(sequences_hold(&v.sequences), steps[i].holds, "%zu: %s", i, steps[i].command);
    }
}

Test(sequence, begins_and_ends_as_its_table_says)
{
    walk(list, ARRAY_LEN(list));
    walk(put, ARRAY_LEN(put));
    walk(generate, ARRAY_LEN(generate));
}

Test(sequence, a_generation_ends_when_its_key_is_read)
{
    static const uint8_t bytes[] = { 0x81, 0xb9, 0, 0, 3, 0x84, 1, 1 };
    struct virtual_card v = { 0 };
    struct containers cards = { .n = 0 };
    struct command cmd, read;

    cr_assert_eq(command_decode(bytes, sizeof(bytes), &cmd), 0);
    cr_assert_eq(command_decode((const uint8_t[]){ 0x81, 0xcd, 0, 0, 3, 0x85, 1, 2 }, 8, &read), 0);
    containers_before(&cards, &cmd, 1);
    sequences_book(&v.sequences, &cmd, true, 0x9000, NULL, 0);
    cr_expect(sequences_hold(&v.sequences));
    sequences_book(&v.sequences, &read, false, 0x6a88, NULL, 0);
    cr_expect(sequences_hold(&v.sequences), "it has not found it yet");
    sequences_break(&v.sequences);
    cr_expect_not(sequences_outdated(&v.sequences, &cards, &read, 1), "nobody came between");
    containers_before(&cards, &cmd, 2);
    cr_expect(sequences_outdated(&v.sequences, &cards, &read, 1));
    sequences_restart(&v.sequences, &read);
    cr_expect_not(sequences_outdated(&v.sequences, &cards, &read, 1));
}

/* One puts by its name; is the point of 1, put by identifier 05, still its own? */
static const struct {
    const char *put;
    bool fits;
} names[] = {
    { "8124000103850106", true },
    { "8124000103850105", false },
    { "8124000103750141", false },       /* a label: perhaps the same */
    { "8124000106850106850105", false }, /* which of them counts? */
    { "8124000106850106750141", false },
    { "812400010485810105", false }, /* a length that may be read in two ways */
    { "8124000103840105", false },   /* no name at all */
    { "81B9000003840101", false },   /* a pair's public key goes somewhere */
};

Test(sequence, knows_who_put_last_by_whatever_name)
{
    const struct iotsafe_name five = { .id = { 5 }, .id_len = 1 };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct containers cards = { .n = 0 };
        uint8_t bytes[APDU_CMD_MAX];
        int n = hex_decode(names[i].put, strlen(names[i].put), bytes, sizeof(bytes));
        struct command cmd;

        cr_assert_eq(command_decode(bytes, (size_t)n, &cmd), 0, "%s", names[i].put);
        cr_expect(containers_fit(&cards, &five, 1), "nobody has put anything");
        containers_put(&cards, &five, 1);
        containers_before(&cards, &cmd, 1);
        cr_expect(containers_fit(&cards, &five, 1), "%s by itself", names[i].put);
        cr_expect_not(containers_fit(&cards, &five, 2));
        containers_before(&cards, &cmd, 2);
        cr_expect_eq(containers_fit(&cards, &five, 1), names[i].fits, "%s", names[i].put);
    }
}

Test(sequence, forgets_no_put_that_could_matter)
{
    struct containers cards = { .n = 0 };
    struct iotsafe_name name = { .id_len = 2 };
    const struct iotsafe_name first = name;

    for (unsigned i = 0; i < 2 * CONTAINERS_MAX; i++) {
        name.id[1] = (uint8_t)i;
        containers_put(&cards, &name, 7);
    }
    cr_expect(containers_fit(&cards, &name, 7));
    cr_expect_not(containers_fit(&cards, &first, 7), "not known any more: not to be trusted");
    containers_forget(&cards);
    cr_expect_not(containers_fit(&cards, &name, 7), "perhaps another card");
}

Test(users, go_round)
{
    struct users users = { .n = 0 };

    cr_expect_eq(users_served(&users, 5), 0);
    users_serve(&users, 5);
    users_serve(&users, 6);
    cr_expect_lt(users_served(&users, 5), users_served(&users, 6));
    users_serve(&users, 5);
    cr_expect_gt(users_served(&users, 5), users_served(&users, 6));
    for (uid_t uid = 1000; uid < 1000 + USERS_MAX - 1; uid++)
        users_serve(&users, uid);
    cr_expect_eq(users_served(&users, 6), 0, "the one longest ago made room");
    cr_expect_neq(users_served(&users, 5), 0);
}
