/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "script_card.h"
#include "util.h"

#define POINT_TLV                                                                    \
    "3445494386410460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6" \
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define READ_KEY "81 CD 00 00 03 850101 00"

static const struct iotsafe_name key_01 = { .id = { 1 }, .id_len = 1 };

/* Read a public key over a script; the result must be `want`. */
static void expect_read(const struct exchange *script, size_t n, const char *settings,
                        enum iotsafe_err want, const char *word)
{
    struct script_card *sc = script_card_start(script, n);
    struct iotsafe_card *card = script_card_connect(sc, settings);
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_public_key key = { 0 };
    enum iotsafe_err err = iotsafe_read_public_key(card, &key_01, &key, &op);

    cr_expect_eq(err, want, "%s: %s", iotsafe_strerror(err), op.text);
    if (want == IOTSAFE_OK)
        cr_expect_eq(key.point[1], 0x60);
    else
        cr_expect_not_null(strstr(op.text, word), "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

#define EXPECT_READ(script, settings) \
    expect_read(script, ARRAY_LEN(script), settings, IOTSAFE_OK, "")

Test(channel, reads_the_worked_example)
{
    static const struct exchange script[] = { SCRIPT_OPEN, { READ_KEY, POINT_TLV "9000" } };

    EXPECT_READ(script, "");
}

Test(channel, takes_bare_points_and_shallow_structures)
{
    static const struct exchange bare[] = {
        SCRIPT_OPEN,
        { READ_KEY, "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
                    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299 9000" },
    };
    static const struct exchange shallow[] = {
        SCRIPT_OPEN,
        { READ_KEY, "34438641 0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
                    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299 9000" },
    };

    EXPECT_READ(bare, "");
    EXPECT_READ(shallow, "");
}

Test(channel, switches_the_class_once_and_remembers)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6E00" },
        { "01 CD 00 00 03 850101 00", "6147" },
        { "01 C0 00 00 47", POINT_TLV "9000" },
        { "01 CB 00 00 44", "10 02 0100 9000" }, /* a USIM knows GET CHALLENGE too */
        { "01 84 00 00 08", "0102030405060708 9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_public_key key;
    uint8_t random[8];

    cr_expect_eq(iotsafe_read_public_key(card, &key_01, &key, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(iotsafe_random(card, random, 8, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(random[7], 8);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(channel, drops_le_where_the_card_wants_none_and_remembers)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6700" },
        { "81 CD 00 00 03 850101", POINT_TLV "9000" },
        { "81 CD 00 00 03 850102", POINT_TLV "9000" },
    };
    static const struct iotsafe_name key_02 = { .id = { 2 }, .id_len = 1 };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_public_key key;

    cr_expect_eq(iotsafe_read_public_key(card, &key_01, &key, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(iotsafe_read_public_key(card, &key_02, &key, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(channel, corrects_le_and_appends_pieces)
{
    static const struct exchange corrected[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6C47" },
        { "81 CD 00 00 03 850101 47", POINT_TLV "9000" },
    };
    static const struct exchange pieces[] = {
        SCRIPT_OPEN,
        { READ_KEY, "3445494386410460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
                    "6120" },
        { "01 C0 00 00 20",
          "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299 9000" },
    };

    EXPECT_READ(corrected, "");
    EXPECT_READ(pieces, "");
}

Test(channel, asks_for_the_rest_in_the_class_that_the_card_takes)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6147" },
        { "01 C0 00 00 47", "6E00" },
        { "81 C0 00 00 47", POINT_TLV "9000" },
        { "81 84 00 00 01", "6101" },
        { "81 C0 00 00 01", "55 9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };
    struct iotsafe_public_key key;
    uint8_t random[1];

    cr_expect_eq(iotsafe_read_public_key(card, &key_01, &key, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(iotsafe_random(card, random, 1, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(channel, does_not_follow_an_endless_answer)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6100" },
        { "01 C0 00 00 00", "6100" },
        { "01 C0 00 00 00", "6100" },
        SCRIPT_OPEN, /* once more, should it have been damaged in transit */
        { READ_KEY, "6100" },
        { "01 C0 00 00 00", "6100" },
        { "01 C0 00 00 00", "6100" },
    };

    expect_read(script, ARRAY_LEN(script), "", IOTSAFE_ERR_PROTOCOL, "READ PUBLIC KEY");
}

Test(channel, tries_each_aid_and_names_them_when_none_is_there)
{
    static const struct exchange script[] = {
        { "00 70 00 00 01", "02 9000" },
        { "02 A4 04 00 07 A0000005590010", "6A82" },
        { "02 A4 04 00 0F A00000003053F12401770101495341", "6A82" },
        { "02 A4 04 00 10 A0000001157000000000000049534102", "6A82" },
        { "00 70 80 02 00", "9000" },
    };

    expect_read(script, ARRAY_LEN(script), "", IOTSAFE_ERR_NO_APPLET,
                "A00000003053F12401770101495341");
}

/* As a modem's filter answers for applications that it does not know. */
Test(channel, tries_the_next_aid_when_the_selection_is_refused)
{
    static const struct exchange script[] = {
        { "00 70 00 00 01", "02 9000" },
        { "02 A4 04 00 07 A0000005590010", "6999" },
        { "02 A4 04 00 0F A00000003053F12401770101495341", "9000" },
        { "82 CD 00 00 03 850101 00", POINT_TLV "9000" },
    };

    expect_read(script, ARRAY_LEN(script), "", IOTSAFE_OK, "");
}

/* It may pass: tried again a few times. Then the error says what it was. */
Test(channel, says_that_the_selection_was_refused)
{
#define REFUSED                                                                   \
    { "00 70 00 00 01", "02 9000" }, { "02 A4 04 00 07 A0000005590010", "6999" }, \
        { "02 A4 04 00 0F A00000003053F12401770101495341", "6A82" },              \
        { "02 A4 04 00 10 A0000001157000000000000049534102", "6A82" },            \
    {                                                                             \
        "00 70 80 02 00", "9000"                                                  \
    }
    static const struct exchange script[] = { REFUSED, REFUSED, REFUSED, REFUSED };

    expect_read(script, ARRAY_LEN(script), "", IOTSAFE_ERR_CHANNEL_LOST,
                "refused to select it (6999)");
}

Test(channel, takes_select_answers_with_fci_and_proactive_commands)
{
    static const struct exchange waits[] = {
        { "00 70 00 00 01", "01 9000" },
        { "01 A4 04 00 07 A0000005590010", "610B" },
        { READ_KEY, POINT_TLV "9000" },
    };
    static const struct exchange direct[] = {
        { "00 70 00 00 01", "01 9000" },
        { "01 A4 04 00 07 A0000005590010", "6F098407A0000005590010 9000" },
        { READ_KEY, POINT_TLV "910C" },
    };

    EXPECT_READ(waits, "");
    EXPECT_READ(direct, "");
}

Test(channel, uses_the_basic_channel_of_a_card_that_is_ours_alone)
{
    static const struct exchange script[] = {
        { "00 70 00 00 01", "6881" },
        { "00 A4 04 00 07 A0000005590010", "9000" },
        { "80 CD 00 00 03 850101 00", POINT_TLV "9000" },
    };

    EXPECT_READ(script, "");
}

Test(channel, codes_channels_above_three)
{
    static const struct exchange script[] = {
        { "00 70 00 00 01", "05 9000" },
        { "41 A4 04 00 07 A0000005590010", "9000" },
        { "C1 CD 00 00 03 850101 00", POINT_TLV "9000" },
    };

    EXPECT_READ(script, "");
}

Test(channel, a_channel_number_out_of_range_is_not_used)
{
    static const struct exchange script[] = {
        { "00 70 00 00 01", "14 9000" },
        { "00 A4 04 00 07 A0000005590010", "9000" },
        { "80 CD 00 00 03 850101 00", POINT_TLV "9000" },
    };

    EXPECT_READ(script, "");
}

Test(channel, reports_what_the_card_said_in_the_class_that_it_takes)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { READ_KEY, "6D00" },
        { "01 CD 00 00 03 850101 00", "6E00" },
        { "81 CB 00 00 44", "10 02 0100 9000" }, /* it is our applet */
        { READ_KEY, "6D00" },
    };

    expect_read(script, ARRAY_LEN(script), "", IOTSAFE_ERR_UNSUPPORTED, "6D00");
}
