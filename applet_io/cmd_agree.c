/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE DH (IoT.05 2.5.3): the peer's point goes into a container first. */
#include "cmd.h"

struct agree_job {
    struct iotsafe_name private_key;
    const struct iotsafe_name *container;
    const uint8_t *point;
    uint8_t secret[IOTSAFE_SHARED_SECRET_SIZE];
};

/* 32 raw bytes, or the same in one TLV; zeros are no abscissa that may be used. */
static bool secret_parse(const uint8_t *in, size_t len,
                         uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE])
{
    uint8_t any = 0;

    if (len == IOTSAFE_SHARED_SECRET_SIZE + 2 && in[1] == IOTSAFE_SHARED_SECRET_SIZE) {
        in += 2;
        len -= 2;
    }
    if (len != IOTSAFE_SHARED_SECRET_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        any |= in[i];
    memcpy(ret_secret, in, len);
    return any != 0;
}

static enum iotsafe_err compute(const struct card_use *use, struct agree_job *job)
{
    struct apdu_cmd cmd = { .ins = IOTSAFE_INS_COMPUTE_DH, .ne = APDU_NE_MAX };
    struct tlv_writer w = { .out = cmd.data, .cap = sizeof(cmd.data) };
    uint8_t answer[512];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PRIVATE_KEY, &job->private_key);
    name_put(&w, IOTSAFE_PUBLIC_KEY, job->container);
    err = tlv_finish(&w, &cmd.data_len);
    if (err == IOTSAFE_OK)
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    if (err == IOTSAFE_OK && !secret_parse(answer, rsp.len, job->secret)) {
        op_set(use->op, "COMPUTE DH answered %zu bytes that are no shared secret (%s)", rsp.len,
               use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    explicit_bzero(answer, sizeof(answer));
    return err;
}

static enum iotsafe_err run_agree(const struct card_use *use, void *arg)
{
    struct agree_job *job = arg;
    enum iotsafe_err err = cmd_put_point(use, job->container, job->point);

    return err == IOTSAFE_OK ? compute(use, job) : err;
}

static enum iotsafe_err agree_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                    void *arg, struct iotsafe_op *op)
{
    struct agree_job *job = arg;

    job->private_key = *name;
    return card_run(card, run_agree, job, op);
}

enum iotsafe_err iotsafe_agree(struct iotsafe_card *card, const struct iotsafe_name *private_key,
                               const struct iotsafe_name *container,
                               const uint8_t point[static IOTSAFE_POINT_SIZE],
                               uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE],
                               struct iotsafe_op *op)
{
    struct agree_job job = { .container = container, .point = point };
    enum iotsafe_err err = cmd_addressed(card, IOTSAFE_PRIVATE_KEY, private_key, agree_named, &job,
                                         op);

    if (err == IOTSAFE_OK)
        memcpy(ret_secret, job.secret, sizeof(job.secret));
    explicit_bzero(&job, sizeof(job));
    return err;
}
