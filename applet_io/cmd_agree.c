/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE DH (IoT.05 2.5.3): the peer's point goes into a container first, and what could
 * make the result a wrong one without a word is looked at in between. */
#include <stdlib.h>

#include "cmd.h"

#define TRIES_MAX 16 /* on a server that keeps no turns */

struct agree_job {
    const struct iotsafe_agreement *a;
    struct iotsafe_name private_key, container; /* as they are addressed in this try */
    bool point_is_put;    /* what fails from then on is not the container's name */
    enum iotsafe_err err; /* of what came then */
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
    name_put(&w, IOTSAFE_PUBLIC_KEY, &job->container);
    err = tlv_finish(&w, &cmd.data_len);
    if (err == IOTSAFE_OK)
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    if (err == IOTSAFE_OK && !secret_parse(rsp.data, rsp.len, job->secret)) {
        op_set(use->op, "COMPUTE DH returned %zu bytes that are not a shared secret (%s)", rsp.len,
               use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    explicit_bzero(answer, sizeof(answer));
    return err;
}

/* ---------------------------------------------------------- is it still that pair? */

static bool is_given(const struct iotsafe_name *name)
{
    return name != NULL && (name->id_len != 0 || name->label_len != 0);
}

/* The specification's tie between the two keys of a pair. Equal identifiers are none: some
 * issuers give them to keys of different pairs. */
static bool tied(const struct iotsafe_name *private_key, const struct iotsafe_object *object)
{
    return object->kind == IOTSAFE_PUBLIC_KEY && private_key->label_len != 0
           && private_key->label_len == object->name.label_len
           && memcmp(private_key->label, object->name.label, private_key->label_len) == 0;
}

static enum iotsafe_err replaced(const struct card_use *use)
{
    cache_clear(use->cache); /* or the key is loaded as it was */
    op_set(use->op,
           "the key pair on the SIM is not the one that this program holds: it was generated "
           "again, or the SIM was replaced; load the key again (%s)",
           use->channel->transport->device);
    return IOTSAFE_ERR_KEY;
}

/* Compare one public-key object with what the caller holds. An object that cannot be read
 * says nothing. */
static enum iotsafe_err compare(const struct card_use *use, const struct agree_job *job,
                                const struct iotsafe_name *name, bool *ret_equal)
{
    struct card_use quiet = *use;
    uint8_t point[IOTSAFE_POINT_SIZE];
    enum iotsafe_err err;

    quiet.op = NULL;
    *ret_equal = false;
    err = cmd_read_point(&quiet, name, point);
    if (err == IOTSAFE_OK)
        *ret_equal = memcmp(point, job->a->own, sizeof(point)) == 0;
    return err;
}

/* Errors after which the whole step begins anew. */
static bool ends_the_step(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_TRANSPORT || err == IOTSAFE_ERR_TIMEOUT || err == IOTSAFE_ERR_PROTOCOL
           || err == IOTSAFE_ERR_DAMAGED || err == IOTSAFE_ERR_CHANNEL_LOST
           || err == IOTSAFE_ERR_NO_CARD || err == IOTSAFE_ERR_BUSY || err == IOTSAFE_ERR_CHANGED;
}

/* Where it is not known which object is the pair's public key: those of its label.
 * @param known  one held it when the caller read it; else an applet may have none to show */
static enum iotsafe_err check_by_list(const struct card_use *use, const struct agree_job *job,
                                      bool known)
{
    struct card_use quiet = *use;
    struct iotsafe_object *objects = NULL;
    const struct iotsafe_name *private_key = &job->private_key;
    bool differs = false, equal = false;
    enum iotsafe_err err;
    size_t n = 0;

    quiet.op = NULL;
    err = cmd_list_objects(&quiet, &objects, &n, NULL);
    if (err != IOTSAFE_OK)
        return ends_the_step(err) ? err
               : known            ? replaced(use)
                                  : IOTSAFE_OK; /* an applet without a list */
    for (size_t i = 0; i < n && private_key == &job->private_key; i++)
        if (objects[i].kind == IOTSAFE_PRIVATE_KEY
            && iotsafe_name_matches(private_key, &objects[i].name))
            private_key = &objects[i].name;
    for (size_t i = 0; i < n && err == IOTSAFE_OK && !equal; i++) {
        if (!tied(private_key, &objects[i]))
            continue;
        err = compare(use, job, &objects[i].name, &equal);
        differs = differs || err == IOTSAFE_OK;
        if (err != IOTSAFE_OK && !ends_the_step(err))
            err = IOTSAFE_OK;
    }
    free(objects);
    if (err == IOTSAFE_OK && !equal && (differs || known))
        err = replaced(use);
    return err;
}

static enum iotsafe_err check_own(const struct card_use *use, const struct agree_job *job)
{
    bool equal;
    enum iotsafe_err err;

    if (job->a->own == NULL)
        return IOTSAFE_OK;
    if (!is_given(job->a->own_name))
        return check_by_list(use, job, false);
    err = compare(use, job, job->a->own_name, &equal);
    if (err == IOTSAFE_OK)
        return equal ? IOTSAFE_OK : replaced(use);
    return ends_the_step(err) ? err : check_by_list(use, job, true);
}

/* ------------------------------------------------------------------ one step */

static enum iotsafe_err put_and_compute(const struct card_use *use, struct agree_job *job)
{
    enum iotsafe_err err = cmd_put_point(use, &job->container, job->a->peer);

    job->point_is_put = err == IOTSAFE_OK;
    /* with the turn that began with the PUT: nobody generates a pair in between */
    if (err == IOTSAFE_OK)
        err = check_own(use, job);
    return err == IOTSAFE_OK ? compute(use, job) : err;
}

/* Without turns the container is read back: it must hold our point still. */
static enum iotsafe_err prove_by_reading(const struct card_use *use, struct agree_job *job)
{
    uint8_t point[IOTSAFE_POINT_SIZE] = { 0 };

    for (int i = 0; i < TRIES_MAX; i++) {
        enum iotsafe_err err = put_and_compute(use, job);

        if (err == IOTSAFE_OK) {
            err = cmd_read_point(use, &job->container, point);
            if (iotsafe_err_is_refusal(err))
                op_add(use->op, "; without turns the peer's key must be readable where it was put");
        }
        if (err == IOTSAFE_OK)
            err = check_own(use, job);
        if (err != IOTSAFE_OK || memcmp(point, job->a->peer, sizeof(point)) == 0)
            return err;
        sleep_ms(1 + i, use->deadline);
    }
    op_set(use->op,
           "other programs keep using the container of the peer's key, and %s keeps no turns",
           use->channel->transport->device);
    return IOTSAFE_ERR_CHANGED;
}

static enum iotsafe_err run_agree(const struct card_use *use, void *arg)
{
    struct agree_job *job = arg;

    job->point_is_put = false;
    return use->channel->transport->no_turns ? prove_by_reading(use, job)
                                             : put_and_compute(use, job);
}

/* For the search of the container's name only failures up to the PUT count. */
static enum iotsafe_err with_container(struct iotsafe_card *card, const struct iotsafe_name *name,
                                       void *arg, struct iotsafe_op *op)
{
    struct agree_job *job = arg;
    enum iotsafe_err err;

    job->container = *name;
    err = card_run(card, run_agree, job, op);
    job->err = job->point_is_put ? err : IOTSAFE_OK;
    return job->point_is_put ? IOTSAFE_OK : err;
}

static enum iotsafe_err with_private_key(struct iotsafe_card *card, const struct iotsafe_name *name,
                                         void *arg, struct iotsafe_op *op)
{
    struct agree_job *job = arg;
    enum iotsafe_err err;

    job->private_key = *name;
    err = cmd_addressed(card, IOTSAFE_PUBLIC_KEY, job->a->container, with_container, job, op);
    return err != IOTSAFE_OK ? err : job->err;
}

enum iotsafe_err iotsafe_agree(struct iotsafe_card *card, const struct iotsafe_agreement *agreement,
                               uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE],
                               struct iotsafe_op *op)
{
    struct agree_job job = { .a = agreement };
    enum iotsafe_err err = cmd_addressed(card, IOTSAFE_PRIVATE_KEY, agreement->private_key,
                                         with_private_key, &job, op);

    if (err == IOTSAFE_OK)
        memcpy(ret_secret, job.secret, sizeof(job.secret));
    explicit_bzero(&job, sizeof(job));
    return err;
}
