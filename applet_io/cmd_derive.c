/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE HKDF and COMPUTE PRF with a secret of the card (IoT.05 2.5.4). */
#include "cmd.h"

struct derive_job {
    struct apdu_cmd cmd; /* its data begin with the secret's name */
    const uint8_t *tail; /* TLVs behind the name; borrowed */
    size_t tail_len;
    uint8_t *out; /* borrowed, n bytes */
    size_t n;
};

static enum iotsafe_err run_derive(const struct card_use *use, void *arg)
{
    const struct derive_job *job = arg;
    uint8_t answer[512];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err = channel_exchange(use->channel, &job->cmd, &rsp, use->deadline, use->op);

    if (err == IOTSAFE_OK && rsp.len != job->n) {
        op_set(use->op, "the applet derived %zu bytes, %zu were requested (%s)", rsp.len, job->n,
               use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    if (err == IOTSAFE_OK)
        memcpy(job->out, rsp.data, job->n);
    explicit_bzero(answer, sizeof(answer));
    return err;
}

static enum iotsafe_err derive_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                     void *arg, struct iotsafe_op *op)
{
    struct derive_job *job = arg;
    enum iotsafe_err err = cmd_named(&job->cmd, job->cmd.ins, IOTSAFE_SECRET, name, APDU_NE_MAX);

    if (err == IOTSAFE_OK && job->tail_len > sizeof(job->cmd.data) - job->cmd.data_len) {
        op_set(op, "the input is too long for one command of the card");
        err = IOTSAFE_ERR_ARGUMENT;
    }
    if (err != IOTSAFE_OK)
        return err;
    memcpy(job->cmd.data + job->cmd.data_len, job->tail, job->tail_len);
    job->cmd.data_len += job->tail_len;
    return card_run(card, run_derive, job, op);
}

static enum iotsafe_err derive(struct iotsafe_card *card, const struct iotsafe_name *secret,
                               uint8_t ins, const struct tlv_writer *tail, uint8_t *out, size_t n,
                               struct iotsafe_op *op)
{
    struct derive_job job = { .cmd = { .ins = ins }, .tail = tail->out, .out = out, .n = n };
    enum iotsafe_err err = tlv_finish(tail, &job.tail_len);

    if (err != IOTSAFE_OK)
        op_set(op, "the input is too long for one command of the card");
    else
        err = cmd_addressed(card, IOTSAFE_SECRET, secret, derive_named, &job, op);
    explicit_bzero(&job.cmd, sizeof(job.cmd));
    explicit_bzero(tail->out, tail->cap);
    return err;
}

enum iotsafe_err iotsafe_hkdf_extract(struct iotsafe_card *card, const struct iotsafe_name *secret,
                                      const uint8_t *salt, size_t salt_len, uint16_t hash,
                                      uint8_t ret_prk[static 64], struct iotsafe_op *op)
{
    static const uint8_t zeros[64] = { 0 };
    uint8_t tail[APDU_DATA_MAX];
    struct tlv_writer w = { .out = tail, .cap = sizeof(tail) };
    size_t n = iotsafe_hash_size(hash);

    if (n == 0) {
        op_set(op, "the applet derives with SHA-256, SHA-384 or SHA-512");
        return IOTSAFE_ERR_DIGEST;
    }
    /* an empty object has never been seen on the wire; zeros mean the same */
    tlv_put(&w, IOTSAFE_TAG_DERIVE_SALT, salt_len != 0 ? salt : zeros,
            salt_len != 0 ? salt_len : n);
    tlv_put_u16(&w, IOTSAFE_TAG_HASH, hash);
    return derive(card, secret, IOTSAFE_INS_COMPUTE_HKDF, &w, ret_prk, n, op);
}

enum iotsafe_err iotsafe_prf(struct iotsafe_card *card, const struct iotsafe_name *secret,
                             const uint8_t *label_seed, size_t label_seed_len, uint8_t *ret_bytes,
                             size_t n, struct iotsafe_op *op)
{
    uint8_t tail[APDU_DATA_MAX];
    struct tlv_writer w = { .out = tail, .cap = sizeof(tail) };

    if (n < 1 || n > 255) {
        op_set(op, "the applet derives 1 to 255 bytes, not %zu", n);
        return IOTSAFE_ERR_ARGUMENT;
    }
    tlv_put(&w, IOTSAFE_TAG_DERIVE_LABEL_SEED, label_seed, label_seed_len);
    tlv_put_u8(&w, IOTSAFE_TAG_DERIVE_LENGTH, (uint8_t)n);
    return derive(card, secret, IOTSAFE_INS_COMPUTE_PRF, &w, ret_bytes, n, op);
}
