/* SPDX-License-Identifier: Apache-2.0 */
/* A card that answers anything: every call of iotsafe.h over bytes from the
 * fuzzer. This file stands in for the socket transport at link time. */
#include <stdlib.h>

#include "fuzz.h"
#include "fuzz_clock.h"
#include "iotsafe.h"
#include "transport.h"

static const uint8_t *input;
static size_t input_len;

static enum iotsafe_err feed(struct transport *t, const struct transmission *tx, size_t *ret_len,
                             struct iotsafe_op *op)
{
    size_t n;

    (void)t;
    if (tx->cmd_len < 5 || tx->cmd_len > APDU_CMD_MAX || tx->cmd[0] == 0xff)
        abort(); /* never a malformed command, whatever the card says */
    if (input_len == 0) {
        op_set(op, "no more answers");
        return IOTSAFE_ERR_TRANSPORT;
    }
    n = input[0];
    input++, input_len--;
    if (n > input_len)
        n = input_len;
    if (n > tx->rsp_cap)
        return IOTSAFE_ERR_SPACE;
    memcpy(tx->rsp, input, n);
    input += n, input_len -= n;
    *ret_len = n;
    return IOTSAFE_OK;
}

static enum iotsafe_err fake_open(const char *address, const char *lock_dir,
                                  struct transport **ret_transport, struct iotsafe_op *op)
{
    struct transport *t = calloc(1, sizeof(*t));

    (void)address, (void)lock_dir, (void)op;
    if (t == NULL)
        return IOTSAFE_ERR_MEMORY;
    t->ops = &transport_socket;
    t->one_device = true;
    *ret_transport = t;
    return IOTSAFE_OK;
}

static enum iotsafe_err fake_connect(struct transport *t, unsigned n, deadline_t deadline,
                                     struct iotsafe_op *op)
{
    (void)deadline, (void)op;
    t->connected = n == 0;
    return n == 0 ? IOTSAFE_OK : IOTSAFE_ERR_NOT_FOUND;
}

static enum iotsafe_err fake_acquire(struct transport *t, deadline_t deadline,
                                     enum card_reset *ret_reset, struct iotsafe_op *op)
{
    (void)t, (void)deadline, (void)op;
    *ret_reset = RESET_NONE;
    return IOTSAFE_OK;
}

static void fake_release(struct transport *t)
{
    (void)t;
}

static void fake_disconnect(struct transport *t)
{
    t->connected = false;
}

static void fake_close(struct transport *t)
{
    free(t);
}

const struct transport_ops transport_socket = {
    .scheme = "socket",
    .open = fake_open,
    .connect = fake_connect,
    .acquire = fake_acquire,
    .release = fake_release,
    .transmit = feed,
    .disconnect = fake_disconnect,
    .drop = fake_disconnect,
    .close = fake_close,
};

static const char *look_up(void *arg, const char *key)
{
    (void)arg;
    return strcmp(key, "transport") == 0    ? "socket:/fuzzer"
           : strcmp(key, "timeout-ms") == 0 ? "300"
                                            : NULL;
}

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
    struct iotsafe_config *cfg = iotsafe_config_new(look_up, NULL);
    struct iotsafe_card *card = NULL;
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

    if (cfg == NULL || iotsafe_card_new(cfg, NULL, &card, &op) != IOTSAFE_OK)
        abort();
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
    input = data, input_len = size;
    fuzz_clock_start(NULL);
    use_card(size);
    fuzz_clock_stop();
    return 0;
}
