/* READ PUBLIC KEY (IoT.05 2.5.7). */
#include "cmd.h"

/* The point in an answer: 34 { 49 { 86 04 X Y } }, 34 { 86 ... }, or bare. */
static bool point_parse(const uint8_t *in, size_t len, uint8_t ret_point[static IOTSAFE_POINT_SIZE])
{
    static const uint8_t path[] = { IOTSAFE_TAG_PUBLIC_KEY_DATA, IOTSAFE_TAG_ECC_PUBLIC_KEY,
                                    IOTSAFE_TAG_ECC_POINT };
    struct tlv tlv;

    for (size_t i = 0; i < sizeof(path) && len != IOTSAFE_POINT_SIZE; i++) {
        if (tlv_find(in, len, path[i], &tlv) == IOTSAFE_OK) {
            in = tlv.val;
            len = tlv.len;
        } else if (path[i] != IOTSAFE_TAG_ECC_PUBLIC_KEY) {
            return false;
        }
    }
    if (len != IOTSAFE_POINT_SIZE || in[0] != 0x04)
        return false;
    memcpy(ret_point, in, IOTSAFE_POINT_SIZE);
    return true;
}

struct read_key_job {
    struct apdu_cmd cmd;
    uint8_t point[IOTSAFE_POINT_SIZE];
};

static enum iotsafe_err run_read_key(const struct card_use *use, void *arg)
{
    struct read_key_job *job = arg;
    uint8_t data[1024];
    uint8_t key[CACHE_KEY_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    size_t key_len = cmd_cache_key(&job->cmd, key);
    const uint8_t *known = cache_get(use->cache, key, key_len, &rsp.len);
    enum iotsafe_err err;

    if (known != NULL && rsp.len == sizeof(job->point)) {
        memcpy(job->point, known, sizeof(job->point));
        return IOTSAFE_OK;
    }
    err = channel_exchange(use->channel, &job->cmd, &rsp, use->deadline, use->diag);
    if (err != IOTSAFE_OK)
        return err;
    if (!point_parse(data, rsp.len, job->point)) {
        diag_set(use->diag, "READ PUBLIC KEY answered %zu bytes that hold no point of a 256-bit "
                            "curve (%s)",
                 rsp.len, use->channel->transport->device);
        return IOTSAFE_ERR_PROTOCOL;
    }
    cache_put(use->cache, key, key_len, job->point, sizeof(job->point));
    return IOTSAFE_OK;
}

static enum iotsafe_err read_key_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                       void *arg, struct iotsafe_diag *diag)
{
    struct read_key_job job = { .cmd = { .ins = 0 } };
    enum iotsafe_err err = cmd_named(&job.cmd, IOTSAFE_INS_READ_PUBLIC_KEY, IOTSAFE_PUBLIC_KEY,
                                     name, APDU_NE_MAX);

    if (err == IOTSAFE_OK)
        err = card_run(card, run_read_key, &job, diag);
    if (err == IOTSAFE_OK)
        memcpy(arg, job.point, sizeof(job.point));
    return err;
}

enum iotsafe_err iotsafe_read_public_key(struct iotsafe_card *card,
                                         const struct iotsafe_name *name,
                                         uint8_t ret_point[static IOTSAFE_POINT_SIZE],
                                         struct iotsafe_diag *diag)
{
    return cmd_addressed(card, IOTSAFE_PUBLIC_KEY, name, read_key_named, ret_point, diag);
}
