/* SPDX-License-Identifier: Apache-2.0 */
/* VERIFY SIGNATURE (IoT.05 2.13) with a public key that the card holds. */
#include "cmd.h"
#include "input.h"

#define SIG_SIZE 64

struct verify_job {
    struct iotsafe_name name;
    const struct iotsafe_input *input;
    const uint8_t *sig;
    bool valid;
};

static enum iotsafe_err verify_once(const struct card_use *use, const struct verify_job *job,
                                    bool short_length)
{
    uint8_t data[APDU_DATA_MAX], tail[SIG_SIZE + 3], answer[APDU_RSP_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    struct tlv_writer wt = { .out = tail, .cap = sizeof(tail) };
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    struct session session;
    size_t len = 0;
    uint16_t sw;
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PUBLIC_KEY, &job->name);
    input_put_algorithms(&w, IOTSAFE_MODE_PAD_AND_SIGN, job->input->hash, IOTSAFE_SIG_ECDSA);
    tlv_put_signature(&wt, job->sig, SIG_SIZE, short_length);
    err = tlv_finish(&w, &len);
    if (err == IOTSAFE_OK)
        err = session_begin(use, IOTSAFE_INS_VERIFY_SIGNATURE_INIT, data, len, &session, &sw);
    if (err != IOTSAFE_OK)
        return err;
    err = input_send(use, &session, job->input, IOTSAFE_MODE_PAD_AND_SIGN, &wt, 0, &rsp);
    session_end(use, &session, err);
    return err;
}

static bool may_be_about_the_form(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_DATA || err == IOTSAFE_ERR_CONDITIONS || err == IOTSAFE_ERR_LENGTH
           || err == IOTSAFE_ERR_SIGNATURE;
}

/* Until a signature has once been found good, "wrong" may mean the form. */
static enum iotsafe_err run_verify(const struct card_use *use, void *arg)
{
    struct traits *traits = &use->channel->traits;
    struct verify_job *job = arg;
    struct card_use quiet = *use;
    enum iotsafe_err err = verify_once(use, job, traits->short_sig_length), second;

    quiet.op = NULL;
    if (!traits->verify_confirmed && may_be_about_the_form(err)) {
        second = channel_confirm(use->channel, use->deadline, use->op); /* was it the applet? */
        if (second != IOTSAFE_OK)
            return second;
        second = verify_once(&quiet, job, !traits->short_sig_length);
        if (second == IOTSAFE_OK)
            traits->short_sig_length = !traits->short_sig_length;
        if (second == IOTSAFE_OK || second == IOTSAFE_ERR_SIGNATURE)
            err = second;
    }
    traits->verify_confirmed = traits->verify_confirmed || err == IOTSAFE_OK;
    if (err != IOTSAFE_OK && err != IOTSAFE_ERR_SIGNATURE)
        return err;
    job->valid = err == IOTSAFE_OK;
    return IOTSAFE_OK;
}

static enum iotsafe_err verify_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                     void *arg, struct iotsafe_op *op)
{
    struct verify_job *job = arg;

    job->name = *name;
    return card_run(card, run_verify, job, op);
}

enum iotsafe_err iotsafe_verify(struct iotsafe_card *card, const struct iotsafe_name *name,
                                const struct iotsafe_input *input,
                                const uint8_t sig[static SIG_SIZE], bool *ret_valid,
                                struct iotsafe_op *op)
{
    struct verify_job job = { .input = input, .sig = sig };
    enum iotsafe_err err = cmd_addressed(card, IOTSAFE_PUBLIC_KEY, name, verify_named, &job, op);

    if (err == IOTSAFE_OK)
        *ret_valid = job.valid;
    return err;
}
