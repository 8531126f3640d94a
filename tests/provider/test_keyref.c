/* SPDX-License-Identifier: Apache-2.0 */
/* The ASN.1 of key-reference files. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "fixture.h"
#include "keyref.h"

#define URI "iotsafe://id=3031;label=a%20key;type=private;sim=gw"

/* SubjectPublicKeyInfo of the base point of P-256. */
static const uint8_t spki[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1,
    0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d,
    0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b,
    0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
};

static uint8_t *encode(const char *uri, bool with_spki, size_t *ret_len)
{
    uint8_t *der = NULL;

    cr_assert(isprov_keyref_encode(uri, with_spki ? spki : NULL, with_spki ? sizeof(spki) : 0, &der,
                                   ret_len));
    return der;
}

static void expect_refused(const uint8_t *der, size_t len, const char *why)
{
    struct isprov_keyref ref;
    struct iotsafe_op op = { .text = "" };

    cr_expect_eq(isprov_keyref_decode(der, len, &ref, &op), IOTSAFE_ERR_REFERENCE, "%s", why);
    cr_expect(strlen(op.text) > 10, "%s: no explanation", why);
    cr_expect_eq(ERR_peek_error(), 0, "%s: an error in the queue", why);
}

Test(keyref, round_trip_with_a_public_key)
{
    struct isprov_keyref ref;
    char text[IOTSAFE_URI_MAX];
    size_t len;
    uint8_t *der = encode(URI, true, &len);

    cr_expect(isprov_keyref_is_ours(der, len));
    cr_assert_eq(isprov_keyref_decode(der, len, &ref, NULL), IOTSAFE_OK);
    iotsafe_uri_format(&ref.uri, text);
    cr_expect_str_eq(text, URI);
    cr_expect_eq(ref.spki_len, sizeof(spki));
    cr_expect_arr_eq(ref.spki, spki, sizeof(spki));
    isprov_keyref_clear(&ref);
    OPENSSL_free(der);
}

Test(keyref, round_trip_without_a_public_key)
{
    struct isprov_keyref ref;
    size_t len;
    uint8_t *der = encode("iotsafe://label=k", false, &len);

    cr_assert_eq(isprov_keyref_decode(der, len, &ref, NULL), IOTSAFE_OK);
    cr_expect_null(ref.spki);
    cr_expect_eq(ref.uri.type, IOTSAFE_URI_PRIVATE, "a reference is to a private key");
    isprov_keyref_clear(&ref);
    OPENSSL_free(der);
}

Test(keyref, refuses_it_cut_at_each_length)
{
    size_t len;
    uint8_t *der = encode(URI, true, &len);

    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = OPENSSL_memdup(der, n > 0 ? n : 1); /* exact, for the sanitizer */

        expect_refused(cut, n, "cut");
        OPENSSL_free(cut);
    }
    OPENSSL_free(der);
}

Test(keyref, refuses_a_byte_behind_it)
{
    uint8_t more[512] = { 0 };
    size_t len;
    uint8_t *der = encode(URI, true, &len);

    memcpy(more, der, len);
    expect_refused(more, len + 1, "a byte more");
    OPENSSL_free(der);
}

Test(keyref, no_changed_byte_crashes_or_leaves_errors)
{
    struct isprov_keyref ref;
    size_t len;
    uint8_t *der = encode(URI, true, &len);

    for (size_t i = 0; i < len; i++)
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            der[i] ^= (uint8_t)flip;
            (void)isprov_keyref_is_ours(der, len);
            if (isprov_keyref_decode(der, len, &ref, NULL) == IOTSAFE_OK)
                isprov_keyref_clear(&ref);
            cr_expect_eq(ERR_peek_error(), 0, "byte %zu", i);
            der[i] ^= (uint8_t)flip;
        }
    OPENSSL_free(der);
}

Test(keyref, refuses_a_length_that_is_not_der)
{
    uint8_t ber[512];
    size_t len;
    uint8_t *der = encode("iotsafe://label=k", false, &len);

    /* 30 LL ... as 30 81 LL ... with LL < 128 */
    cr_assert_lt(der[1], 0x80);
    ber[0] = der[0];
    ber[1] = 0x81;
    memcpy(ber + 2, der + 1, len - 1);
    expect_refused(ber, len + 1, "a long form for a short length");
    OPENSSL_free(der);
}

Test(keyref, refuses_a_later_version_by_name)
{
    struct isprov_keyref ref;
    struct iotsafe_op op = { .text = "" };
    size_t len;
    uint8_t *der = encode("iotsafe://label=k", false, &len);

    der[2 + 2 + strlen("iotsafe-key-reference-v")] = '2';
    cr_expect(isprov_keyref_is_ours(der, len), "then the error says why");
    cr_expect_eq(isprov_keyref_decode(der, len, &ref, &op), IOTSAFE_ERR_REFERENCE);
    cr_expect(strstr(op.text, "version") != NULL, "%s", op.text);
    OPENSSL_free(der);
}

Test(keyref, refuses_uris_that_name_no_single_private_key)
{
    static const char *const bad[] = {
        "",
        "iotsafe://",
        "iotsafe://label=k;type=cert",
        "iotsafe://label=k;type=public",
        "iotsafe://id=0",
        "iotsafe://sim=gw",
        "file:///etc/passwd",
        "iotsafe://colour=blue",
    };
    size_t len;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t *der = encode(bad[i], false, &len);

        expect_refused(der, len, bad[i]);
        OPENSSL_free(der);
    }
}

Test(keyref, refuses_what_is_too_long)
{
    uint8_t *der = OPENSSL_zalloc(ISPROV_KEYREF_MAX + 1);

    memcpy(der, (uint8_t[]){ 0x30, 0x82, 0x07, 0xfd }, 4);
    expect_refused(der, ISPROV_KEYREF_MAX + 1, "too long");
    OPENSSL_free(der);
}

Test(keyref, takes_no_other_der_for_its_own)
{
    static const uint8_t near[] = { 0x30, 0x18, 0x1a, 0x16, 'i', 'o', 't', 's', 'a',
                                    'f',  'e',  '-',  'k',  'e', 'y', '-', 'r', 'e',
                                    'f',  'e',  'r',  'e',  'n', 'c', 'e', '_' };
    static const uint8_t claims_more[] = { 0x30, 0x7f, 0x1a, 0x7f, 'i' };

    cr_expect_not(isprov_keyref_is_ours(spki, sizeof(spki)));
    cr_expect_not(isprov_keyref_is_ours(near, sizeof(near)));
    cr_expect_not(isprov_keyref_is_ours(claims_more, sizeof(claims_more)));
    cr_expect_not(isprov_keyref_is_ours(NULL, 0));
    cr_expect_eq(ERR_peek_error(), 0);
}

Test(keyref, does_not_encode_a_public_key_that_is_no_sequence)
{
    uint8_t *der = NULL;
    size_t len = 0;

    cr_expect_not(isprov_keyref_encode(URI, spki, sizeof(spki) - 1, &der, &len));
    cr_expect_not(isprov_keyref_encode(URI, spki + 2, 10, &der, &len));
    cr_expect_null(der);
}
