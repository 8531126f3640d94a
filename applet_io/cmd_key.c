/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys: READ, PUT and GENERATE KEY PAIR (IoT.05 2.5.7, 2.11). */
#include <stdlib.h>

#include "cmd.h"
#include "session.h"

/* ------------------------------------------------------------------- form */

/* The contents of tag 49 in an answer: 34 { 49 { ... } }, or 34 { ... }. */
static bool key_contents(const uint8_t *in, size_t len, struct tlv *ret_contents)
{
    struct tlv inner;

    if (tlv_find(in, len, IOTSAFE_TAG_PUBLIC_KEY_DATA, ret_contents) != IOTSAFE_OK)
        return false;
    if (tlv_find(ret_contents->val, ret_contents->len, IOTSAFE_TAG_ECC_PUBLIC_KEY, &inner)
        == IOTSAFE_OK)
        *ret_contents = inner;
    return true;
}

/* The point in an answer, with the tags around it or bare. */
static bool point_parse(const uint8_t *in, size_t len, uint8_t ret_point[static IOTSAFE_POINT_SIZE])
{
    struct tlv contents, point = { .val = in, .len = len };

    if (len != IOTSAFE_POINT_SIZE
        && (!key_contents(in, len, &contents)
            || tlv_find(contents.val, contents.len, IOTSAFE_TAG_ECC_POINT, &point) != IOTSAFE_OK))
        return false;
    if (point.len != IOTSAFE_POINT_SIZE || point.val[0] != 0x04)
        return false;
    memcpy(ret_point, point.val, IOTSAFE_POINT_SIZE);
    return true;
}

static bool take_integer(const struct tlv *tlv, uint8_t *ret_bytes, size_t cap, size_t *ret_len)
{
    const struct tlv number = tlv_without_zeros(tlv);

    if (number.len == 0 || number.len > cap)
        return false;
    memcpy(ret_bytes, number.val, number.len);
    *ret_len = number.len;
    return true;
}

/* The objects in the one object that all of `r` is; false if it is another one. */
static bool enter_ber(struct tlv_reader *r, uint8_t tag)
{
    struct tlv tlv;

    if (!tlv_take_ber(r, tag, &tlv) || r->len != 0)
        return false;
    *r = (struct tlv_reader){ .in = tlv.val, .len = tlv.len };
    return true;
}

/* 34 { 49 { 81 modulus, 82 exponent } } or without 49, each to its very end. */
static bool rsa_parse_ber(const uint8_t *in, size_t len, struct tlv *ret_n, struct tlv *ret_e)
{
    struct tlv_reader r = { .in = in, .len = len };

    if (!enter_ber(&r, IOTSAFE_TAG_PUBLIC_KEY_DATA)
        || (r.len != 0 && r.in[0] == IOTSAFE_TAG_ECC_PUBLIC_KEY
            && !enter_ber(&r, IOTSAFE_TAG_ECC_PUBLIC_KEY)))
        return false;
    return tlv_take_ber(&r, IOTSAFE_TAG_RSA_MODULUS, ret_n)
           && tlv_take_ber(&r, IOTSAFE_TAG_RSA_EXPONENT, ret_e) && r.len == 0;
}

/* ISO/IEC 7816-8: 81 modulus, 82 exponent; no applet's own form is known. */
static bool rsa_find(const uint8_t *in, size_t len, struct tlv *ret_n, struct tlv *ret_e)
{
    struct tlv contents;

    return key_contents(in, len, &contents)
           && tlv_find(contents.val, contents.len, IOTSAFE_TAG_RSA_MODULUS, ret_n) == IOTSAFE_OK
           && tlv_find(contents.val, contents.len, IOTSAFE_TAG_RSA_EXPONENT, ret_e) == IOTSAFE_OK;
}

static bool rsa_parse(const uint8_t *in, size_t len, struct iotsafe_rsa_key *ret_key)
{
    struct iotsafe_rsa_key key;
    struct tlv n, e;

    if ((!rsa_parse_ber(in, len, &n, &e) && !rsa_find(in, len, &n, &e))
        || !take_integer(&n, key.modulus, sizeof(key.modulus), &key.modulus_len)
        || !take_integer(&e, key.exponent, sizeof(key.exponent), &key.exponent_len))
        return false;
    *ret_key = key;
    return true;
}

static void put_point(struct tlv_writer *w, const uint8_t point[static IOTSAFE_POINT_SIZE])
{
    uint8_t inner[IOTSAFE_POINT_SIZE + 2], middle[IOTSAFE_POINT_SIZE + 4];
    struct tlv_writer wi = { .out = inner, .cap = sizeof(inner) };
    struct tlv_writer wm = { .out = middle, .cap = sizeof(middle) };

    tlv_put(&wi, IOTSAFE_TAG_ECC_POINT, point, IOTSAFE_POINT_SIZE);
    tlv_put(&wm, IOTSAFE_TAG_ECC_PUBLIC_KEY, inner, wi.len);
    tlv_put(w, IOTSAFE_TAG_PUBLIC_KEY_DATA, middle, wm.len);
}

/* ------------------------------------------------------------------- read */

#define KEY_ANSWER_MAX 1024

struct read_key_job {
    struct apdu_cmd cmd;
    uint8_t answer[KEY_ANSWER_MAX];
    size_t len;
};

static enum iotsafe_err run_read_key(const struct card_use *use, void *arg)
{
    struct read_key_job *job = arg;
    uint8_t key[CACHE_KEY_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(job->answer);
    size_t key_len = cmd_cache_key(&job->cmd, key);
    const uint8_t *known = cache_get(use->cache, key, key_len, &rsp.len);
    enum iotsafe_err err;

    if (known != NULL && rsp.len <= sizeof(job->answer)) {
        memcpy(job->answer, known, rsp.len);
        job->len = rsp.len;
        return IOTSAFE_OK;
    }
    err = channel_exchange(use->channel, &job->cmd, &rsp, use->deadline, use->op);
    if (err != IOTSAFE_OK)
        return err;
    job->len = rsp.len;
    cache_put(use->cache, key, key_len, job->answer, job->len);
    return IOTSAFE_OK;
}

static enum iotsafe_err read_key(struct iotsafe_card *card, const struct iotsafe_name *name,
                                 struct read_key_job *job, struct iotsafe_op *op)
{
    enum iotsafe_err err = cmd_named(&job->cmd, IOTSAFE_INS_READ_PUBLIC_KEY, IOTSAFE_PUBLIC_KEY,
                                     name, APDU_NE_MAX);

    return err == IOTSAFE_OK ? card_run(card, run_read_key, job, op) : err;
}

static bool key_parse(const uint8_t *in, size_t len, struct iotsafe_public_key *ret_key)
{
    ret_key->algorithm = IOTSAFE_EC;
    if (point_parse(in, len, ret_key->point))
        return true;
    ret_key->algorithm = IOTSAFE_RSA;
    return rsa_parse(in, len, &ret_key->rsa);
}

static enum iotsafe_err read_key_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                       void *arg, struct iotsafe_op *op)
{
    struct read_key_job job = { .len = 0 };
    struct iotsafe_public_key key;
    enum iotsafe_err err = read_key(card, name, &job, op);

    if (err != IOTSAFE_OK)
        return err;
    if (!key_parse(job.answer, job.len, &key)) {
        op_set(op,
               "READ PUBLIC KEY returned %zu bytes that contain no point on a 256-bit curve and no "
               "RSA key (%s)",
               job.len, iotsafe_card_transport(card));
        iotsafe_card_forget(card);
        return IOTSAFE_ERR_PROTOCOL;
    }
    *(struct iotsafe_public_key *)arg = key;
    return IOTSAFE_OK;
}

enum iotsafe_err iotsafe_read_public_key(struct iotsafe_card *card, const struct iotsafe_name *name,
                                         struct iotsafe_public_key *ret_key, struct iotsafe_op *op)
{
    return cmd_addressed(card, IOTSAFE_PUBLIC_KEY, name, read_key_named, ret_key, op);
}

enum iotsafe_err cmd_read_point(const struct card_use *use, const struct iotsafe_name *name,
                                uint8_t ret_point[static IOTSAFE_POINT_SIZE])
{
    struct apdu_cmd cmd = { 0 };
    uint8_t answer[KEY_ANSWER_MAX];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err = cmd_named(&cmd, IOTSAFE_INS_READ_PUBLIC_KEY, IOTSAFE_PUBLIC_KEY, name,
                                     APDU_NE_MAX);

    if (err == IOTSAFE_OK)
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    if (err == IOTSAFE_OK && !point_parse(answer, rsp.len, ret_point)) {
        op_set(use->op,
               "READ PUBLIC KEY returned %zu bytes that contain no point on a 256-bit curve",
               rsp.len);
        err = IOTSAFE_ERR_KEY;
    }
    return err;
}

/* --------------------------------------------------------------- generate */

struct generate_job {
    struct iotsafe_name name;
    struct iotsafe_generated made;
};

static void name_from_tlv(const uint8_t *in, size_t len, uint8_t tag, struct iotsafe_name *ret_name)
{
    struct tlv tlv;

    if (tlv_find(in, len, tag, &tlv) == IOTSAFE_OK && tlv.len <= IOTSAFE_ID_MAX) {
        memset(ret_name, 0, sizeof(*ret_name));
        memcpy(ret_name->id, tlv.val, tlv.len);
        ret_name->id_len = tlv.len;
    }
}

/* The label of a private key, from the list; false if there is none to be had. */
static bool label_of(const struct card_use *use, const struct iotsafe_name *private_key,
                     struct iotsafe_name *ret_label)
{
    struct card_use quiet = *use;
    struct iotsafe_object *objects = NULL;
    size_t n = 0;
    bool found = false;

    quiet.op = NULL;
    if (cmd_list_objects(&quiet, &objects, &n, NULL) != IOTSAFE_OK)
        return false;
    for (size_t i = 0; i < n && !found; i++) {
        const struct iotsafe_name *name = &objects[i].name;

        if (objects[i].kind != IOTSAFE_PRIVATE_KEY || !iotsafe_name_matches(private_key, name)
            || name->label_len == 0)
            continue;
        *ret_label = (struct iotsafe_name){ .label_len = name->label_len };
        memcpy(ret_label->label, name->label, sizeof(ret_label->label));
        found = true;
    }
    free(objects);
    return found;
}

/* The new public key, where the answer to GENERATE lacked it, in the same step: by its
 * identifier, by the label of the pair, by the name used. */
static enum iotsafe_err read_generated(const struct card_use *use, struct iotsafe_generated *made)
{
    struct iotsafe_name label;

    if (made->public_key.id_len != 0)
        return cmd_read_point(use, &made->public_key, made->point);
    if (label_of(use, &made->private_key, &label)
        && cmd_read_point(use, &label, made->point) == IOTSAFE_OK)
        return IOTSAFE_OK;
    return cmd_read_point(use, &made->private_key, made->point);
}

/* GENERATE and the reading of the key are one step: what another process generates in
 * between would else be taken for ours. */
static enum iotsafe_err run_generate(const struct card_use *use, void *arg)
{
    struct generate_job *job = arg;
    struct iotsafe_generated made = { .private_key = job->name };
    struct apdu_cmd cmd = { 0 };
    uint8_t answer[512];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    enum iotsafe_err err = cmd_named(&cmd, IOTSAFE_INS_GENERATE_KEY_PAIR, IOTSAFE_PRIVATE_KEY,
                                     &job->name, APDU_NE_MAX);

    if (err == IOTSAFE_OK)
        err = channel_exchange(use->channel, &cmd, &rsp, use->deadline, use->op);
    if (err != IOTSAFE_OK)
        return err;
    cache_clear(use->cache);
    name_from_tlv(answer, rsp.len, IOTSAFE_TAG_PRIVATE_KEY_ID, &made.private_key);
    name_from_tlv(answer, rsp.len, IOTSAFE_TAG_PUBLIC_KEY_ID, &made.public_key);
    if (!point_parse(answer, rsp.len, made.point)) {
        err = read_generated(use, &made);
        if (err != IOTSAFE_OK) /* the pair is there: no reason to generate another one */
            use->channel->outcome_unknown = true;
    }
    if (err == IOTSAFE_OK)
        job->made = made;
    return err;
}

static enum iotsafe_err generate_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                       void *arg, struct iotsafe_op *op)
{
    struct generate_job *job = arg;
    enum iotsafe_err err;

    job->name = *name;
    err = card_run(card, run_generate, job, op);
    if (err == IOTSAFE_ERR_OUTCOME)
        op_add(op, ": the container may hold a new key; read it with 'iotsafe pubkey' before "
                   "generating again");
    return err;
}

enum iotsafe_err iotsafe_generate(struct iotsafe_card *card, const struct iotsafe_name *name,
                                  struct iotsafe_generated *ret_generated, struct iotsafe_op *op)
{
    struct generate_job job = { .name = { .id_len = 0 } };
    enum iotsafe_err err = cmd_addressed(card, IOTSAFE_PRIVATE_KEY, name, generate_named, &job, op);

    if (err == IOTSAFE_OK)
        *ret_generated = job.made;
    return err;
}

/* -------------------------------------------------------------------- put */

enum iotsafe_err cmd_put_point(const struct card_use *use, const struct iotsafe_name *container,
                               const uint8_t point[static IOTSAFE_POINT_SIZE])
{
    uint8_t data[APDU_DATA_MAX], answer[APDU_RSP_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    struct session session;
    uint16_t sw;
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PUBLIC_KEY, container);
    err = session_begin(use, IOTSAFE_INS_PUT_PUBLIC_KEY_INIT, data, w.len, &session, &sw);
    if (err != IOTSAFE_OK)
        return err;
    w.len = 0;
    put_point(&w, point);
    err = session_update(use, &session, true, data, w.len, 0, &rsp);
    if (session_can_close(err))
        session_close(use, &session); /* some applets take the key only then */
    /* where nobody has turns, another client's session has ended ours */
    if (err == IOTSAFE_ERR_CONDITIONS && use->channel->transport->no_turns)
        err = IOTSAFE_ERR_CHANGED;
    cache_drop(use->cache, IOTSAFE_INS_READ_PUBLIC_KEY);
    return err;
}

struct put_job {
    struct iotsafe_name name;
    const uint8_t *point;
};

static enum iotsafe_err run_put(const struct card_use *use, void *arg)
{
    const struct put_job *job = arg;

    return cmd_put_point(use, &job->name, job->point);
}

static enum iotsafe_err put_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                  void *arg, struct iotsafe_op *op)
{
    struct put_job *job = arg;

    job->name = *name;
    return card_run(card, run_put, job, op);
}

enum iotsafe_err iotsafe_put_public_key(struct iotsafe_card *card, const struct iotsafe_name *name,
                                        const uint8_t point[static IOTSAFE_POINT_SIZE],
                                        struct iotsafe_op *op)
{
    struct put_job job = { .point = point };

    return cmd_addressed(card, IOTSAFE_PUBLIC_KEY, name, put_named, &job, op);
}
