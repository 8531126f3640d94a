/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs, public keys, agreement, derivation and verification: the worked
 * examples of the protocol, byte for byte, and what goes wrong. */
#include <criterion/criterion.h>
#include <string.h>

#include "script_card.h"
#include "util.h"

#define POINT                                                            \
    "04EAD218590119E8876B29146FF89CA61770C4EDBBF97D38CE385ED281D8A6B230" \
    "28AF61281FD35E2FA7002523ACC85A429CB06EE6648325389F59EDFCE1405141"
#define PEER                                                             \
    "04700C48F77F56584C5CC632CA65640DB91B6BACCE3A4DF6B42CE7CC838833D287" \
    "DB71E509E3FD9B060DDB20BA5C51DCC5948D46FBF640DFE0441782CAB85FA4AC"
#define SECRET "46FC62106420FF012E54A434FBDD2D25CCC5852060561E68040DD7778997BD7B"
#define PUT_PEER                                                                           \
    { "81 24 00 01 03 850105", "9000" }, { "81 D8 80 01 47 3445 4943 8641" PEER, "9000" }, \
    {                                                                                      \
        "81 24 01 01 00", "9000"                                                           \
    }
#define DH "81 46 00 00 06 840104 850105 00"
#define HASH "AF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF"
#define SIG                                                            \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716" \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"

static const struct iotsafe_name id_02 = { .id = { 2 }, .id_len = 1 };
static const struct iotsafe_name id_04 = { .id = { 4 }, .id_len = 1 };
static const struct iotsafe_name id_05 = { .id = { 5 }, .id_len = 1 };
static const struct iotsafe_name id_06 = { .id = { 6 }, .id_len = 1 };

static struct script_card *sc;
static struct iotsafe_card *card;
static struct iotsafe_op op;

static void open_card(const struct exchange *script, size_t n)
{
    op.text[0] = '\0';
    sc = script_card_start(script, n);
    card = script_card_connect(sc, "");
}

static void close_card(void)
{
    iotsafe_card_free(card);
    cr_expect_str_empty(script_card_stop(sc));
}

#define OPEN_CARD(script) open_card(script, ARRAY_LEN(script))

static enum iotsafe_err agree(uint8_t *secret)
{
    uint8_t peer[IOTSAFE_POINT_SIZE];

    (void)hex_decode(PEER, strlen(PEER), peer, sizeof(peer));
    return iotsafe_agree(card,
                         &(struct iotsafe_agreement){
                             .private_key = &id_04, .container = &id_05, .peer = peer },
                         secret, &op);
}

static void expect_bytes(const uint8_t *got, const char *want)
{
    char text[HEX_SIZE(256)];

    hex_encode(got, strlen(want) / 2, text);
    cr_expect_str_eq(text, want);
}

/* --------------------------------------------------------------- RSA keys */

#define X16 "85858585858585858585858585858585"
#define X112 X16 X16 X16 X16 X16 X16 X16
#define X128 X112 X16

/* Behind the first 130 bytes of each value stands a byte that is a tag elsewhere. */
Test(operations, reads_an_rsa_key_whatever_bytes_are_in_its_modulus)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 CD 00 00 03 850102 00", "3482010D 49820109 81820100" X128 X112 "85858585 6111" },
        { "01 C0 00 00 11", "858585858585858585858585 8203010001 9000" },
    };
    struct iotsafe_public_key key;

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_read_public_key(card, &id_02, &key, &op), IOTSAFE_OK, "%s", op.text);
    cr_assert_eq(key.algorithm, IOTSAFE_RSA);
    cr_expect(key.rsa.modulus_len == 256 && key.rsa.exponent_len == 3);
    expect_bytes(key.rsa.modulus, X128 X128);
    expect_bytes(key.rsa.exponent, "010001");
    close_card();
}

/* --------------------------------------------------------------- generate */

Test(operations, generates_a_pair)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "840104 850107 3445 4943 8641" POINT "9000" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_OK, "%s", op.text);
    expect_bytes(g.point, POINT);
    cr_expect_eq(g.private_key.id[0], 4);
    cr_expect_eq(g.public_key.id[0], 7);
    close_card();
}

Test(operations, reads_the_key_where_the_answer_lacks_it)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "840104 850107 9000" },
        { "81 CD 00 00 03 850107 00", "3445 4943 8641" POINT "9000" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_OK, "%s", op.text);
    expect_bytes(g.point, POINT);
    close_card();
}

Test(operations, never_generates_twice_when_the_answer_is_lost)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "close" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(script);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "may hold a new key"), "%s", op.text);
    close_card();
}

/* A response longer than any: its end is still to come, and must not meet what follows. */
Test(operations, never_uses_a_connection_on_which_a_response_is_owed)
{
    static const struct exchange generated[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "raw:FFFF" },
        SCRIPT_OPEN,
        { "81 84 00 00 04", "01020304 9000" },
    };
    static const struct exchange closed[] = {
        SCRIPT_OPEN,
        { "81 24 00 01 03 850105", "9000" },
        { "81 D8 80 01 47 3445 4943 8641" PEER, "9000" },
        { "81 24 01 01 00", "raw:FFFF" },
        SCRIPT_OPEN,
        PUT_PEER,
        { DH, SECRET "9000" },
    };
    struct iotsafe_generated g;
    uint8_t bytes[4], secret[IOTSAFE_SHARED_SECRET_SIZE];

    OPEN_CARD(generated);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    cr_expect_eq(iotsafe_random(card, bytes, sizeof(bytes), &op), IOTSAFE_OK, "%s", op.text);
    close_card();
    OPEN_CARD(closed);
    cr_expect_eq(agree(secret), IOTSAFE_OK, "%s", op.text);
    close_card();
}

/* The card has done it; what is lost comes after. */
Test(operations, never_generates_twice_when_the_rest_of_the_answer_is_lost)
{
    static const struct exchange lost[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "6147" },
        { "01 C0 00 00 47", "close" },
    };
    static const struct exchange closed[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "6147" },
        { "01 C0 00 00 47", "6881" },
    };
    static const struct exchange unsure[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "6581" },
    };
    static const struct exchange at_work[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "6000" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(lost);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "may hold a new key"), "%s", op.text);
    close_card();
    OPEN_CARD(closed);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    close_card();
    OPEN_CARD(unsure);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    close_card();
    OPEN_CARD(at_work);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    close_card();
}

/* That the new public half cannot be read is no reason to ask for another pair by the
 * other name of the same container. */
Test(operations, never_generates_twice_when_the_public_half_cannot_be_found)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "840104 850105 9000" },
        { "81 CD 00 00 03 850105 00", "6A88" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(script);
    cr_expect_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_ERR_OUTCOME, "%s", op.text);
    close_card();
}

Test(operations, generates_again_when_the_card_had_not_begun)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "6881" },
        SCRIPT_OPEN,
        { "81 B9 00 00 03 840104 00", "3445 4943 8641" POINT "9000" },
    };
    struct iotsafe_generated g;

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_generate(card, &id_04, &g, &op), IOTSAFE_OK, "%s", op.text);
    expect_bytes(g.point, POINT);
    close_card();
}

/* -------------------------------------------------------------- agreement */

Test(operations, puts_the_peer_and_agrees)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        PUT_PEER,
        { DH, SECRET "9000" },
        PUT_PEER,
        { DH, "6120" },
        { "01 C0 00 00 20", SECRET "9000" },
        PUT_PEER,
        { DH, "3420" SECRET "9000" },
    };
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE];

    OPEN_CARD(script);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(agree(secret), IOTSAFE_OK, "%s", op.text);
        expect_bytes(secret, SECRET);
    }
    close_card();
}

Test(operations, closes_a_finished_signature_that_is_in_the_way_of_a_put)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 2A 00 01 0D 840104 A10103 91020001 920104", "9000" },
        { "81 2B 80 01 22 9E20" HASH "00", "3340" SIG "9000" },
        { "81 24 00 01 03 850105", "6989" },
        { "81 24 01 01 00", "6985" },
        { "81 2A 01 01 00", "9000" },
        PUT_PEER,
        { DH, SECRET "9000" },
    };
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE], sig[IOTSAFE_SIGNATURE_MAX], digest[32];
    struct iotsafe_input input;
    size_t n;

    OPEN_CARD(script);
    (void)hex_decode(HASH, 64, digest, 32);
    cr_assert_eq(iotsafe_input_from_digest(digest, 32, &input, &op), IOTSAFE_OK);
    cr_assert_eq(iotsafe_sign(card, &id_04, IOTSAFE_ECDSA, &input, sig, &n, &op), IOTSAFE_OK);
    cr_assert_eq(agree(secret), IOTSAFE_OK, "%s", op.text);
    close_card();
}

/* Numbers that are shared, sessions that outlive SELECT, and one that a process which died
 * had opened by another command. */
Test(operations, closes_what_another_command_has_opened)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 24 00 01 03 850105", "6A86" },
        { "81 24 01 01 00", "6985" },
        { "81 24 00 01 03 850105", "6A86" },
        { "81 24 00 00 03 850105", "6A86" },
        { "81 24 01 00 00", "6A86" },
        { "81 24 00 00 03 850105", "6A86" },
        { "81 2A 01 01 00", "9000" },
        { "81 2C 01 01 00", "6985" },
        PUT_PEER,
        { DH, SECRET "9000" },
    };
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE];

    OPEN_CARD(script);
    cr_assert_eq(agree(secret), IOTSAFE_OK, "%s", op.text);
    close_card();
}

/* The pair of the card is compared with the caller's in the same step. */
Test(operations, no_secret_of_a_pair_that_was_generated_anew)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        PUT_PEER,
        { "81 CD 00 00 03 850107 00", "3445 4943 8641" POINT "9000" },
        { DH, SECRET "9000" },
        PUT_PEER,
        { "81 CD 00 00 03 850107 00", "3445 4943 8641" PEER "9000" },
    };
    static const struct iotsafe_name id_07 = { .id = { 7 }, .id_len = 1 };
    uint8_t peer[IOTSAFE_POINT_SIZE], own[IOTSAFE_POINT_SIZE];
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE];
    const struct iotsafe_agreement agreement = {
        .private_key = &id_04, .container = &id_05, .peer = peer, .own = own, .own_name = &id_07
    };

    (void)hex_decode(PEER, strlen(PEER), peer, sizeof(peer));
    (void)hex_decode(POINT, strlen(POINT), own, sizeof(own));
    OPEN_CARD(script);
    cr_expect_eq(iotsafe_agree(card, &agreement, secret, &op), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(iotsafe_agree(card, &agreement, secret, &op), IOTSAFE_ERR_KEY, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "generated again"), "%s", op.text);
    close_card();
}

Test(operations, no_secret_of_zeros_or_of_another_length)
{
    static const char *const answers[] = {
        "0000000000000000000000000000000000000000000000000000000000000000 9000",
        SECRET "00 9000",
        "9000",
        "46FC62106420FF012E54A434FBDD2D25CCC5852060561E68040DD7778997BD 9000",
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const struct exchange script[] = { SCRIPT_OPEN, PUT_PEER, { DH, answers[i] },
                                           SCRIPT_OPEN, PUT_PEER, { DH, answers[i] } };
        uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE] = { 0xee };

        OPEN_CARD(script);
        cr_expect_eq(agree(secret), IOTSAFE_ERR_PROTOCOL, "%zu: %s", i, op.text);
        cr_expect_eq(secret[0], 0xee, "an output changed on failure");
        close_card();
    }
}

/* ------------------------------------------------------------- derivation */

Test(operations, derives_with_a_secret_of_the_card)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 4A 00 00 16 860106 D50D000102030405060708090A0B0C 91020001 00",
          "077709362C2E32DF0DDC3F0DC47BBA6390B6C73BB50F9C3122EC844AD7C2B3E5 9000" },
        { "81 4A 00 00 29 860106 D520"
          "0000000000000000000000000000000000000000000000000000000000000000 91020001 00",
          "077709362C2E32DF0DDC3F0DC47BBA6390B6C73BB50F9C3122EC844AD7C2B3E5 9000" },
        { "81 48 00 00 0B 860106 D203616263 D30104 00", "01020304 9000" },
        { "81 48 00 00 0B 860106 D203616263 D30104 00", "010203 9000" },
        SCRIPT_OPEN,
        { "81 48 00 00 0B 860106 D203616263 D30104 00", "010203 9000" },
    };
    static const uint8_t salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    uint8_t out[64];

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_hkdf_extract(card, &id_06, salt, sizeof(salt), IOTSAFE_HASH_SHA256, out,
                                      &op),
                 IOTSAFE_OK, "%s", op.text);
    expect_bytes(out, "077709362C2E32DF0DDC3F0DC47BBA6390B6C73BB50F9C3122EC844AD7C2B3E5");
    cr_assert_eq(iotsafe_hkdf_extract(card, &id_06, NULL, 0, IOTSAFE_HASH_SHA256, out, &op),
                 IOTSAFE_OK, "%s", op.text);
    cr_assert_eq(iotsafe_prf(card, &id_06, (const uint8_t *)"abc", 3, out, 4, &op), IOTSAFE_OK,
                 "%s", op.text);
    expect_bytes(out, "01020304");
    cr_expect_eq(iotsafe_prf(card, &id_06, (const uint8_t *)"abc", 3, out, 4, &op),
                 IOTSAFE_ERR_PROTOCOL, "a short answer is no success");
    close_card();
}

/* ----------------------------------------------------------- verification */

#define VERIFY_INIT "81 2C 00 01 0D 850102 A10103 91020001 920104"

static enum iotsafe_err verify(bool *valid)
{
    uint8_t digest[32], sig[64];
    struct iotsafe_input input;

    (void)hex_decode(HASH, 64, digest, 32);
    (void)hex_decode(SIG, 128, sig, 64);
    cr_assert_eq(iotsafe_input_from_digest(digest, 32, &input, &op), IOTSAFE_OK);
    return iotsafe_verify(card, &id_02, &input, sig, valid, &op);
}

Test(operations, verifies_and_learns_the_length_form_once)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { VERIFY_INIT, "9000" },
        { "81 2D 80 01 65 9E20" HASH "330040" SIG, "6A80" },
        { "81 2C 01 01 00", "9000" },
        { VERIFY_INIT, "9000" },
        { "81 2D 80 01 64 9E20" HASH "3340" SIG, "9000" },
        { VERIFY_INIT, "9000" },
        { "81 2D 80 01 64 9E20" HASH "3340" SIG, "6D01" },
    };
    bool valid = false;

    OPEN_CARD(script);
    cr_assert_eq(verify(&valid), IOTSAFE_OK, "%s", op.text);
    cr_expect(valid);
    cr_assert_eq(verify(&valid), IOTSAFE_OK, "%s", op.text);
    cr_expect(!valid);
    close_card();
}

/* ------------------------------------------------------------------ modes */

Test(operations, hands_over_the_text_where_nothing_less_is_taken)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 2A 00 01 0D 840104 A10103 91020001 920104", "6A80" },
        { "81 2A 00 01 0D 840104 A10102 91020001 920104", "9000" },
        { "81 2B 80 01 4E 9A24"
          "343536373839303132333435363738393031323334353637383930313233343536373839 9C20"
          "F1FE7B0990BEACE30F0B4ECB81F036BC154ECB060D1B3FDA528F9103B9275E1C 9D0400000040 00",
          "6985" },
        { "81 2A 01 01 00", "9000" },
        { "81 2A 00 01 0D 840104 A10101 91020001 920104", "9000" },
        { "81 2B 80 01 66 9B64"
          "3031323334353637383930313233343536373839303132333435363738393031323334353637383930313233"
          "3435363738393031323334353637383930313233343536373839303132333435363738393031323334353637"
          "383930313233343536373839 00",
          "3340" SIG "9000" },
        /* the refusals may have been passing ones */
        { "81 2A 00 01 0D 840104 A10103 91020001 920104", "6A80" },
        { "81 2A 00 01 0D 840104 A10102 91020001 920104", "9000" },
        { "81 2B 80 01 4E 9A24"
          "343536373839303132333435363738393031323334353637383930313233343536373839 9C20"
          "F1FE7B0990BEACE30F0B4ECB81F036BC154ECB060D1B3FDA528F9103B9275E1C 9D0400000040 00",
          "6985" },
        { "81 2A 01 01 00", "9000" },
        { "81 2A 00 01 0D 840104 A10101 91020001 920104", "9000" },
        { "81 2B 80 01 66 9B64"
          "3031323334353637383930313233343536373839303132333435363738393031323334353637383930313233"
          "3435363738393031323334353637383930313233343536373839303132333435363738393031323334353637"
          "383930313233343536373839 00",
          "3340" SIG "9000" },
        /* from now on at once */
        { "81 2A 00 01 0D 840104 A10101 91020001 920104", "9000" },
        { "81 2B 80 01 66 9B64"
          "3031323334353637383930313233343536373839303132333435363738393031323334353637383930313233"
          "3435363738393031323334353637383930313233343536373839303132333435363738393031323334353637"
          "383930313233343536373839 00",
          "3340" SIG "9000" },
    };
    uint8_t text[100], state[32], digest[32], sig[IOTSAFE_SIGNATURE_MAX];
    struct iotsafe_input input = { .hash = IOTSAFE_HASH_SHA256,
                                   .digest = digest,
                                   .state = state,
                                   .hashed_len = 64,
                                   .last_block = text + 64,
                                   .last_block_len = 36,
                                   .text = text,
                                   .text_len = 100 };
    size_t n = 0;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)('0' + i % 10);
    (void)hex_decode("F1FE7B0990BEACE30F0B4ECB81F036BC154ECB060D1B3FDA528F9103B9275E1C", 64, state,
                     32);
    (void)hex_decode("9CFE7FAFF7054298CA87557E15A10262DE8D3EEE77827417FBDFEA1C41B9EC23", 64, digest,
                     32);
    OPEN_CARD(script);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(iotsafe_sign(card, &id_04, IOTSAFE_ECDSA, &input, sig, &n, &op), IOTSAFE_OK,
                     "%s", op.text);
        cr_expect_eq(n, 64);
    }
    close_card();
}

Test(operations, a_ready_digest_cannot_be_signed_by_an_applet_that_hashes_itself)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { "81 2A 00 01 0D 840104 A10103 91020001 920104", "6A80" },
        { "81 2A 00 01 0D 840104 A10101 91020001 920104", "9000" },
        { "81 2B 80 01 03 9B0178 00", "3340" SIG "9000" },
        { "81 2A 00 01 0D 840104 A10103 91020001 920104", "6A80" },
        { "81 CB 01 00 00", "C307 7402 4B31 840104 9000" },
        { "81 2A 00 01 0E 74024B31 A10103 91020001 920104", "6A80" },
    };
    uint8_t digest[32] = { 0 }, sig[IOTSAFE_SIGNATURE_MAX];
    struct iotsafe_input input = {
        .hash = IOTSAFE_HASH_SHA256, .digest = digest, .text = (const uint8_t *)"x", .text_len = 1
    };
    size_t n = 0;

    OPEN_CARD(script);
    cr_assert_eq(iotsafe_sign(card, &id_04, IOTSAFE_ECDSA, &input, sig, &n, &op), IOTSAFE_OK, "%s",
                 op.text);
    input.text = NULL;
    cr_expect_eq(iotsafe_sign(card, &id_04, IOTSAFE_ECDSA, &input, sig, &n, &op), IOTSAFE_ERR_DATA);
    cr_expect_not_null(strstr(op.text, "hash the text itself"), "%s", op.text);
    close_card();
}
/* ---------------------------------------------- one object, without a list */

static const struct iotsafe_name cert_label = { .label = "cert", .label_len = 4 };

static enum iotsafe_err find(enum iotsafe_kind kind, const struct iotsafe_name *name,
                             struct iotsafe_object *ret)
{
    op.text[0] = '\0';
    return iotsafe_find(card, kind, name, ret, &op);
}

#define LIST "81 CB 01 00 00"
#define OBJECT "7304 63657274 830102 600100 4A0101 210102 200202BC"

/* An applet that refuses the names of files for a file: remembered. */
Test(operations, finds_a_file_by_the_tags_of_secrets_and_remembers)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { LIST, "6A86" },
        { "81 CB C3 00 06 7304 63657274 00", "6A80" },
        { "81 CB C3 00 06 7604 63657274 00", "C316" OBJECT "9000" },
        { LIST, "6A86" },
        { "81 CB C3 00 03 860102 00", "C316" OBJECT "9000" },
        { LIST, "6A86" },
        { "81 CB C3 00 03 860106 00", "6A80" },
        { "81 CB C3 00 03 830106 00", "6A80" },
    };
    struct iotsafe_object file;

    OPEN_CARD(script);
    cr_assert_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_OK, "%s", op.text);
    cr_expect(file.name.id_len == 1 && file.name.id[0] == 2 && file.file_size == 700);
    cr_assert_eq(find(IOTSAFE_FILE, &id_02, &file), IOTSAFE_OK, "%s", op.text);
    cr_expect_str_eq(file.name.label, "cert");
    cr_expect_eq(find(IOTSAFE_FILE, &id_06, &file), IOTSAFE_ERR_NOT_FOUND, "%s", op.text);
    cr_expect_not_null(strstr(op.text, "no list"), "%s", op.text);
    close_card();
}

/* The same where a tag that is not known is a matter of conditions. */
Test(operations, finds_a_file_by_the_tags_of_secrets_after_6985)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { LIST, "6A86" },
        { "81 CB C3 00 06 7304 63657274 00", "6985" },
        { "81 CB C3 00 06 7604 63657274 00", "C316" OBJECT "9000" },
        { LIST, "6A86" },
        { "81 CB C3 00 06 7604 63657274 00", "6985" },
        { "81 CB C3 00 06 7304 63657274 00", "6985" },
    };
    struct iotsafe_object file;

    OPEN_CARD(script);
    cr_assert_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_ERR_CONDITIONS, "%s", op.text);
    close_card();
}

/* What was learned is tried first, and no law: another applet may have come. */
Test(operations, forgets_the_tags_of_secrets_where_its_own_work)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { LIST, "6A86" },
        { "81 CB C3 00 06 7304 63657274 00", "6A80" },
        { "81 CB C3 00 06 7604 63657274 00", "C316" OBJECT "9000" },
        { LIST, "6A86" },
        { "81 CB C3 00 06 7604 63657274 00", "6A80" },
        { "81 CB C3 00 06 7304 63657274 00", "830102 200202BC 9000" },
        { LIST, "6A86" },
        { "81 CB C3 00 06 7304 63657274 00", "6A82" },
    };
    struct iotsafe_object file;

    OPEN_CARD(script);
    cr_assert_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_OK, "%s", op.text);
    cr_assert_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_OK, "%s", op.text);
    cr_expect_str_eq(file.name.label, "cert", "asked for by a label that is not in the response");
    cr_expect_eq(find(IOTSAFE_FILE, &cert_label, &file), IOTSAFE_ERR_NOT_FOUND, "%s", op.text);
    close_card();
}

Test(operations, finds_a_key_without_a_list_by_its_own_tags_only)
{
    static const struct exchange script[] = {
        SCRIPT_OPEN,
        { LIST, "6A81" },
        { "81 CB C1 00 03 840104 00", "840104 600100 4A0101 4B0113 9000" },
        { LIST, "6A81" },
        { "81 CB C1 00 03 840105 00", "6A80" },
        { LIST, "6D00" },
        { "81 CB 00 00 44", "100110 9000" },
        { LIST, "6D00" },
    };
    struct iotsafe_object key;

    OPEN_CARD(script);
    cr_assert_eq(find(IOTSAFE_PRIVATE_KEY, &id_04, &key), IOTSAFE_OK, "%s", op.text);
    cr_expect_eq(key.key_type, 0x13);
    cr_expect_eq(find(IOTSAFE_PRIVATE_KEY, &id_05, &key), IOTSAFE_ERR_NOT_FOUND, "%s", op.text);
    cr_expect_eq(find(IOTSAFE_PRIVATE_KEY, &id_05, &key), IOTSAFE_ERR_UNSUPPORTED,
                 "no GET DATA: %s", op.text);
    close_card();
}
