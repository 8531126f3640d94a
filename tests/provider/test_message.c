/* SPDX-License-Identifier: Apache-2.0 */
/* The hash that shows its state, and the message in all its forms, against
 * libcrypto: finishing from the state gives the digest. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "message.h"
#include "sha2_state.h"

/* Pads by hand what the state leaves: the last block, 80, zeros, the length. */
static void finish(const struct isprov_sha2 *at_end, size_t digest_len, uint64_t total,
                   uint8_t ret_digest[static 64])
{
    struct isprov_sha2 sha2 = *at_end;
    uint8_t tail[256] = { 0x80 };
    const size_t length_size = sha2.block_size / 8;
    size_t n = 1;

    while ((sha2.rest_len + n + length_size) % sha2.block_size != 0)
        n++;
    n += length_size;
    for (int i = 0; i < 8; i++)
        tail[n - 1 - (size_t)i] = (uint8_t)(total * 8 >> 8 * i);
    isprov_sha2_update(&sha2, tail, n);
    isprov_sha2_update(&sha2, tail, 1); /* pushes the kept block in */
    isprov_sha2_state(&sha2, ret_digest);
    (void)digest_len;
}

static const struct {
    const char *name;
    size_t digest_len, block_size;
} hashes[] = { { "SHA256", 32, 64 }, { "SHA384", 48, 128 }, { "SHA512", 64, 128 } };

static void expect_digest(size_t which, const uint8_t *data, size_t len, size_t step)
{
    struct isprov_sha2 sha2;
    uint8_t want[64], got[64];
    size_t want_len = 0;

    isprov_sha2_init(&sha2, hashes[which].digest_len);
    for (size_t at = 0; at < len; at += step)
        isprov_sha2_update(&sha2, data + at, len - at < step ? len - at : step);
    cr_expect_eq(sha2.hashed % hashes[which].block_size, 0);
    cr_expect_eq(sha2.hashed + sha2.rest_len, len);
    cr_expect(len == 0 || (sha2.rest_len >= 1 && sha2.rest_len <= hashes[which].block_size),
              "%zu bytes leave %zu", len, sha2.rest_len);
    finish(&sha2, hashes[which].digest_len, len, got);
    cr_assert(EVP_Q_digest(NULL, hashes[which].name, NULL, data, len, want, &want_len));
    cr_expect_arr_eq(got, want, want_len, "%s of %zu bytes in steps of %zu", hashes[which].name,
                     len, step);
}

Test(message, the_state_and_the_last_block_make_the_digest_of_libcrypto)
{
    static const size_t steps[] = { 1, 7, 63, 64, 65, 127, 128, 129, 1000 };
    uint8_t data[1000];

    cr_assert_eq(RAND_bytes(data, sizeof(data)), 1);
    for (size_t which = 0; which < 3; which++)
        for (size_t len = 0; len <= 400; len++)
            for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
                expect_digest(which, data, len, steps[i]);
    for (size_t which = 0; which < 3; which++)
        expect_digest(which, data, sizeof(data), 999);
}

static struct isprov prov;

static void fini(void)
{
    isprov_crypto_free(atomic_load(&prov.crypto));
}

TestSuite(forms, .fini = fini);

static struct isprov_message *message_of(const char *digest, size_t len)
{
    struct isprov_message *m = isprov_message_new(&prov, digest);
    uint8_t *data = calloc(1, len + 1);

    cr_assert(m != NULL && isprov_message_update(m, data, len / 3)
              && isprov_message_update(m, data, len - len / 3));
    free(data);
    return m;
}

Test(forms, a_short_message_has_all_three)
{
    for (size_t len = 0; len < 300; len += 32) {
        struct isprov_message *m = message_of("SHA2-256", len), *copy = isprov_message_dup(m);
        struct iotsafe_input a, b;

        cr_assert(isprov_message_finish(m, &a) && isprov_message_finish(copy, &b));
        cr_expect_eq(a.hash, IOTSAFE_HASH_SHA256);
        cr_expect(a.text != NULL && a.text_len == len);
        cr_expect(a.state != NULL && a.hashed_len + a.last_block_len == len);
        cr_expect((len == 0 || b.text != a.text) && b.state != a.state
                      && b.last_block != a.last_block,
                  "the copy stands for itself");
        cr_expect_arr_eq(a.digest, b.digest, 32);
        isprov_message_free(m);
        isprov_message_free(copy);
    }
}

Test(forms, a_message_that_is_too_long_loses_its_text_alone)
{
    for (int more = 0; more < 2; more++) {
        struct isprov_message *m = message_of("SHA2-512", IOTSAFE_TEXT_MAX + (size_t)more);
        struct iotsafe_input input;

        cr_assert(isprov_message_finish(m, &input));
        cr_expect_eq(input.text == NULL, more == 1);
        cr_expect(input.state != NULL && input.digest != NULL);
        isprov_message_free(m);
    }
}

Test(forms, sha3_is_a_ready_digest_alone)
{
    struct isprov_message *m = message_of("SHA3-256", 100);
    struct iotsafe_input input;

    cr_assert(isprov_message_finish(m, &input));
    cr_expect(input.digest != NULL && input.state == NULL && input.text == NULL);
    isprov_message_free(m);
}
