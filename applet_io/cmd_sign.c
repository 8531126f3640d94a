/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE SIGNATURE (IoT.05 2.10): the form that the applet takes is found by
 * trying, from the cheapest to the dearest, and remembered. */
#include "cmd.h"
#include "input.h"

struct sign_job {
    struct iotsafe_name name;
    enum iotsafe_scheme scheme;
    const struct iotsafe_input *input;
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t sig_len;
};

static uint8_t scheme_bit(enum iotsafe_scheme scheme)
{
    return scheme == IOTSAFE_RSA_PKCS1 ? IOTSAFE_SIG_RSA_PKCS1
           : scheme == IOTSAFE_RSA_PSS ? IOTSAFE_SIG_RSA_PSS
                                       : IOTSAFE_SIG_ECDSA;
}

/* -------------------------------------------------------------- signature */

static bool is_signature(enum iotsafe_scheme scheme, const uint8_t *in, size_t len)
{
    if (scheme != IOTSAFE_ECDSA)
        return len == IOTSAFE_RSA_MODULUS_MAX;
    return len == 64 || (len >= 8 && len <= 72 && in[0] == 0x30 && in[1] == len - 2);
}

static bool signature_parse(const uint8_t *in, size_t len, struct sign_job *job)
{
    const struct tlv sig = tlv_signature(in, len);

    if (!is_signature(job->scheme, sig.val, sig.len))
        return false;
    memcpy(job->sig, sig.val, sig.len);
    job->sig_len = sig.len;
    return true;
}

/* ---------------------------------------------------------------- one way */

/* One way to ask for the signature. */
struct way {
    uint8_t mode;
    const struct iotsafe_input *input;
};

static enum iotsafe_err begin(const struct card_use *use, const struct sign_job *job,
                              const struct way *way, struct session *ret_session)
{
    uint8_t data[APDU_DATA_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    size_t len = 0;
    uint16_t sw;
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PRIVATE_KEY, &job->name);
    input_put_algorithms(&w, way->mode, way->input->hash, scheme_bit(job->scheme));
    err = tlv_finish(&w, &len);
    if (err != IOTSAFE_OK)
        return err;
    return session_begin(use, IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, data, len, ret_session, &sw);
}

static enum iotsafe_err go_way(const struct card_use *use, struct sign_job *job,
                               const struct way *way)
{
    uint8_t answer[512];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    struct session session;
    enum iotsafe_err err = begin(use, job, way, &session);

    if (err != IOTSAFE_OK)
        return err;
    err = input_send(use, &session, way->input, way->mode, NULL, APDU_NE_MAX, &rsp);
    if (err == IOTSAFE_OK && !signature_parse(answer, rsp.len, job)) {
        op_set(use->op,
               "COMPUTE SIGNATURE UPDATE answered %zu bytes that hold no signature "
               "of this kind (%s)",
               rsp.len, use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    session_end(use, &session, err);
    return err;
}

/* --------------------------------------------------------------- all ways */

static bool may_be_about_the_way(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_DATA || err == IOTSAFE_ERR_CONDITIONS
           || err == IOTSAFE_ERR_UNSUPPORTED || err == IOTSAFE_ERR_LENGTH;
}

static const uint8_t modes[] = { IOTSAFE_MODE_PAD_AND_SIGN, IOTSAFE_MODE_LAST_BLOCK,
                                 IOTSAFE_MODE_FULL_TEXT };

/* What the applet refused on the way to success is not tried again. */
static void learn(struct traits *traits, const struct iotsafe_input *given, const struct way *good,
                  uint8_t modes_tried)
{
    if (good->input != given)
        traits->hashes_refused |= given->hash;
    else
        traits->modes_refused |= modes_tried;
}

/* The ways of one mode: the hash as it is, its leftmost bits under another name. */
static enum iotsafe_err try_mode(const struct card_use *use, struct sign_job *job, uint8_t mode,
                                 uint8_t modes_tried)
{
    struct traits *traits = &use->channel->traits;
    const struct iotsafe_input shortened = input_shortened(job->input);
    const struct way as_given = { mode, job->input };
    const struct way short_way = { mode, &shortened };
    const bool may_shorten = mode == IOTSAFE_MODE_PAD_AND_SIGN && job->scheme == IOTSAFE_ECDSA
                             && job->input->hash != IOTSAFE_HASH_SHA256;
    enum iotsafe_err err = IOTSAFE_ERR_DATA, second;

    if (!may_shorten || (traits->hashes_refused & job->input->hash) == 0)
        err = go_way(use, job, &as_given);
    if (err == IOTSAFE_OK)
        learn(traits, job->input, &as_given, modes_tried);
    if (!may_shorten || !may_be_about_the_way(err))
        return err;
    second = go_way(use, job, &short_way);
    if (second == IOTSAFE_OK)
        learn(traits, job->input, &short_way, 0);
    return second == IOTSAFE_OK ? IOTSAFE_OK : err;
}

static enum iotsafe_err run_sign(const struct card_use *use, void *arg)
{
    struct traits *traits = &use->channel->traits;
    struct sign_job *job = arg;
    struct card_use quiet = *use;
    uint8_t tried = 0;
    enum iotsafe_err first = IOTSAFE_OK;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        const uint8_t bit = (uint8_t)(1u << modes[i]);
        enum iotsafe_err err;

        if (!input_suits_mode(job->input, modes[i]) || (traits->modes_refused & bit) != 0)
            continue;
        err = try_mode(tried == 0 ? use : &quiet, job, modes[i], tried);
        if (err == IOTSAFE_OK || !may_be_about_the_way(err) || !use->channel->verified)
            return err;
        if (tried == 0)
            first = err;
        quiet.op = NULL; /* the first failure tells more */
        tried |= bit;
    }
    if (tried != 0)
        return first;
    op_set(use->op,
           "the applet wants to hash the text itself, and only a ready digest is at "
           "hand or the text is longer than %d bytes (%s)",
           IOTSAFE_TEXT_MAX, use->channel->transport->device);
    return IOTSAFE_ERR_DIGEST;
}

static enum iotsafe_err sign_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                   void *arg, struct iotsafe_op *op)
{
    struct sign_job *job = arg;

    job->name = *name;
    return card_run(card, run_sign, job, op);
}

enum iotsafe_err iotsafe_sign(struct iotsafe_card *card, const struct iotsafe_name *name,
                              enum iotsafe_scheme scheme, const struct iotsafe_input *input,
                              uint8_t ret_sig[static IOTSAFE_SIGNATURE_MAX], size_t *ret_sig_len,
                              struct iotsafe_op *op)
{
    struct sign_job job = { .scheme = scheme, .input = input };
    enum iotsafe_err err = cmd_addressed(card, IOTSAFE_PRIVATE_KEY, name, sign_named, &job, op);

    if (err == IOTSAFE_OK) {
        memcpy(ret_sig, job.sig, job.sig_len);
        *ret_sig_len = job.sig_len;
    }
    return err;
}
