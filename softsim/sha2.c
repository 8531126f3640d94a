/* SPDX-License-Identifier: Apache-2.0 */
/* Compression functions of FIPS 180-4. The constants of SHA-256 are the upper
 * halves of the first 64 of SHA-512, so one table serves both. */
#include "sha2.h"

#include <string.h>

#include "iotsafe_defs.h"

#define WORDS 8

static const uint64_t k512[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static uint32_t ror32(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint64_t ror64(uint64_t x, unsigned n)
{
    return x >> n | x << (64 - n);
}

static uint64_t load_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void store_be(uint8_t *p, size_t n, uint64_t v)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

/* FIPS 180-4, 6.2.2 */
static void compress256(uint64_t state[static WORDS], const uint8_t *block)
{
    uint32_t w[64], s[WORDS];

    for (size_t t = 0; t < 16; t++)
        w[t] = (uint32_t)load_be(block + 4 * t, 4);
    for (size_t t = 16; t < 64; t++)
        w[t] = (ror32(w[t - 2], 17) ^ ror32(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7]
               + (ror32(w[t - 15], 7) ^ ror32(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    for (size_t i = 0; i < WORDS; i++)
        s[i] = (uint32_t)state[i];
    for (size_t t = 0; t < 64; t++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t1 = s[7] + (ror32(e, 6) ^ ror32(e, 11) ^ ror32(e, 25))
                      + ((e & s[5]) ^ (~e & s[6])) + (uint32_t)(k512[t] >> 32) + w[t];
        uint32_t t2 = (ror32(a, 2) ^ ror32(a, 13) ^ ror32(a, 22))
                      + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < WORDS; i++)
        state[i] = (uint32_t)(state[i] + s[i]);
}

/* FIPS 180-4, 6.4.2 */
static void compress512(uint64_t state[static WORDS], const uint8_t *block)
{
    uint64_t w[80], s[WORDS];

    for (size_t t = 0; t < 16; t++)
        w[t] = load_be(block + 8 * t, 8);
    for (size_t t = 16; t < 80; t++)
        w[t] = (ror64(w[t - 2], 19) ^ ror64(w[t - 2], 61) ^ w[t - 2] >> 6) + w[t - 7]
               + (ror64(w[t - 15], 1) ^ ror64(w[t - 15], 8) ^ w[t - 15] >> 7) + w[t - 16];
    memcpy(s, state, sizeof(s));
    for (size_t t = 0; t < 80; t++) {
        uint64_t e = s[4], a = s[0];
        uint64_t t1 = s[7] + (ror64(e, 14) ^ ror64(e, 18) ^ ror64(e, 41))
                      + ((e & s[5]) ^ (~e & s[6])) + k512[t] + w[t];
        uint64_t t2 = (ror64(a, 28) ^ ror64(a, 34) ^ ror64(a, 39))
                      + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (size_t i = 0; i < WORDS; i++)
        state[i] += s[i];
}

static const struct variant {
    uint16_t hash;
    size_t word;   /* bytes */
    size_t digest; /* bytes */
    void (*compress)(uint64_t state[static WORDS], const uint8_t *block);
} variants[] = {
    { IOTSAFE_HASH_SHA256, 4, 32, compress256 },
    { IOTSAFE_HASH_SHA384, 8, 48, compress512 },
    { IOTSAFE_HASH_SHA512, 8, 64, compress512 },
};

static const struct variant *find_variant(uint16_t hash)
{
    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        if (variants[i].hash == hash)
            return &variants[i];
    return NULL;
}

bool sha2_finish(const struct sha2_rest *rest, uint8_t ret_digest[static 64], size_t *ret_len)
{
    const struct variant *v = find_variant(rest->hash);
    uint64_t state[WORDS];
    uint8_t tail[2 * 128] = { 0 };
    size_t block, n;

    if (v == NULL)
        return false;
    block = 16 * v->word;
    if (rest->chain_len != WORDS * v->word || rest->hashed % block != 0 || rest->block_len > block)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        state[i] = load_be(rest->chain + i * v->word, v->word);
    if (rest->block_len != 0)
        memcpy(tail, rest->block, rest->block_len);
    tail[rest->block_len] = 0x80;
    /* the length takes two words at the end, of a second block when they do not fit */
    n = rest->block_len + 1 + 2 * v->word <= block ? block : 2 * block;
    store_be(tail + n - 8, 8, 8 * ((uint64_t)rest->hashed + rest->block_len));
    for (size_t at = 0; at < n; at += block)
        v->compress(state, tail + at);
    for (size_t i = 0; i * v->word < v->digest; i++)
        store_be(ret_digest + i * v->word, v->word, state[i]);
    *ret_len = v->digest;
    return true;
}
