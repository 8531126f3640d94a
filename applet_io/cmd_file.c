/* READ FILE (IoT.05 2.21): pieces until the end, wherever the card says it is. */
#include <stdlib.h>

#include "cmd.h"
#include "trace.h"

#define FILE_CAP (IOTSAFE_FILE_MAX + 1)

/* Largest pieces that applets are known to answer; a smaller one is the last. */
static bool may_be_full_piece(size_t n, size_t largest)
{
    return n == largest && (n == 256 || n == 255 || n == 240 || n < 100);
}

struct file_job {
    struct iotsafe_name name;
    size_t size_hint; /* 0: not known */
    uint8_t *bytes;   /* owned; FILE_CAP */
    size_t len;
};

/* ------------------------------------------------------- where it may end */

enum extent {
    EXTENT_MORE,    /* more bytes are needed to tell */
    EXTENT_END,     /* the content ends at *ret_end */
    EXTENT_MAYBE,   /* it may end right here, or another certificate follows */
    EXTENT_UNKNOWN  /* not a certificate: only the card knows */
};

/* Total length of a DER SEQUENCE from its first bytes; 0: more are needed;
 * SIZE_MAX: it is none. */
static size_t der_total(const uint8_t *p, size_t len)
{
    size_t n_length, total = 0;

    if (len < 2)
        return 0;
    if (p[0] != 0x30 || p[1] == 0x80 || p[1] > 0x83)
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
static enum extent content_extent(const uint8_t *p, size_t len, size_t *ret_end)
{
    size_t at = 0;

    while (at < len) {
        size_t total = der_total(p + at, len - at);

        if (total == SIZE_MAX || (at > 0 && total > FILE_CAP - at)) {
            *ret_end = at;
            return at == 0 ? EXTENT_UNKNOWN : EXTENT_END;
        }
        if (total == 0 || total > len - at)
            return total > FILE_CAP ? EXTENT_UNKNOWN : EXTENT_MORE;
        at += total;
    }
    *ret_end = at;
    return at == 0 ? EXTENT_MORE : EXTENT_MAYBE;
}

/* --------------------------------------------------------------- reading */

static bool is_past_the_end(uint16_t sw)
{
    return sw == SW_INCOMPATIBLE_FILE || sw == SW_WRONG_P1P2 || sw == SW_WRONG_OFFSET;
}

/* One piece at the current end. *ret_n is 0 at the end of the file. */
static enum iotsafe_err read_piece(const struct card_use *use, struct file_job *job,
                                   size_t *ret_n)
{
    struct apdu_cmd cmd = { .p1 = (uint8_t)(job->len >> 8), .p2 = (uint8_t)job->len };
    struct apdu_rsp rsp = { .data = job->bytes + job->len, .cap = FILE_CAP - job->len };
    size_t left = job->size_hint != 0 ? job->size_hint - job->len : APDU_NE_MAX;
    enum iotsafe_err err = cmd_named(&cmd, IOTSAFE_INS_READ_FILE, IOTSAFE_FILE, &job->name,
                                     left < APDU_NE_MAX ? left : APDU_NE_MAX);

    if (err != IOTSAFE_OK)
        return err;
    err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->diag);
    if (err == IOTSAFE_OK)
        *ret_n = rsp.len;
    if (err != IOTSAFE_OK && job->len > 0 && is_past_the_end(rsp.sw)) {
        *ret_n = 0;
        return IOTSAFE_OK;
    }
    return err;
}

static bool file_is_complete(const struct file_job *job, size_t n, size_t largest, size_t *ret_end)
{
    enum extent extent;

    *ret_end = job->len;
    if (n == 0 || job->len >= FILE_CAP - APDU_NE_MAX)
        return true;
    if (job->size_hint != 0)
        return job->len >= job->size_hint;
    extent = content_extent(job->bytes, job->len, ret_end);
    if (extent == EXTENT_UNKNOWN)
        *ret_end = job->len;
    return extent == EXTENT_END
           || (extent == EXTENT_MAYBE && !may_be_full_piece(n, largest));
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
    if (job->size_hint != 0 && job->len > job->size_hint)
        job->len = job->size_hint;
    return IOTSAFE_OK;
}

static enum iotsafe_err run_read_file(const struct card_use *use, void *arg)
{
    struct file_job *job = arg;
    struct apdu_cmd as_key = { .p1 = job->size_hint != 0 };
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
                                        void *arg, struct iotsafe_diag *diag)
{
    struct file_job *job = arg;

    job->name = *name;
    return card_run(card, run_read_file, job, diag);
}

enum iotsafe_err iotsafe_read_file(struct iotsafe_card *card, const struct iotsafe_name *name,
                                   size_t size_hint, uint8_t **ret_data, size_t *ret_len,
                                   struct iotsafe_diag *diag)
{
    struct file_job job = { .size_hint = size_hint, .bytes = malloc(FILE_CAP) };
    enum iotsafe_err err = IOTSAFE_ERR_MEMORY;

    if (job.bytes != NULL && size_hint <= IOTSAFE_FILE_MAX)
        err = cmd_addressed(card, IOTSAFE_FILE, name, read_file_named, &job, diag);
    if (err != IOTSAFE_OK) {
        free(job.bytes);
        return err;
    }
    *ret_data = job.bytes;
    *ret_len = job.len;
    return IOTSAFE_OK;
}
