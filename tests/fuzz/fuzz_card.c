/* SPDX-License-Identifier: Apache-2.0 */
/* A card that answers anything: every call of iotsafe.h over bytes from the
 * fuzzer. */
#include <stdlib.h>

#include "fuzz.h"
#include "fuzz_clock.h"
#include "fuzz_transport.h"

static int is_sane(const struct iotsafe_public_key *key)
{
    const struct iotsafe_rsa_key *rsa = &key->rsa;

    return key->algorithm == IOTSAFE_EC
               ? key->point[0] == 4
               : rsa->modulus_len != 0 && rsa->modulus[0] != 0 && rsa->exponent_len != 0;
}

static void use_card(size_t size)
{
    static const uint8_t digest[48] = { 0 };
    static const struct iotsafe_name by_id = { .id = { 1 }, .id_len = 1 };
    static const struct iotsafe_name by_label = { .label = "k", .label_len = 1 };
    struct iotsafe_config *cfg;
    struct iotsafe_card *card = fuzz_transport_card("300", 5, &cfg);
    struct iotsafe_object *objects = NULL;
    struct iotsafe_info info;
    struct iotsafe_input message;
    struct iotsafe_public_key key;
    struct iotsafe_generated generated;
    uint8_t sig[IOTSAFE_SIGNATURE_MAX] = { 0 }, point[IOTSAFE_POINT_SIZE] = { 4 }, random[40];
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE] = { 0 };
    bool valid;
    uint8_t *file = NULL;
    const struct iotsafe_agreement agreement = {
        .private_key = &by_id, .container = &by_label, .peer = point, .own = point
    };
    struct iotsafe_op op = { .text = "" };
    size_t n = 0;

    if (iotsafe_card_info(card, &info, &op) == IOTSAFE_OK && info.applet_id_len > 32)
        abort();
    if (iotsafe_list(card, &objects, &n, &op) == IOTSAFE_OK && n > IOTSAFE_OBJECTS_MAX)
        abort();
    free(objects);
    if (iotsafe_read_public_key(card, &by_label, &key, &op) == IOTSAFE_OK && !is_sane(&key))
        abort();
    if (iotsafe_read_file(card, &by_id, size % 2 == 0 ? IOTSAFE_CERTIFICATES : IOTSAFE_WHOLE,
                          size % 3 == 0 ? 600 : 0, &file, &n, &op)
            == IOTSAFE_OK
        && n > IOTSAFE_FILE_MAX + 1)
        abort();
    free(file);
    if (iotsafe_input_from_digest(digest, sizeof(digest), &message, &op) != IOTSAFE_OK)
        abort();
    if (iotsafe_sign(card, &by_id, size % 2 == 0 ? IOTSAFE_ECDSA : IOTSAFE_RSA_PSS, &message, sig,
                     &n, &op)
            == IOTSAFE_OK
        && (n < 8 || n > IOTSAFE_SIGNATURE_MAX))
        abort();
    if (iotsafe_verify(card, &by_id, &message, sig, &valid, &op) == IOTSAFE_OK)
        (void)valid;
    (void)!iotsafe_generate(card, &by_id, &generated, &op);
    (void)!iotsafe_agree(card, &agreement, secret, &op);
    (void)!iotsafe_hkdf_extract(card, &by_id, secret, 32, IOTSAFE_HASH_SHA384, sig, &op);
    (void)!iotsafe_prf(card, &by_label, secret, 32, random, sizeof(random), &op);
    (void)!iotsafe_random(card, random, sizeof(random), &op);
    iotsafe_card_free(card);
    iotsafe_config_free(cfg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input = (struct fuzz_input){ data, size };
    fuzz_clock_start(NULL);
    use_card(size);
    fuzz_clock_stop();
    return 0;
}
