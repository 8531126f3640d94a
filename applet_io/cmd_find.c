/* SPDX-License-Identifier: Apache-2.0 */
/* The one object that a name stands for: from the object list, or, of an applet that has
 * none, by GET DATA - single object (IoT.05 2.14). */
#include <stdlib.h>

#include "cmd.h"

struct find_job {
    enum iotsafe_kind kind;
    struct iotsafe_name name;
    struct iotsafe_object *objects; /* owned; the list, or the one that was asked for */
    size_t n;
    bool listed;
};

/* ----------------------------------------------------------- single object */

static const uint8_t p1_of_kind[] = {
    [IOTSAFE_PRIVATE_KEY] = IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE,
    [IOTSAFE_PUBLIC_KEY] = IOTSAFE_TAG_PUBLIC_KEY_TEMPLATE,
    [IOTSAFE_FILE] = IOTSAFE_TAG_FILE_TEMPLATE,
    [IOTSAFE_SECRET] = IOTSAFE_TAG_SECRET_TEMPLATE,
};

/* Some applets tell an object without the label by which it was asked for. */
static void complete_name(struct iotsafe_name *name, const struct iotsafe_name *asked)
{
    if (name->id_len == 0) {
        memcpy(name->id, asked->id, asked->id_len);
        name->id_len = asked->id_len;
    } else if (name->label_len == 0 && asked->id_len == 0) {
        memcpy(name->label, asked->label, sizeof(name->label));
        name->label_len = asked->label_len;
    }
}

/* @param tags  the kind whose tags carry the name: its own, or another's */
static enum iotsafe_err ask_by_tags(const struct card_use *use, struct find_job *job,
                                    enum iotsafe_kind tags, uint16_t *ret_sw)
{
    struct apdu_cmd cmd = { .p1 = p1_of_kind[job->kind] };
    uint8_t data[512];
    struct apdu_rsp rsp = APDU_RSP_ON(data);
    enum iotsafe_err err = cmd_named(&cmd, IOTSAFE_INS_GET_DATA, tags, &job->name, APDU_NE_MAX);

    *ret_sw = 0;
    if (err == IOTSAFE_OK) {
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
        *ret_sw = rsp.sw;
    }
    if (err != IOTSAFE_OK)
        return err;
    job->n = objects_parse(data, rsp.len, job->objects, IOTSAFE_OBJECTS_MAX);
    if (job->n != 1 || job->objects[0].kind != job->kind) {
        op_set(use->op, "GET DATA returned no readable %s (%s)", iotsafe_kind_name(job->kind),
               use->channel->transport->device);
        return IOTSAFE_ERR_PROTOCOL;
    }
    complete_name(&job->objects[0].name, &job->name);
    return IOTSAFE_OK;
}

/* How applets say that a tag is none of theirs. */
static bool refuses_tag(uint16_t sw)
{
    return sw == SW_WRONG_DATA || sw == SW_CONDITIONS;
}

/* A file is asked for by its own tags; some applets want those of secrets and refuse the
 * others. What worked is tried first from then on, the other way never left out. */
static enum iotsafe_err ask_for_object(const struct card_use *use, struct find_job *job)
{
    bool *by_secret = &use->channel->traits.file_by_secret_tags;
    const bool file = job->kind == IOTSAFE_FILE;
    enum iotsafe_kind tags = file && *by_secret ? IOTSAFE_SECRET : job->kind;
    uint16_t sw;
    enum iotsafe_err err = ask_by_tags(use, job, tags, &sw);

    if (err == IOTSAFE_OK || !file || !refuses_tag(sw))
        return err;
    tags = *by_secret ? IOTSAFE_FILE : IOTSAFE_SECRET;
    err = ask_by_tags(use, job, tags, &sw);
    if (err == IOTSAFE_OK)
        *by_secret = tags == IOTSAFE_SECRET;
    return err;
}

/* That there is no such object, if it was the applet that said so. */
static enum iotsafe_err confirm_absence(const struct card_use *use)
{
    struct channel *ch = use->channel;
    const unsigned n_opened = ch->n_opened;
    enum iotsafe_err err = channel_confirm(ch, use->deadline, use->op);

    return err == IOTSAFE_OK && ch->n_opened != n_opened ? IOTSAFE_ERR_CHANNEL_LOST : err;
}

static enum iotsafe_err run_single(const struct card_use *use, struct find_job *job)
{
    enum iotsafe_err err;

    job->objects = calloc(IOTSAFE_OBJECTS_MAX, sizeof(*job->objects));
    if (job->objects == NULL)
        return IOTSAFE_ERR_MEMORY;
    err = ask_for_object(use, job);
    if (err == IOTSAFE_ERR_NOT_FOUND || err == IOTSAFE_ERR_DATA) {
        job->n = 0;
        err = confirm_absence(use);
    }
    if (err == IOTSAFE_OK)
        return IOTSAFE_OK;
    free(job->objects);
    job->objects = NULL;
    return err;
}

/* ------------------------------------------------------------------- find */

static enum iotsafe_err run_find(const struct card_use *use, void *arg)
{
    struct find_job *job = arg;
    bool by_name = false;
    enum iotsafe_err err = cmd_list_objects(use, &job->objects, &job->n, &by_name);

    job->listed = err == IOTSAFE_OK;
    return err != IOTSAFE_OK && by_name ? run_single(use, job) : err;
}

static void list_names(struct iotsafe_op *op, const struct find_job *job,
                       const struct iotsafe_name *only)
{
    const char *separator = "";
    char text[NAME_TEXT_MAX];

    for (size_t i = 0; i < job->n; i++) {
        const struct iotsafe_object *object = &job->objects[i];

        if (object->kind != job->kind
            || (only != NULL && !iotsafe_name_matches(only, &object->name)))
            continue;
        name_text(&object->name, text);
        op_add(op, "%s %s", separator, text);
        separator = ",";
    }
    if (*separator == '\0')
        op_add(op, " none");
}

static enum iotsafe_err choose(const struct find_job *job, const char *device,
                               struct iotsafe_object *ret_object, struct iotsafe_op *op)
{
    const struct iotsafe_object *found = NULL;
    char text[NAME_TEXT_MAX];
    size_t n_found = 0;

    for (size_t i = 0; i < job->n; i++)
        if (job->objects[i].kind == job->kind
            && iotsafe_name_matches(&job->name, &job->objects[i].name)) {
            n_found++;
            found = found != NULL ? found : &job->objects[i];
        }
    if (n_found == 1) {
        *ret_object = *found;
        return IOTSAFE_OK;
    }
    name_text(&job->name, text);
    if (n_found == 0) {
        op_set(op, "no %s %s on the SIM at %s; ", iotsafe_kind_name(job->kind), text, device);
        if (job->listed) {
            op_add(op, "there are:");
            list_names(op, job, NULL);
        } else {
            op_add(op, "it has no list of its objects");
        }
        return IOTSAFE_ERR_NOT_FOUND;
    }
    op_set(op, "%zu objects are called %s %s; say which by id:", n_found,
           iotsafe_kind_name(job->kind), text);
    list_names(op, job, &job->name);
    return IOTSAFE_ERR_AMBIGUOUS;
}

enum iotsafe_err iotsafe_find(struct iotsafe_card *card, enum iotsafe_kind kind,
                              const struct iotsafe_name *name, struct iotsafe_object *ret_object,
                              struct iotsafe_op *op)
{
    struct find_job job = { .kind = kind, .name = *name };
    enum iotsafe_err err = card_run(card, run_find, &job, op);

    if (err == IOTSAFE_OK)
        err = choose(&job, iotsafe_card_transport(card), ret_object, op);
    free(job.objects);
    return err;
}
