/* SPDX-License-Identifier: Apache-2.0 */
/* see sha2_state.h; FIPS 180-4, whose names of functions and variables these are. */
#include "sha2_state.h"

#include <string.h>

/* The first 64 bits of the fractional parts of the cube roots of the first 80
 * primes. SHA-256 takes the upper halves of the first 64. */
static const uint64_t k[80] = {
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

/* SHA-512, whose upper halves are those of SHA-256; and SHA-384. */
static const uint64_t start_512[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint64_t start_384[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

static uint32_t rotr32(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint64_t rotr64(uint64_t x, unsigned n)
{
    return x >> n | x << (64 - n);
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t load64(const uint8_t *p)
{
    return (uint64_t)load32(p) << 32 | load32(p + 4);
}

static void block_256(uint64_t h[8], const uint8_t *data)
{
    uint32_t w[64], v[8];

    for (int t = 0; t < 16; t++)
        w[t] = load32(data + 4 * t);
    for (int t = 16; t < 64; t++) {
        const uint32_t a = w[t - 15], b = w[t - 2];

        w[t] = (rotr32(b, 17) ^ rotr32(b, 19) ^ b >> 10) + w[t - 7]
               + (rotr32(a, 7) ^ rotr32(a, 18) ^ a >> 3) + w[t - 16];
    }
    for (int i = 0; i < 8; i++)
        v[i] = (uint32_t)h[i];
    for (int t = 0; t < 64; t++) {
        const uint32_t a = v[0], e = v[4];
        const uint32_t t1 = v[7] + (rotr32(e, 6) ^ rotr32(e, 11) ^ rotr32(e, 25))
                            + ((e & v[5]) ^ (~e & v[6])) + (uint32_t)(k[t] >> 32) + w[t];
        const uint32_t t2 = (rotr32(a, 2) ^ rotr32(a, 13) ^ rotr32(a, 22))
                            + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] = (uint32_t)(h[i] + v[i]);
}

static void block_512(uint64_t h[8], const uint8_t *data)
{
    uint64_t w[80], v[8];

    for (int t = 0; t < 16; t++)
        w[t] = load64(data + 8 * t);
    for (int t = 16; t < 80; t++) {
        const uint64_t a = w[t - 15], b = w[t - 2];

        w[t] = (rotr64(b, 19) ^ rotr64(b, 61) ^ b >> 6) + w[t - 7]
               + (rotr64(a, 1) ^ rotr64(a, 8) ^ a >> 7) + w[t - 16];
    }
    memcpy(v, h, sizeof(v));
    for (int t = 0; t < 80; t++) {
        const uint64_t a = v[0], e = v[4];
        const uint64_t t1 = v[7] + (rotr64(e, 14) ^ rotr64(e, 18) ^ rotr64(e, 41))
                            + ((e & v[5]) ^ (~e & v[6])) + k[t] + w[t];
        const uint64_t t2 = (rotr64(a, 28) ^ rotr64(a, 34) ^ rotr64(a, 39))
                            + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static void take_block(struct isprov_sha2 *sha2, const uint8_t *data)
{
    if (sha2->block_size == 64)
        block_256(sha2->h, data);
    else
        block_512(sha2->h, data);
    sha2->hashed += sha2->block_size;
}

void isprov_sha2_init(struct isprov_sha2 *sha2, size_t digest_len)
{
    const uint64_t *start = digest_len == 48 ? start_384 : start_512;

    memset(sha2, 0, sizeof(*sha2));
    sha2->block_size = digest_len == 32 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        sha2->h[i] = digest_len == 32 ? start[i] >> 32 : start[i];
}

void isprov_sha2_update(struct isprov_sha2 *sha2, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = sha2->block_size - sha2->rest_len;

        if (n == 0) { /* full, and more to come */
            take_block(sha2, sha2->rest);
            sha2->rest_len = 0;
            continue;
        }
        for (; sha2->rest_len == 0 && len > sha2->block_size; len -= n, data += n)
            take_block(sha2, data);
        if (n > len)
            n = len;
        memcpy(sha2->rest + sha2->rest_len, data, n);
        sha2->rest_len += n;
        data += n;
        len -= n;
    }
}

size_t isprov_sha2_state(const struct isprov_sha2 *sha2, uint8_t ret_state[static 64])
{
    const size_t word = sha2->block_size / 16;

    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < word; j++)
            ret_state[i * word + j] = (uint8_t)(sha2->h[i] >> (8 * (word - 1 - j)));
    return 8 * word;
}
