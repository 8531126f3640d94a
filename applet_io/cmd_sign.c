/* COMPUTE SIGNATURE, pad-and-sign mode with ECDSA (IoT.05 2.10). */
#include "cmd.h"
#include "session.h"

struct sign_job {
    struct iotsafe_name name;
    uint16_t hash;      /* IOTSAFE_HASH_... announced to the card */
    const uint8_t *digest;
    size_t digest_len;
    uint8_t sig[IOTSAFE_SIGNATURE_MAX];
    size_t sig_len;
};

static const struct {
    size_t digest_len;
    uint16_t hash;
} hashes[] = {
    { 32, IOTSAFE_HASH_SHA256 },
    { 48, IOTSAFE_HASH_SHA384 },
    { 64, IOTSAFE_HASH_SHA512 },
};

/* -------------------------------------------------------------- signature */

/* Length of tag 33's value: one byte, two bytes or BER, whichever fits. */
static bool signature_extent(const uint8_t *in, size_t len, size_t *ret_head)
{
    size_t n;

    if (len < 2 || in[0] != IOTSAFE_TAG_SIGNATURE)
        return false;
    n = len - 1; /* bytes behind the tag */
    if (in[1] == n - 1)
        *ret_head = 2;
    else if (n >= 2 && (size_t)(in[1] << 8 | in[2]) == n - 2)
        *ret_head = 3;
    else if (n >= 2 && in[1] == 0x81 && in[2] == n - 2)
        *ret_head = 3;
    else
        return false;
    return true;
}

/* r || s or DER; which of both is right shows in its length and first byte. */
static bool signature_parse(const uint8_t *in, size_t len, struct sign_job *job)
{
    size_t head = 0;

    if (!signature_extent(in, len, &head))
        head = 0; /* some answer without a tag */
    in += head;
    len -= head;
    if (len != 64 && (len < 8 || len > 72 || in[0] != 0x30 || in[1] != len - 2))
        return false;
    memcpy(job->sig, in, len);
    job->sig_len = len;
    return true;
}

static enum iotsafe_err sign_begin(const struct card_use *use, const struct sign_job *job,
                                   struct session *ret_session)
{
    uint8_t data[APDU_DATA_MAX];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    size_t len = 0;
    uint16_t sw;
    enum iotsafe_err err;

    name_put(&w, IOTSAFE_PRIVATE_KEY, &job->name);
    tlv_put_u8(&w, IOTSAFE_TAG_MODE, IOTSAFE_MODE_PAD_AND_SIGN);
    tlv_put_u16(&w, IOTSAFE_TAG_HASH, job->hash);
    tlv_put_u8(&w, IOTSAFE_TAG_SIGNATURE_ALG, IOTSAFE_SIG_ECDSA);
    err = tlv_finish(&w, &len);
    if (err != IOTSAFE_OK)
        return err;
    return session_begin(use, IOTSAFE_INS_COMPUTE_SIGNATURE_INIT, data, len, ret_session, &sw);
}

static enum iotsafe_err sign_update(const struct card_use *use, struct sign_job *job,
                                    const struct session *session)
{
    uint8_t data[APDU_DATA_MAX], answer[512];
    struct tlv_writer w = { .out = data, .cap = sizeof(data) };
    struct apdu_rsp rsp = APDU_RSP_ON(answer);
    size_t len = 0;
    enum iotsafe_err err;

    tlv_put(&w, IOTSAFE_TAG_FINAL_HASH, job->digest, job->digest_len);
    err = tlv_finish(&w, &len);
    if (err == IOTSAFE_OK)
        err = session_update(use, session, true, data, len, APDU_NE_MAX, &rsp);
    if (err == IOTSAFE_OK && !signature_parse(answer, rsp.len, job)) {
        diag_set(use->diag, "COMPUTE SIGNATURE UPDATE answered %zu bytes that hold no ECDSA "
                            "signature (%s)",
                 rsp.len, use->channel->transport->device);
        err = IOTSAFE_ERR_PROTOCOL;
    }
    return err;
}

static enum iotsafe_err sign_as_set(const struct card_use *use, struct sign_job *job)
{
    struct session session;
    enum iotsafe_err err = sign_begin(use, job, &session);

    if (err != IOTSAFE_OK)
        return err;
    err = sign_update(use, job, &session);
    session_end(use, &session, err);
    return err;
}

static bool may_be_about_the_hash(enum iotsafe_err err)
{
    return err == IOTSAFE_ERR_DATA || err == IOTSAFE_ERR_CONDITIONS
           || err == IOTSAFE_ERR_UNSUPPORTED;
}

/* ECDSA on a 256-bit curve takes the leftmost 256 bits of a longer hash: an
 * applet that refuses the longer hash by name still signs those bits. */
static void shorten(struct sign_job *job)
{
    job->hash = IOTSAFE_HASH_SHA256;
    job->digest_len = 32;
}

static enum iotsafe_err run_sign(const struct card_use *use, void *arg)
{
    struct traits *traits = &use->channel->traits;
    struct sign_job *given = arg;
    struct sign_job job = *given;
    struct card_use quiet = *use;
    enum iotsafe_err err, second;

    if ((traits->hashes_refused & job.hash) != 0)
        shorten(&job);
    err = sign_as_set(use, &job);
    if (err != IOTSAFE_OK && job.digest_len > 32 && may_be_about_the_hash(err)
        && use->channel->verified) {
        shorten(&job);
        quiet.diag = NULL; /* the first failure tells more */
        second = sign_as_set(&quiet, &job);
        if (second == IOTSAFE_OK)
            traits->hashes_refused |= given->hash;
        err = second == IOTSAFE_OK ? IOTSAFE_OK : err;
    }
    if (err == IOTSAFE_OK) {
        memcpy(given->sig, job.sig, job.sig_len);
        given->sig_len = job.sig_len;
    }
    return err;
}

static enum iotsafe_err sign_named(struct iotsafe_card *card, const struct iotsafe_name *name,
                                   void *arg, struct iotsafe_diag *diag)
{
    struct sign_job *job = arg;

    job->name = *name;
    return card_run(card, run_sign, job, diag);
}

enum iotsafe_err iotsafe_sign(struct iotsafe_card *card, const struct iotsafe_name *name,
                              const uint8_t *digest, size_t digest_len,
                              uint8_t ret_sig[static IOTSAFE_SIGNATURE_MAX], size_t *ret_sig_len,
                              struct iotsafe_diag *diag)
{
    struct sign_job job = { .digest = digest, .digest_len = digest_len };
    enum iotsafe_err err;

    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        if (hashes[i].digest_len == digest_len)
            job.hash = hashes[i].hash;
    if (job.hash == 0) {
        diag_set(diag, "a digest of %zu bytes: the applet signs 32 (SHA-256), 48 (SHA-384) or 64 "
                       "(SHA-512)",
                 digest_len);
        return IOTSAFE_ERR_DIGEST;
    }
    err = cmd_addressed(card, IOTSAFE_PRIVATE_KEY, name, sign_named, &job, diag);
    if (err == IOTSAFE_OK) {
        memcpy(ret_sig, job.sig, job.sig_len);
        *ret_sig_len = job.sig_len;
    }
    return err;
}
