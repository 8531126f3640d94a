/* SPDX-License-Identifier: Apache-2.0 */
/* GET RANDOM (IoT.05; 6300 with data counts as success). */
#include "cmd.h"

#define PIECE_MAX 128

struct random_job {
    uint8_t *out; /* borrowed */
    size_t n, done;
};

static enum iotsafe_err run_random(const struct card_use *use, void *arg)
{
    struct random_job *job = arg;
    enum iotsafe_err err = IOTSAFE_OK;
    uint8_t data[512];

    while (err == IOTSAFE_OK && job->done < job->n) {
        size_t want = job->n - job->done < PIECE_MAX ? job->n - job->done : PIECE_MAX;
        struct apdu_cmd cmd = { .ins = IOTSAFE_INS_GET_RANDOM, .ne = want };
        struct apdu_rsp rsp = APDU_RSP_ON(data);

        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
        if (rsp.sw == SW_MORE_DATA && rsp.len != 0)
            err = IOTSAFE_OK;
        if (err == IOTSAFE_OK && rsp.len == 0) {
            op_set(use->op, "GET RANDOM answered without data (%s)",
                   use->channel->transport->device);
            err = IOTSAFE_ERR_PROTOCOL;
        }
        if (err != IOTSAFE_OK)
            break;
        if (rsp.len > want)
            rsp.len = want;
        memcpy(job->out + job->done, data, rsp.len);
        job->done += rsp.len;
    }
    explicit_bzero(data, sizeof(data));
    return err;
}

enum iotsafe_err iotsafe_random(struct iotsafe_card *card, uint8_t *ret_bytes, size_t n,
                                struct iotsafe_op *op)
{
    struct random_job job = { .out = ret_bytes, .n = n };
    enum iotsafe_err err = card_run(card, run_random, &job, op);

    if (err != IOTSAFE_OK)
        explicit_bzero(ret_bytes, n);
    return err;
}
