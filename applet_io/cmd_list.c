/* SPDX-License-Identifier: Apache-2.0 */
/* GET DATA: the object list, the application (IoT.05 2.12-2.14). */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"

#define LIST_BYTES_MAX 65536
#define LIST_PAGES_MAX 256

/* ------------------------------------------------------------ object list */

struct list_job {
    uint8_t *bytes; /* owned; LIST_BYTES_MAX */
    size_t len;
    bool refused_p1; /* the applet has GET DATA, but no list */
};

static bool refuses_p1(uint16_t sw)
{
    return sw == SW_WRONG_P1P2 || sw == SW_FUNCTION_UNSUPPORTED || sw == SW_WRONG_OFFSET;
}

/* Pages are cut anywhere, even inside a length: join first, parse then. */
static enum iotsafe_err read_pages(const struct card_use *use, struct list_job *job)
{
    struct apdu_cmd cmd = { .ins = IOTSAFE_INS_GET_DATA,
                            .p1 = IOTSAFE_P1_OBJECT_LIST,
                            .p2 = IOTSAFE_P2_LIST_FIRST,
                            .ne = APDU_NE_MAX };

    job->len = 0;
    for (unsigned pages = 0; pages < LIST_PAGES_MAX; pages++) {
        struct apdu_rsp rsp = { .data = job->bytes + job->len, .cap = LIST_BYTES_MAX - job->len };
        enum iotsafe_err err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);

        if (rsp.sw == SW_INCOMPATIBLE_FILE)
            return IOTSAFE_ERR_UNSUPPORTED; /* how some modems filter GET DATA */
        job->refused_p1 = pages == 0 && refuses_p1(rsp.sw);
        if (job->refused_p1) {
            op_set(use->op, "the applet has no object list: GET DATA answered %04X (%s)", rsp.sw,
                   use->channel->transport->device);
            return IOTSAFE_ERR_UNSUPPORTED;
        }
        if (err != IOTSAFE_OK && rsp.sw != SW_MORE_DATA)
            return err;
        job->len += rsp.len;
        if (rsp.sw != SW_MORE_DATA || rsp.len == 0)
            return IOTSAFE_OK;
        cmd.p2 = IOTSAFE_P2_LIST_NEXT;
    }
    op_set(use->op, "the object list does not end after %d pages (%s)", LIST_PAGES_MAX,
           use->channel->transport->device);
    return IOTSAFE_ERR_PROTOCOL;
}

/* A server that keeps no turns lets other clients move the card's cursor between our
 * pages: a list is believed when it has been read twice alike. */
static enum iotsafe_err read_until_stable(const struct card_use *use, struct list_job *job)
{
    struct list_job before = { .bytes = malloc(LIST_BYTES_MAX) };
    enum iotsafe_err err = before.bytes != NULL ? read_pages(use, &before) : IOTSAFE_ERR_MEMORY;
    bool stable = false;

    job->refused_p1 = before.refused_p1;
    while (err == IOTSAFE_OK && !stable) {
        err = read_pages(use, job);
        stable = err == IOTSAFE_OK && job->len == before.len
                 && memcmp(job->bytes, before.bytes, job->len) == 0;
        if (err == IOTSAFE_OK && !stable) {
            memcpy(before.bytes, job->bytes, job->len);
            before.len = job->len;
        }
    }
    free(before.bytes);
    return err;
}

static enum iotsafe_err run_list(const struct card_use *use, void *arg)
{
    static const uint8_t key[] = { IOTSAFE_INS_GET_DATA, IOTSAFE_P1_OBJECT_LIST };
    struct list_job *job = arg;
    size_t len;
    const uint8_t *known = cache_get(use->cache, key, sizeof(key), &len);
    enum iotsafe_err err;

    if (known != NULL && len <= LIST_BYTES_MAX) {
        memcpy(job->bytes, known, len);
        job->len = len;
        return IOTSAFE_OK;
    }
    err = use->channel->transport->no_turns ? read_until_stable(use, job) : read_pages(use, job);
    if (err == IOTSAFE_OK)
        cache_put(use->cache, key, sizeof(key), job->bytes, job->len);
    return err;
}

enum iotsafe_err cmd_list_objects(const struct card_use *use, struct iotsafe_object **ret_objects,
                                  size_t *ret_n, bool *ret_by_name)
{
    struct list_job job = { .bytes = malloc(LIST_BYTES_MAX) };
    struct iotsafe_object *objects = calloc(IOTSAFE_OBJECTS_MAX, sizeof(*objects));
    enum iotsafe_err err = IOTSAFE_ERR_MEMORY;

    if (job.bytes != NULL && objects != NULL)
        err = run_list(use, &job);
    if (ret_by_name != NULL)
        *ret_by_name = job.refused_p1;
    if (err == IOTSAFE_OK) {
        *ret_n = objects_parse(job.bytes, job.len, objects, IOTSAFE_OBJECTS_MAX);
        if (*ret_n == 0 && job.len != 0) {
            op_set(use->op, "the object list of %zu bytes contains no readable object (%s)",
                   job.len, use->channel->transport->device);
            cache_clear(use->cache);
            err = IOTSAFE_ERR_PROTOCOL;
        }
    }
    free(job.bytes);
    if (err == IOTSAFE_OK)
        *ret_objects = objects;
    else
        free(objects);
    return err;
}

struct objects_job {
    struct iotsafe_object *objects;
    size_t n;
};

static enum iotsafe_err run_list_objects(const struct card_use *use, void *arg)
{
    struct objects_job *job = arg;

    return cmd_list_objects(use, &job->objects, &job->n, NULL);
}

enum iotsafe_err iotsafe_list(struct iotsafe_card *card, struct iotsafe_object **ret_objects,
                              size_t *ret_n, struct iotsafe_op *op)
{
    struct objects_job job = { .n = 0 };
    enum iotsafe_err err = card_run(card, run_list_objects, &job, op);

    if (err == IOTSAFE_OK) {
        *ret_objects = job.objects;
        *ret_n = job.n;
    }
    return err;
}

/* ------------------------------------------------------------ application */

/* 6981: the filter of a modem, as above. */
static bool lacks_the_command(uint16_t sw)
{
    return sw == SW_INS_UNKNOWN || sw == SW_WRONG_P1P2 || sw == SW_INCOMPATIBLE_FILE;
}

static enum iotsafe_err run_info(const struct card_use *use, void *arg)
{
    static const struct apdu_cmd cmd = { .ins = IOTSAFE_INS_GET_DATA,
                                         .p1 = IOTSAFE_P1_APPLICATION,
                                         .ne = IOTSAFE_APP_INFO_SIZE };
    struct channel *ch = use->channel;
    struct iotsafe_info info = { 0 };
    uint8_t data[512];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err = channel_exchange(ch, &cmd, &rsp, use->deadline, use->op);

    if (err == IOTSAFE_OK)
        info.known = info_parse(data, rsp.len, &info);
    else if (lacks_the_command(rsp.sw))
        err = channel_confirm(ch, use->deadline, use->op); /* it was the applet that said so? */
    if (err != IOTSAFE_OK)
        return err;
    memcpy(info.aid, ch->aid.bytes, ch->aid.len);
    info.aid_len = ch->aid.len;
    (void)snprintf(info.device, sizeof(info.device), "%s", ch->transport->device);
    (void)snprintf(info.channel, sizeof(info.channel), "%s", ch->session);
    *(struct iotsafe_info *)arg = info;
    return IOTSAFE_OK;
}

enum iotsafe_err iotsafe_card_info(struct iotsafe_card *card, struct iotsafe_info *ret_info,
                                   struct iotsafe_op *op)
{
    return card_run(card, run_info, ret_info, op);
}
