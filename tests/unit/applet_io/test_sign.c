/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "script_card.h"
#include "util.h"

#define INIT_1 "81 2A 00 01 0D 840101 A10103 91020001 920104"
#define CLOSE_1 "81 2A 01 01 00"
#define HASH "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF"
#define UPDATE_1 "81 2B 80 01 22 9E20 " HASH " 00"
#define RAW                                                            \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
#define DER                                                                            \
    "3046022100EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716022100" \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"

static const struct iotsafe_name key_01 = { .id = { 1 }, .id_len = 1 };

static enum iotsafe_err sign(struct iotsafe_card *card, size_t digest_len, const char *want,
                             struct iotsafe_op *op)
{
    uint8_t digest[64] = { 0 }, sig[IOTSAFE_SIGNATURE_MAX], wanted[IOTSAFE_SIGNATURE_MAX];
    struct iotsafe_input input;
    size_t sig_len = 0;
    enum iotsafe_err err;

    (void)hex_decode(HASH, 64, digest, sizeof(digest));
    err = iotsafe_input_from_digest(digest, digest_len, &input, op);
    if (err == IOTSAFE_OK)
        err = iotsafe_sign(card, &key_01, IOTSAFE_ECDSA, &input, sig, &sig_len, op);
    if (err == IOTSAFE_OK) {
        cr_expect_eq(sig_len, strlen(want) / 2);
        (void)hex_decode(want, strlen(want), wanted, sizeof(wanted));
        cr_expect_arr_eq(sig, wanted, sig_len);
    }
    return err;
}

/* Play a script with one card and a number of signatures that must succeed. */
static void expect_signatures(const struct exchange *script, size_t n, int signatures,
                              const char *settings, const char *want)
{
    struct script_card *sc = script_card_start(script, n);
    struct iotsafe_card *card = script_card_connect(sc, settings);

    for (int i = 0; i < signatures; i++) {
        struct iotsafe_op op = { .text = "" };

        cr_expect_eq(sign(card, 32, want, &op), IOTSAFE_OK, "signature %d: %s", i, op.text);
    }
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, costs_two_exchanges_where_the_applet_ends_sessions)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, "33 00 40 " RAW "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 81 40 " RAW "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 3, "", RAW);
}

Test(sign, learns_once_to_close_and_pays_three_from_then_on)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { INIT_1, "6985" },
        { CLOSE_1, "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { CLOSE_1, "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { CLOSE_1, "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 3, "", RAW);
}

Test(sign, closes_a_session_that_someone_left_open)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "6A86" },
        { CLOSE_1, "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 2, "", RAW);
}

Test(sign, tries_session_zero_where_one_is_refused)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "6A86" },
        { CLOSE_1, "6A86" },
        { INIT_1, "6A86" },
        { "81 2A 00 00 0D 840101 A10103 91020001 920104", "9000" },
        { "81 2B 80 00 22 9E20 " HASH "00", "33 40 " RAW "9000" },
        { "81 2A 00 00 0D 840101 A10103 91020001 920104", "9000" },
        { "81 2B 80 00 22 9E20 " HASH "00", "33 40 " RAW "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 2, "", RAW);
}

Test(sign, style_2_class_01_session_0_answer_in_two_steps)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "01 2A 00 00 0D 840101 A10103 91020001 920104", "9000" },
        { "01 2B 80 00 22 9E20 " HASH "00", "6142" },
        { "01 C0 00 00 42", "33 40 " RAW "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 1, "quirks=cla=0,session=0", RAW);
}

Test(sign, takes_a_der_signature)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, "33 48 " DER "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 1, "", DER);
}

Test(sign, announces_the_hash_and_shortens_it_where_the_key_refuses_it_twice)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 2A 00 01 0D 840101 A10103 91020002 920104", "6A80" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { "81 2A 00 01 0D 840101 A10103 91020002 920104", "6A80" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        /* twice is no chance */
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 48, RAW, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(sign(card, 48, RAW, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(sign(card, 48, RAW, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, refuses_other_digest_lengths_without_an_exchange)
{
    struct script_card *sc = script_card_start(NULL, 0);
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 20, RAW, &op), IOTSAFE_ERR_DIGEST);
    cr_expect_not_null(strstr(op.text, "20 bytes"));
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

/* A damaged response to UPDATE is asked for once more; twice is an error, and the next
 * signature works. */
static void expect_one_repetition(const char *answer, const char *word)
{
    const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, answer },
        { CLOSE_1, "9000" },
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
        { INIT_1, "9000" },
        { UPDATE_1, answer },
        { CLOSE_1, "9000" },
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, answer },
        { CLOSE_1, "9000" },
        SCRIPT_OPEN,
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_PROTOCOL, "%s", op.text);
    cr_expect_not_null(strstr(op.text, word), "%s", op.text);
    cr_expect_not_null(strstr(op.text, "id=01"), "%s", op.text);
    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, garbage_is_asked_for_once_more)
{
    expect_one_repetition("33 40 9000", "signature");
    expect_one_repetition("33 3F " RAW "9000", "signature");
    expect_one_repetition("9000", "signature");
    expect_one_repetition("90", "no status word");
    expect_one_repetition("", "no status word");
    expect_one_repetition("33 40 " RAW "00 9000", "signature");
}

/* Sessions that a process which died may have left: once on a channel. */
#define CLOSE_OTHERS              \
    { "81 2C 01 01 00", "6985" }, \
    {                             \
        "81 24 01 01 00", "6985"  \
    }

/* One passing refusal, two of them, or a key of another kind: no key is worse off after. */
Test(sign, no_refusal_is_remembered_against_a_key)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "6A80" },
        { "81 CB 01 00 00", "C107 7402 4B31 840101 9000" },
        { "81 2A 00 01 0E 74024B31 A10103 91020001 920104", "6A80" },
        { INIT_1, "6985" },
        { CLOSE_1, "6985" },
        { INIT_1, "6985" },
        CLOSE_OTHERS,
        { INIT_1, "6985" },
        { INIT_1, "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_DATA, "%s", op.text);
    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_CONDITIONS, "%s", op.text);
    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_OK, "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, every_refusal_of_the_key_is_reported_with_its_status_word)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,        { INIT_1, "6982" }, { INIT_1, "6985" }, { CLOSE_1, "6985" },
        { INIT_1, "6985" }, CLOSE_OTHERS,       { INIT_1, "6985" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_ACCESS);
    cr_expect_not_null(strstr(op.text, "6982"), "%s", op.text);
    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_CONDITIONS);
    cr_expect_not_null(strstr(op.text, "6985"), "%s", op.text);
    cr_expect_not_null(strstr(op.text, "socket:"), "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, an_unknown_key_is_looked_up_and_what_there_is_is_told)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "6A80" },
        { "81 CB 01 00 00",
          "C125740A746C732D636C69656E748401026001004A01014B01134E010161010192010491020001 9000" },
    };
    struct script_card *sc = script_card_start(script, ARRAY_LEN(script));
    struct iotsafe_card *card = script_card_connect(sc, "");
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(sign(card, 32, RAW, &op), IOTSAFE_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(op.text, "id=01"), "%s", op.text);
    cr_expect_not_null(strstr(op.text, "tls-client"), "%s", op.text);
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

Test(sign, addresses_the_other_way_where_the_applet_knows_only_that)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { INIT_1, "6A82" },
        { "81 CB 01 00 00",
          "C125740A746C732D636C69656E748401016001004A01014B01134E010161010192010491020001 9000" },
        { "81 2A 00 01 16 740A746C732D636C69656E74 A10103 91020001 920104", "9000" },
        { UPDATE_1, "33 40 " RAW "9000" },
    };

    expect_signatures(script, ARRAY_LEN(script), 1, "", RAW);
}

Test(sign, knows_the_sizes_of_the_hashes_of_applets)
{
    cr_expect_eq(iotsafe_hash_size(IOTSAFE_HASH_SHA256), 32);
    cr_expect_eq(iotsafe_hash_size(IOTSAFE_HASH_SHA384), 48);
    cr_expect_eq(iotsafe_hash_size(IOTSAFE_HASH_SHA512), 64);
    cr_expect_eq(iotsafe_hash_size(IOTSAFE_HASH_SHA256 | IOTSAFE_HASH_SHA384), 0, "two of them");
    for (size_t len = 0; len <= 70; len++)
        cr_expect(iotsafe_hash_of_size(len) == 0
                      || iotsafe_hash_size(iotsafe_hash_of_size(len)) == len,
                  "%zu bytes", len);
    cr_expect_eq(iotsafe_hash_of_size(48), IOTSAFE_HASH_SHA384);
    cr_expect_eq(iotsafe_hash_of_size(20), 0);
}
