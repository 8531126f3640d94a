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

static const struct iotsafe_name by_id = { .id = { 1 }, .id_len = 1 };
static const struct iotsafe_name by_label = { .label = "k", .label_len = 1 };
static const uint8_t bytes[48] = { 4 };

static void use_info(struct iotsafe_card *card, struct iotsafe_op *op)
{
    struct iotsafe_info info;

    if (iotsafe_card_info(card, &info, op) == IOTSAFE_OK && info.applet_id_len > 32)
        abort();
}

static void use_list(struct iotsafe_card *card, struct iotsafe_op *op)
{
    struct iotsafe_object *objects = NULL;
    size_t n = 0;

    if (iotsafe_list(card, &objects, &n, op) == IOTSAFE_OK && n > IOTSAFE_OBJECTS_MAX)
        abort();
    free(objects);
}

static void use_public_key(struct iotsafe_card *card, struct iotsafe_op *op)
{
    struct iotsafe_public_key key;

    if (iotsafe_read_public_key(card, &by_label, &key, op) == IOTSAFE_OK && !is_sane(&key))
        abort();
}

static void read_file(struct iotsafe_card *card, enum iotsafe_extent extent, size_t size_hint,
                      struct iotsafe_op *op)
{
    uint8_t *file = NULL;
    size_t n = 0;

    if (iotsafe_read_file(card, &by_id, extent, size_hint, &file, &n, op) == IOTSAFE_OK
        && n > IOTSAFE_FILE_MAX + 1)
        abort();
    free(file);
}

static void use_certificates(struct iotsafe_card *card, struct iotsafe_op *op)
{
    read_file(card, IOTSAFE_CERTIFICATES, 0, op);
}

static void use_file(struct iotsafe_card *card, struct iotsafe_op *op)
{
    read_file(card, IOTSAFE_WHOLE, 600, op);
}

static void sign(struct iotsafe_card *card, enum iotsafe_scheme scheme, struct iotsafe_op *op)
{
    struct iotsafe_input message;
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t n = 0;

    if (iotsafe_input_from_digest(bytes, sizeof(bytes), &message, op) != IOTSAFE_OK)
        abort();
    if (iotsafe_sign(card, &by_id, scheme, &message, sig, &n, op) == IOTSAFE_OK
        && (n < 8 || n > IOTSAFE_SIGNATURE_MAX))
        abort();
}

static void use_ecdsa(struct iotsafe_card *card, struct iotsafe_op *op)
{
    sign(card, IOTSAFE_ECDSA, op);
}

static void use_pss(struct iotsafe_card *card, struct iotsafe_op *op)
{
    sign(card, IOTSAFE_RSA_PSS, op);
}

static void use_verify(struct iotsafe_card *card, struct iotsafe_op *op)
{
    static const uint8_t sig[IOTSAFE_SIGNATURE_MAX] = { 1 };
    struct iotsafe_input message;
    bool valid;

    if (iotsafe_input_from_digest(bytes, sizeof(bytes), &message, op) != IOTSAFE_OK)
        abort();
    (void)!iotsafe_verify(card, &by_id, &message, sig, &valid, op);
}

static void use_generate(struct iotsafe_card *card, struct iotsafe_op *op)
{
    struct iotsafe_generated generated;

    (void)!iotsafe_generate(card, &by_id, &generated, op);
}

static void use_agree(struct iotsafe_card *card, struct iotsafe_op *op)
{
    static uint8_t point[IOTSAFE_POINT_SIZE] = { 4 };
    static const struct iotsafe_agreement agreement = {
        .private_key = &by_id, .container = &by_label, .peer = point, .own = point
    };
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE];

    (void)!iotsafe_agree(card, &agreement, secret, op);
}

static void use_hkdf(struct iotsafe_card *card, struct iotsafe_op *op)
{
    uint8_t key[64];

    (void)!iotsafe_hkdf_extract(card, &by_id, bytes, 32, IOTSAFE_HASH_SHA384, key, op);
}

static void use_prf(struct iotsafe_card *card, struct iotsafe_op *op)
{
    uint8_t out[40];

    (void)!iotsafe_prf(card, &by_label, bytes, 32, out, sizeof(out), op);
}

static void use_random(struct iotsafe_card *card, struct iotsafe_op *op)
{
    uint8_t random[40];

    (void)!iotsafe_random(card, random, sizeof(random), op);
}

static void (*const uses[])(struct iotsafe_card *, struct iotsafe_op *) = {
    use_info,   use_list,     use_public_key, use_certificates, use_file, use_ecdsa, use_pss,
    use_verify, use_generate, use_agree,      use_hkdf,         use_prf,  use_random
};
#define N_USES (sizeof(uses) / sizeof(uses[0]))
#define ALL 0xff

/* The last byte chooses the use, since many uses of one card take a millisecond together; or
 * all of them, one after the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t which = size > 0 ? data[size - 1] : ALL;
    struct iotsafe_config *cfg;
    struct iotsafe_card *card;
    struct iotsafe_op op = { .text = "" };

    fuzz_input = (struct fuzz_input){ data, size > 0 ? size - 1 : 0 };
    fuzz_clock_start(NULL);
    card = fuzz_transport_card("300", 5, &cfg);
    for (size_t i = 0; i < N_USES; i++)
        if (which == ALL || which % N_USES == i)
            uses[i](card, &op);
    iotsafe_card_free(card);
    iotsafe_config_free(cfg);
    fuzz_clock_stop();
    return 0;
}
