/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA signatures between raw and DER, alone and with the Wycheproof vectors,
 * which also go through the provider's verification. */
#include <string.h>

#include "ecdsa_der.h"
#include "fixture.h"
#include "vectors.h"

static const uint8_t order_less_one[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x50,
};

static void raw_of(const uint8_t *r, const uint8_t *s, uint8_t raw[64])
{
    memcpy(raw, r, 32);
    memcpy(raw + 32, s, 32);
}

Test(ecdsa_der, integers_are_minimal_and_positive)
{
    const struct isprov_type *curve = isprov_type_default();
    static const uint8_t one[32] = { [31] = 1 }, high[32] = { [31] = 0x80 };
    static const uint8_t want[] = { 0x30, 0x07, 0x02, 0x01, 0x01, 0x02, 0x02, 0x00, 0x80 };
    uint8_t raw[64], der[ISPROV_ECDSA_DER_MAX];
    size_t len;

    raw_of(one, high, raw);
    cr_assert(isprov_ecdsa_from_raw(curve, raw, sizeof(raw), der, &len));
    cr_expect_arr_eq(der, want, sizeof(want));
    cr_expect_eq(len, sizeof(want));
}

Test(ecdsa_der, longest_form_fits_its_bound)
{
    uint8_t raw[64], back[64], der[ISPROV_ECDSA_DER_MAX];
    size_t len;

    raw_of(order_less_one, order_less_one, raw);
    cr_assert(isprov_ecdsa_from_raw(isprov_type_default(), raw, sizeof(raw), der, &len));
    cr_expect_eq(len, (size_t)isprov_type_default()->max_signature_len);
    cr_assert(isprov_ecdsa_to_raw(isprov_type_default(), der, len, back));
    cr_expect_arr_eq(back, raw, sizeof(raw));
}

Test(ecdsa_der, refuses_zero_and_the_order)
{
    static const uint8_t zero[32] = { 0 }, one[32] = { [31] = 1 };
    uint8_t order[32], raw[64], der[ISPROV_ECDSA_DER_MAX];
    size_t len = 99;

    memcpy(order, order_less_one, sizeof(order));
    order[31]++;
    raw_of(zero, one, raw);
    cr_expect_not(isprov_ecdsa_from_raw(isprov_type_default(), raw, 64, der, &len));
    raw_of(one, zero, raw);
    cr_expect_not(isprov_ecdsa_from_raw(isprov_type_default(), raw, 64, der, &len));
    raw_of(order, one, raw);
    cr_expect_not(isprov_ecdsa_from_raw(isprov_type_default(), raw, 64, der, &len));
    raw_of(one, order, raw);
    cr_expect_not(isprov_ecdsa_from_raw(isprov_type_default(), raw, 64, der, &len));
    cr_expect_eq(len, 99, "an output changed on failure");
}

Test(ecdsa_der, refuses_every_other_length_of_raw)
{
    uint8_t raw[96] = { 0 }, der[ISPROV_ECDSA_DER_MAX];
    size_t len;

    memset(raw, 1, sizeof(raw));
    for (size_t n = 0; n < sizeof(raw); n++)
        cr_expect_eq(isprov_ecdsa_from_raw(isprov_type_default(), raw, n, der, &len), n == 64,
                     "%zu bytes", n);
}

Test(ecdsa_der, refuses_der_cut_anywhere_or_with_a_byte_more)
{
    uint8_t raw[64], der[ISPROV_ECDSA_DER_MAX + 1] = { 0 };
    size_t len;

    raw_of(order_less_one, order_less_one, raw);
    cr_assert(isprov_ecdsa_from_raw(isprov_type_default(), raw, sizeof(raw), der, &len));
    for (size_t n = 0; n <= len + 1; n++)
        cr_expect_eq(isprov_ecdsa_to_raw(isprov_type_default(), der, n, raw), n == len, "%zu bytes",
                     n);
}

Test(ecdsa_der, refuses_each_single_wrong_header_byte)
{
    static const uint8_t good[] = { 0x30, 0x07, 0x02, 0x01, 0x01, 0x02, 0x02, 0x00, 0x80 };
    static const size_t headers[] = { 0, 1, 2, 3, 5, 6 };
    uint8_t raw[64], bad[sizeof(good)];

    cr_assert(isprov_ecdsa_to_raw(isprov_type_default(), good, sizeof(good), raw));
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bad, good, sizeof(bad));
            if (bad[headers[i]] == value)
                continue;
            bad[headers[i]] = (uint8_t)value;
            cr_expect_not(isprov_ecdsa_to_raw(isprov_type_default(), bad, sizeof(bad), raw),
                          "byte %zu as %02x", headers[i], value);
        }
}

Test(ecdsa_der, refuses_padded_and_negative_integers)
{
    static const uint8_t padded[] = { 0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 0x02, 0x01, 0x01 };
    static const uint8_t negative[] = { 0x30, 0x06, 0x02, 0x01, 0x81, 0x02, 0x01, 0x01 };
    static const uint8_t empty[] = { 0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 0x01 };
    uint8_t raw[64];

    cr_expect_not(isprov_ecdsa_to_raw(isprov_type_default(), padded, sizeof(padded), raw));
    cr_expect_not(isprov_ecdsa_to_raw(isprov_type_default(), negative, sizeof(negative), raw));
    cr_expect_not(isprov_ecdsa_to_raw(isprov_type_default(), empty, sizeof(empty), raw));
}

/* ------------------------------------------------------------------- Wycheproof */

struct judge {
    OSSL_LIB_CTX *lib;
    int valid, invalid;
};

/* Verifies with a library context that hands EC to the provider. */
static bool provider_accepts(const struct judge *judge, const struct vector *v, const uint8_t *sig,
                             size_t sig_len)
{
    const unsigned char *p = v->spki;
    EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &p, (long)v->spki_len, judge->lib, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    const OSSL_PROVIDER *used;
    bool good;

    cr_assert_not_null(key);
    cr_assert(EVP_DigestVerifyInit_ex(ctx, &pctx, v->sha, judge->lib, NULL, key, NULL));
    used = EVP_PKEY_CTX_get0_provider(pctx);
    cr_assert_str_eq(OSSL_PROVIDER_get0_name(used), "iotsafe");
    good = EVP_DigestVerify(ctx, sig, sig_len, v->msg, v->msg_len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

static void judge_der(const struct vector *v, void *arg)
{
    struct judge *judge = arg;
    uint8_t raw[64], der[ISPROV_ECDSA_DER_MAX];
    size_t len = 0;
    bool converts = isprov_ecdsa_to_raw(isprov_type_default(), v->sig, v->sig_len, raw);

    cr_expect_eq(provider_accepts(judge, v, v->sig, v->sig_len), v->valid, "test %d: %s", v->id,
                 v->comment);
    cr_expect(converts || !v->valid, "test %d: %s: not converted", v->id, v->comment);
    if (converts) {
        cr_assert(isprov_ecdsa_from_raw(isprov_type_default(), raw, 64, der, &len));
        cr_expect(len == v->sig_len && memcmp(der, v->sig, len) == 0,
                  "test %d: %s: another DER comes back", v->id, v->comment);
    }
    judge->valid += v->valid;
    judge->invalid += !v->valid;
}

static void judge_raw(const struct vector *v, void *arg)
{
    struct judge *judge = arg;
    uint8_t der[ISPROV_ECDSA_DER_MAX];
    size_t len = 0;
    bool good = isprov_ecdsa_from_raw(isprov_type_default(), v->sig, v->sig_len, der, &len)
                && provider_accepts(judge, v, der, len);

    cr_expect_eq(good, v->valid, "test %d: %s", v->id, v->comment);
    judge->valid += v->valid;
    judge->invalid += !v->valid;
}

static void judge_file(const char *file, void (*each)(const struct vector *, void *))
{
    struct context ctx;
    struct judge judge = { NULL, 0, 0 };

    context_open(&ctx, IOTSAFE_FIRST);
    judge.lib = ctx.lib;
    cr_expect_gt(for_each_vector(file, each, &judge), 200);
    cr_expect(judge.valid > 100 && judge.invalid > 80, "%d valid, %d invalid", judge.valid,
              judge.invalid);
    context_close(&ctx);
}

Test(ecdsa_der, wycheproof_sha256_der)
{
    judge_file("ecdsa_secp256r1_sha256_test.json", judge_der);
}

Test(ecdsa_der, wycheproof_sha512_der)
{
    judge_file("ecdsa_secp256r1_sha512_test.json", judge_der);
}

Test(ecdsa_der, wycheproof_sha256_raw)
{
    judge_file("ecdsa_secp256r1_sha256_p1363_test.json", judge_raw);
}
