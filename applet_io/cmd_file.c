/* SPDX-License-Identifier: Apache-2.0 */
/* READ FILE (IoT.05 2.21): pieces until the end, wherever the card says it is. */
#include <stdlib.h>

#include "cmd.h"

#define FILE_CAP (IOTSAFE_FILE_MAX + 1)

struct file_job {
    struct iotsafe_name name;
    enum iotsafe_extent extent;
    size_t size_hint; /* 0: not known */
    uint8_t *bytes;   /* owned; FILE_CAP */
    size_t len;
};

/* ------------------------------------------------------- where it may end */

enum content_end {
    END_LATER,   /* the content goes on, up to *ret_end at least */
    END_HERE,    /* it ends at *ret_end */
    END_PERHAPS, /* it may end at *ret_end, where our bytes end, or go on */
    END_UNKNOWN  /* no certificate: only the card knows */
};

/* Total length of a DER SEQUENCE from its first bytes; 0: more are needed;
 * SIZE_MAX: it is none. */
static size_t der_total(const uint8_t *p, size_t len)
{
    size_t n_length, total = 0;

    if (len != 0 && p[0] != 0x30)
        return SIZE_MAX;
    if (len < 2)
        return 0;
    if (p[1] == 0x80 || p[1] > 0x83)
        return SIZE_MAX;
    if (p[1] < 0x80)
        return 2 + (size_t)p[1];
    n_length = p[1] & 0x7f;
    if (len < 2 + n_length)
        return 0;
    for (size_t i = 0; i < n_length; i++)
        total = total << 8 | p[2 + i];
    return 2 + n_length + total;
}

/* Certificates in DER one after another, then padding or the end. */
static enum content_end find_content_end(const uint8_t *p, size_t len, size_t *ret_end)
{
    size_t at = 0;

    while (at < len) {
        size_t total = der_total(p + at, len - at);

        *ret_end = at;
        if (total == SIZE_MAX || total > FILE_CAP - at)
            return at == 0 ? END_UNKNOWN : END_HERE;
        *ret_end = at + (total != 0 ? total : len - at + 1);
        if (total == 0 || total > len - at)
            return END_LATER;
        at += total;
    }
    *ret_end = at;
    return at == 0 ? END_LATER : END_PERHAPS;
}

/* --------------------------------------------------------------- reading */

static bool is_past_the_end(uint16_t sw)
{
    return sw == SW_INCOMPATIBLE_FILE || sw == SW_WRONG_P1P2 || sw == SW_WRONG_OFFSET;
}

/* Largest pieces that cards and modems are known to give: one of another size
 * is the last. */
static bool may_be_full_piece(size_t n, size_t largest)
{
    return n == largest && (n == 256 || n == 255 || n == 240 || n == 128 || n < 100);
}

/* What is still to come as far as we know; 0: no idea. */
static size_t known_rest(const struct file_job *job)
{
    size_t end = 0;

    if (job->extent == IOTSAFE_CERTIFICATES
        && find_content_end(job->bytes, job->len, &end) != END_LATER)
        end = 0;
    if (end < job->size_hint)
        end = job->size_hint;
    return job->size_hint != 0 && end > job->len ? end - job->len : 0;
}

/* One piece at the current end. *ret_n is 0 at the end of the file. */
static enum iotsafe_err read_piece(const struct card_use *use, struct file_job *job, size_t *ret_n)
{
    struct apdu_cmd cmd = { .p1 = (uint8_t)(job->len >> 8), .p2 = (uint8_t)job->len };
    struct apdu_rsp rsp = { .data = job->bytes + job->len, .cap = FILE_CAP - job->len };
    const size_t rest = known_rest(job);
    const size_t most = rsp.cap < APDU_NE_MAX ? rsp.cap : APDU_NE_MAX;
    enum iotsafe_err err = cmd_named(&cmd, IOTSAFE_INS_READ_FILE, IOTSAFE_FILE, &job->name,
                                     rest != 0 && rest < most ? rest : most);

    if (err != IOTSAFE_OK)
        return err;
    err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    if (rsp.sw == SW_END_OF_FILE && rsp.len != 0)
        err = IOTSAFE_OK;
    if (err == IOTSAFE_OK)
        *ret_n = rsp.len;
    if (err != IOTSAFE_OK && job->len > 0 && is_past_the_end(rsp.sw)) {
        *ret_n = 0;
        return IOTSAFE_OK;
    }
    return err;
}

/* After a piece of n bytes: is that all? If so, *ret_end says of how much. */
static bool file_is_complete(const struct file_job *job, size_t n, size_t largest, size_t *ret_end)
{
    enum content_end end = END_UNKNOWN;

    if (job->extent == IOTSAFE_CERTIFICATES)
        end = find_content_end(job->bytes, job->len, ret_end);
    if (end == END_HERE)
        return true;
    *ret_end = job->len;
    if (n == 0 || job->len >= FILE_CAP) /* behind it an offset has no two bytes */
        return true;
    if (end == END_LATER)
        return false;
    if (job->size_hint != 0)
        return job->len >= job->size_hint;
    return end == END_PERHAPS && !may_be_full_piece(n, largest);
}

static enum iotsafe_err read_all(const struct card_use *use, struct file_job *job)
{
    size_t largest = 0, n = 0, end = 0;
    enum iotsafe_err err;

    job->len = 0;
    do {
        err = read_piece(use, job, &n);
        if (err != IOTSAFE_OK)
            return err;
        job->len += n;
        if (n > largest)
            largest = n;
    } while (!file_is_complete(job, n, largest, &end));
    job->len = end;
    return IOTSAFE_OK;
}

static enum iotsafe_err run_read_file(const struct card_use *use, void *arg)
{
    struct file_job *job = arg;
    struct apdu_cmd as_key = { .p1 = (uint8_t)job->extent };
    uint8_t key[CACHE_KEY_MAX];
    size_t key_len = 0, len;
    const uint8_t *known;
    enum iotsafe_err err;

    if (cmd_named(&as_key, IOTSAFE_INS_READ_FILE, IOTSAFE_FILE, &job->name, 0) == IOTSAFE_OK)
        key_len = cmd_cache_key(&as_key, key);
    known = cache_get(use->cache, key, key_len, &len);
    if (known != NULL && len <= FILE_CAP) {
        memcpy(job->bytes, known, len);
        job->len = len;
        return IOTSAFE_OK;
    }
    err = read_all(use, job);
    if (err == IOTSAFE_OK)
        cache_put(use->cache, key, key_len, job->bytes, job->len);
    return err;
}

static enum iotsafe_err read_file_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                        void *arg, struct iotsafe_op *op)
{
    struct file_job *job = arg;

    job->name = *name;
    return card_run(card, run_read_file, job, op);
}

enum iotsafe_err iotsafe_read_file(struct iotsafe_card *card, const struct iotsafe_name *name,
                                   enum iotsafe_extent extent, size_t size_hint, uint8_t **ret_data,
                                   size_t *ret_len, struct iotsafe_op *op)
{
    struct file_job job = { .extent = extent, .size_hint = size_hint, .bytes = malloc(FILE_CAP) };
    enum iotsafe_err err = IOTSAFE_ERR_MEMORY;

    if (job.bytes != NULL && size_hint <= IOTSAFE_FILE_MAX)
        err = cmd_addressed(card, IOTSAFE_FILE, name, read_file_named, &job, op);
    if (err != IOTSAFE_OK) {
        free(job.bytes);
        return err;
    }
    *ret_data = job.bytes;
    *ret_len = job.len;
    return IOTSAFE_OK;
}
