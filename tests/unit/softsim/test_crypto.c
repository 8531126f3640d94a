/* SPDX-License-Identifier: Apache-2.0 */
/* What the card computes, against published values and against OpenSSL. */
#include <string.h>

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "derive.h"
#include "fixture.h"
#include "rfc6979.h"
#include "sha2.h"

/* RFC 6979, A.2.5: P-256 with "sample" and "test" in three hashes. */
static struct rfc_row {
    uint16_t hash;
    char text[8];
    char r[65], s[65];
} rfc_rows[] = {
    { 1, "sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
      "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8" },
    { 2, "sample", "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719",
      "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954" },
    { 4, "sample", "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
      "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE" },
    { 1, "test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
      "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083" },
};

ParameterizedTestParameters(softsim_crypto, rfc6979_signatures)
{
    return cr_make_param_array(struct rfc_row, rfc_rows, ARRAY_LEN(rfc_rows));
}

ParameterizedTest(struct rfc_row *row, softsim_crypto, rfc6979_signatures)
{
    uint8_t scalar[32], want[64], got[64], digest[64];
    unsigned n = 0;
    struct sign_request req = { .sig_alg = IOTSAFE_SIG_ECDSA, .deterministic = true };

    unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", scalar, 32);
    unhex(row->r, want, 32);
    unhex(row->s, want + 32, 32);
    req.key = crypto_from_scalar(IOTSAFE_KEY_P256, scalar);
    req.md = crypto_hash(row->hash);
    EVP_Digest(row->text, strlen(row->text), digest, &n, req.md, NULL);
    req.digest = digest;
    req.digest_len = n;
    cr_assert(rfc6979_sign(&req, got));
    cr_expect_arr_eq(got, want, 64, "hash %u of %s", row->hash, row->text);
    cr_expect(crypto_verify(&req, got, 64), "and it verifies");
    EVP_PKEY_free(req.key);
}

/* Chaining values come from OpenSSL's own state, digests from EVP. */
static void check_sha2(uint16_t hash, size_t len, size_t cut)
{
    uint8_t text[600], chain[64], want[64], got[64];
    size_t block = hash == 1 ? 64 : 128, got_len = 0, word = hash == 1 ? 4 : 8;
    struct sha2_rest rest = { .hash = hash,
                              .chain = chain,
                              .chain_len = 8 * word,
                              .hashed = (uint32_t)cut,
                              .block = text + cut,
                              .block_len = len - cut };
    unsigned n = 0;

    for (size_t i = 0; i < len; i++)
        text[i] = (uint8_t)(i * 7 + 3);
    cr_assert_eq(cut % block, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (hash == 1) {
        SHA256_CTX c;

        SHA256_Init(&c);
        SHA256_Update(&c, text, cut);
        for (size_t i = 0; i < 32; i++)
            chain[i] = (uint8_t)(c.h[i / 4] >> (24 - 8 * (i % 4)));
    } else {
        SHA512_CTX c;

        if (hash == 2)
            SHA384_Init(&c);
        else
            SHA512_Init(&c);
        SHA512_Update(&c, text, cut);
        for (size_t i = 0; i < 64; i++)
            chain[i] = (uint8_t)(c.h[i / 8] >> (56 - 8 * (i % 8)));
    }
#pragma GCC diagnostic pop
    EVP_Digest(text, len, want, &n, crypto_hash(hash), NULL);
    cr_assert(sha2_finish(&rest, got, &got_len), "hash %u, %zu of %zu", hash, cut, len);
    cr_expect_eq(got_len, n);
    cr_expect_arr_eq(got, want, n, "hash %u, %zu of %zu", hash, cut, len);
}

Test(softsim_crypto, sha2_goes_on_from_any_chaining_value)
{
    for (uint16_t hash = 1; hash <= 4; hash = (uint16_t)(hash * 2)) {
        size_t block = hash == 1 ? 64 : 128;

        for (size_t cut = 0; cut <= 3 * block; cut += block)
            for (size_t tail = 0; tail <= block; tail++)
                check_sha2(hash, cut + tail, cut);
    }
}

Test(softsim_crypto, sha2_refuses_sizes_that_do_not_fit)
{
    uint8_t zeros[129] = { 0 }, digest[64];
    size_t n = 99;
    struct sha2_rest good = { 1, zeros, 32, 64, zeros, 64 };
    struct sha2_rest r;

    cr_expect(sha2_finish(&good, digest, &n));
    n = 99;
    r = good, r.hash = 3;
    cr_expect_not(sha2_finish(&r, digest, &n));
    r = good, r.chain_len = 64;
    cr_expect_not(sha2_finish(&r, digest, &n));
    r = good, r.hashed = 65;
    cr_expect_not(sha2_finish(&r, digest, &n));
    r = good, r.block_len = 65;
    cr_expect_not(sha2_finish(&r, digest, &n));
    cr_expect_eq(n, 99, "an output changed on failure");
}

static void check_pair(uint8_t type, uint8_t sig_alg)
{
    EVP_PKEY *pair = crypto_generate(type);
    EVP_PKEY *half = crypto_public_half(pair);
    uint8_t digest[32] = { 1, 2, 3 }, sig[SIG_BYTES_MAX];
    struct sign_request req = { .key = pair,
                                .sig_alg = sig_alg,
                                .md = crypto_hash(1),
                                .digest = digest,
                                .digest_len = sizeof(digest) };
    size_t len = 0;

    cr_assert(crypto_key_has_type(pair, type));
    cr_assert(crypto_sign(&req, sig, &len));
    cr_expect_eq(len, sig_alg == IOTSAFE_SIG_ECDSA ? 64 : 256);
    req.key = half;
    cr_expect(crypto_verify(&req, sig, len));
    sig[len - 1] ^= 1;
    cr_expect_not(crypto_verify(&req, sig, len));
    EVP_PKEY_free(pair);
    EVP_PKEY_free(half);
}

Test(softsim_crypto, every_key_type_signs_and_verifies)
{
    check_pair(IOTSAFE_KEY_P256, IOTSAFE_SIG_ECDSA);
    check_pair(IOTSAFE_KEY_BP256, IOTSAFE_SIG_ECDSA);
    check_pair(IOTSAFE_KEY_RSA2048, IOTSAFE_SIG_RSA_PKCS1);
    check_pair(IOTSAFE_KEY_RSA2048, IOTSAFE_SIG_RSA_PSS);
}

Test(softsim_crypto, point_off_the_curve_is_no_key)
{
    uint8_t point[65];
    EVP_PKEY *key;

    unhex(POINT_PEER, point, sizeof(point));
    key = crypto_from_point(IOTSAFE_KEY_P256, point, sizeof(point));
    cr_assert_not_null(key);
    EVP_PKEY_free(key);
    cr_expect_null(crypto_from_point(IOTSAFE_KEY_BP256, point, sizeof(point)), "another curve");
    cr_expect_null(crypto_from_point(IOTSAFE_KEY_P256, point, sizeof(point) - 1));
    point[64] ^= 1;
    cr_expect_null(crypto_from_point(IOTSAFE_KEY_P256, point, sizeof(point)));
    memset(point + 1, 0, 64);
    cr_expect_null(crypto_from_point(IOTSAFE_KEY_P256, point, sizeof(point)));
}

Test(softsim_crypto, scalar_out_of_range_is_no_key)
{
    uint8_t scalar[32] = { 0 };

    cr_expect_null(crypto_from_scalar(IOTSAFE_KEY_P256, scalar));
    memset(scalar, 0xff, sizeof(scalar));
    cr_expect_null(crypto_from_scalar(IOTSAFE_KEY_P256, scalar));
}

/* RFC 4279, section 2: N zeros, then the key, each behind its length. */
Test(softsim_crypto, psk_premaster_has_the_published_form)
{
    static const uint8_t psk[] = { 1, 2, 3 }, other[] = { 9, 8 };
    static const uint8_t plain[] = { 0, 3, 0, 0, 0, 0, 3, 1, 2, 3 };
    static const uint8_t mixed[] = { 0, 2, 9, 8, 0, 3, 1, 2, 3 };
    struct buf out = { 0 };

    cr_assert(
        derive_psk_premaster((struct octet_view){ psk, 3 }, (struct octet_view){ NULL, 0 }, &out));
    cr_expect_eq(out.len, sizeof(plain));
    cr_expect_arr_eq(out.data, plain, sizeof(plain));
    buf_clear(&out);
    cr_assert(
        derive_psk_premaster((struct octet_view){ psk, 3 }, (struct octet_view){ other, 2 }, &out));
    cr_expect_arr_eq(out.data, mixed, sizeof(mixed));
    buf_clear(&out);
}

/* RFC 4493, example 2 */
Test(softsim_crypto, cmac_has_the_published_value)
{
    uint8_t key[16], text[16], want[16], got[16];

    unhex("2B7E151628AED2A6ABF7158809CF4F3C", key, 16);
    unhex("6BC1BEE22E409F96E93D7E117393172A", text, 16);
    unhex("070A16B46B4D4144F79BDD9DD04A287C", want, 16);
    cr_assert(crypto_cmac(key, text, 16, got));
    cr_expect_arr_eq(got, want, 16);
}
