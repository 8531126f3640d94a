/* SPDX-License-Identifier: Apache-2.0 */
/* COMPUTE SIGNATURE (IoT.05 2.10): the form that a key takes is found by trying, from
 * the cheapest to the dearest, and remembered for that key (key_forms.h). */
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

/* --------------------------------------------------------------- one form */

/* Which mode of operation a form is, and what the applet is given in it. */
static const uint8_t modes[N_SIGN_FORMS] = {
    [FORM_DIGEST] = IOTSAFE_MODE_PAD_AND_SIGN,
    [FORM_SHORT_DIGEST] = IOTSAFE_MODE_PAD_AND_SIGN,
    [FORM_LAST_BLOCK] = IOTSAFE_MODE_LAST_BLOCK,
    [FORM_TEXT] = IOTSAFE_MODE_FULL_TEXT,
};

static const char *const form_names[N_SIGN_FORMS] = {
    [FORM_DIGEST] = "digest",
    [FORM_SHORT_DIGEST] = "shortened digest",
    [FORM_LAST_BLOCK] = "intermediate hash",
    [FORM_TEXT] = "full text",
};

static bool form_is_possible(const struct sign_job *job, enum sign_form form)
{
    if (form == FORM_SHORT_DIGEST
        && (job->scheme != IOTSAFE_ECDSA || job->input->hash == IOTSAFE_HASH_SHA256))
        return false;
    return input_suits_mode(job->input, modes[form]);
}

static enum iotsafe_err begin(const struct card_use *use, const struct sign_job *job,
                              enum sign_form form, const struct iotsafe_input *input,
                              struct session *ret_session, uint16_t *ret_sw)
{
    uint8_t data[APDU_DATA_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    size_t len = 0;
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PRIVATE_KEY, &job->name);
    input_put_algorithms(&w, modes[form], input->hash, scheme_bit(job->scheme));
    err = tlv_finish(&w, &len);
    if (err != IOTSAFE_OK)
        return err;
    return session_begin(use, IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, data, len, ret_session, ret_sw);
}

/* INIT and UPDATE in one form. *ret_sw: the last status word. */
static enum iotsafe_err sign_in_form(const struct card_use *use, struct sign_job *job,
                                     enum sign_form form, uint16_t *ret_sw)
{
    const struct iotsafe_input shortened = input_shortened(job->input);
    const struct iotsafe_input *input = form == FORM_SHORT_DIGEST ? &shortened : job->input;
    uint8_t answer[512];
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    struct session session;
    enum iotsafe_err err = begin(use, job, form, input, &session, ret_sw);

    if (err != IOTSAFE_OK)
        return err;
    err = input_send(use, &session, input, modes[form], NULL, APDU_NE_MAX, &rsp);
    *ret_sw = rsp.sw;
    if (err == IOTSAFE_OK && !signature_parse(answer, rsp.len, job)) {
        op_set(use->op,
               "COMPUTE SIGNATURE UPDATE returned %zu bytes that are not a signature of this kind "
               "(%s)",
               rsp.len, use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    session_end(use, &session, err);
    return err;
}

/* -------------------------------------------------------------- all forms */

static bool may_be_about_the_form(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_DATA || err == IOTSAFE_ERR_CONDITIONS
           || err == IOTSAFE_ERR_UNSUPPORTED || err == IOTSAFE_ERR_LENGTH;
}

/* What was tried and refused, for the text of the error. */
static void add_refusal(struct iotsafe_op *tried, enum sign_form form, uint16_t sw)
{
    op_add(tried, "%s%s %04X", tried->text[0] != '\0' ? ", " : "", form_names[form], sw);
}

static enum iotsafe_err no_form_is_possible(const struct card_use *use)
{
    op_set(use->op, "there is neither a digest nor a text of at most %d bytes to sign (%s)",
           IOTSAFE_TEXT_MAX, use->channel->transport->device);
    return IOTSAFE_ERR_DIGEST;
}

/* Every form that is possible gets its try, the one that worked last before the others:
 * what one key or one moment refused is no rule for the next. */
static enum iotsafe_err run_sign(const struct card_use *use, void *arg)
{
    struct sign_job *job = arg;
    struct key_forms *forms = &use->channel->forms;
    const enum sign_form first = key_forms_first(forms, &job->name, job->input->hash);
    struct iotsafe_op tried = iotsafe_op_within(use->op);
    struct card_use quiet = *use;
    enum iotsafe_err worst = IOTSAFE_OK;
    unsigned n_tried = 0;

    for (unsigned i = 0; i <= N_SIGN_FORMS; i++) {
        const enum sign_form form = i == 0 ? first : (enum sign_form)(i - 1);
        enum iotsafe_err err;
        uint16_t sw = 0;

        if ((i > 0 && form == first) || !form_is_possible(job, form))
            continue;
        err = sign_in_form(n_tried == 0 ? use : &quiet, job, form, &sw);
        if (err == IOTSAFE_OK) {
            (void)key_forms_worked(forms, &job->name, job->input->hash, form);
            return IOTSAFE_OK;
        }
        if (!may_be_about_the_form(err)) {
            if (n_tried > 0)
                op_set(use->op, "%s", iotsafe_strerror(err));
            return err;
        }
        add_refusal(&tried, form, sw);
        if (n_tried++ == 0)
            worst = err;
        quiet.op = NULL; /* the first failure tells most */
    }
    if (n_tried == 0)
        return no_form_is_possible(use);
    if (n_tried > 1)
        op_add(use->op, "; tried: %s", tried.text);
    if (job->input->text == NULL && job->input->state == NULL)
        op_add(use->op,
               "; only a digest is available, and this key may need to hash the text itself");
    return worst;
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
