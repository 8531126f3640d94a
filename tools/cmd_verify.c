/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe verify: does a signature belong to a file and a key? The applet says so
 * where it can, with its copy of the public key; else software does, with what
 * the SIM gives out. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "ecdsa_der.h"
#include "input.h"
#include "object.h"
#include "output.h"
#include "pubkey.h"
#include "report.h"
#include "store.h"
#include "tool.h"

enum { OPTION_DIGEST, OPTION_APPLET };

static const struct command_option options[] = {
    [OPTION_DIGEST] = COMMAND_OPTION_DIGEST,
    [OPTION_APPLET] = { "applet", NULL,
                        "only by the applet, with a key that the device cannot replace" },
    { .name = NULL },
};

/* What is to be verified. */
struct question {
    const char *operand; /* the URI as the user gave it */
    struct iotsafe_uri uri;
    bool only_applet; /* --applet */
    const struct digest *digest;
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned md_len;
    const char *sig_path;
    unsigned char *sig;
    size_t sig_len;
};

struct verdict {
    bool valid;
    bool by_applet;
    enum iotsafe_replaceable replaceable;
    char uri[IOTSAFE_URI_MAX]; /* of the key that was used */
};

enum outcome {
    DECIDED,
    NOT_HERE, /* this way cannot tell; why not is in a op */
    FAILED    /* reported */
};

static void report_bad_signature(const struct question *question)
{
    report_error("%s: not a signature that such a key makes (ECDSA in DER; %zu bytes)",
                 question->sig_path, question->sig_len);
}

/* -------------------------------------------------------------- by the applet */

/* With a key that this device can replace, the applet is worth no more than
 * software. */
static bool is_worth_it(const struct question *question, enum iotsafe_replaceable replaceable)
{
    if (!question->only_applet || replaceable == IOTSAFE_REPLACEABLE_NO)
        return true;
    report_error("%s: %s, so the applet's verdict is worth no more than the device's; without "
                 "--applet it is used nevertheless",
                 question->operand,
                 replaceable == IOTSAFE_REPLACEABLE_YES
                     ? "this device can replace the public key"
                     : "the applet does not say whether this device can replace the public key");
    return false;
}

/* The public-key object that the URI means: that of the private key of that
 * name, else the public key itself. */
static enum iotsafe_err find_public(struct iotsafe_card *card, const struct iotsafe_uri *uri,
                                    struct iotsafe_object *ret_object, struct iotsafe_op *op)
{
    struct iotsafe_object private_key;
    enum iotsafe_err err = IOTSAFE_ERR_NOT_FOUND;

    if (uri->type == IOTSAFE_URI_CERT) {
        snprintf(op->text, sizeof(op->text),
                 "the URI names a certificate, which the applet does not verify with");
        return err;
    }
    if (uri->type != IOTSAFE_URI_PUBLIC) {
        err = object_find(card, IOTSAFE_PRIVATE_KEY, &uri->name, &private_key, op);
        if (err == IOTSAFE_OK)
            return object_public_key(card, &private_key, ret_object, op);
    }
    if (err == IOTSAFE_ERR_NOT_FOUND && uri->type != IOTSAFE_URI_PRIVATE)
        err = object_find(card, IOTSAFE_PUBLIC_KEY, &uri->name, ret_object, op);
    return err;
}

#define RAW_SIZE (2 * ISPROV_FIELD_MAX) /* r || s of a 256-bit curve */

/* The curve of a key for ECDSA: where the applet does not tell it, the one with the
 * larger order, so that no number of the other is refused. NULL: of another type. */
static const struct isprov_type *curve_of(const struct iotsafe_object *key)
{
    const struct isprov_type *type = isprov_type_of_object(key);

    return type != NULL && !isprov_type_is_rsa(type) ? type : NULL;
}

/* As the applet wants it. That it is none is certain only where the applet tells
 * that the key is one for ECDSA. */
static enum outcome raw_signature(const struct question *question, const struct iotsafe_object *key,
                                  uint8_t ret_raw[static RAW_SIZE], struct iotsafe_op *op)
{
    const bool told = (key->told & IOTSAFE_TOLD_KEY_TYPE) != 0;
    const struct isprov_type *curve = curve_of(key);

    if (curve != NULL && isprov_ecdsa_to_raw(curve, question->sig, question->sig_len, ret_raw))
        return DECIDED;
    if (told && curve != NULL) {
        report_bad_signature(question);
        return FAILED;
    }
    snprintf(op->text, sizeof(op->text), "it is asked about ECDSA only");
    return NOT_HERE;
}

static enum outcome ask_applet(const struct question *question, struct iotsafe_card *card,
                               const struct iotsafe_object *key, bool *ret_valid,
                               struct iotsafe_op *op)
{
    uint8_t raw[RAW_SIZE];
    struct iotsafe_input input;
    enum outcome outcome = raw_signature(question, key, raw, op);
    enum iotsafe_err err;

    if (outcome != DECIDED)
        return outcome;
    err = iotsafe_input_from_digest(question->md, question->md_len, &input, op);
    if (err == IOTSAFE_OK)
        err = iotsafe_verify(card, &key->name, &input, raw, ret_valid, op);
    if (err == IOTSAFE_OK)
        return DECIDED;
    if (iotsafe_err_is_refusal(err))
        return NOT_HERE;
    report_library(NULL, err, op);
    return FAILED;
}

static enum outcome by_applet(const struct question *question, struct iotsafe_card *card,
                              struct verdict *verdict, struct iotsafe_op *op)
{
    struct iotsafe_object key;
    enum iotsafe_err err = find_public(card, &question->uri, &key, op);

    if (iotsafe_err_is_refusal(err))
        return NOT_HERE;
    if (err != IOTSAFE_OK) {
        report_library(NULL, err, op);
        return FAILED;
    }
    verdict->by_applet = true;
    verdict->replaceable = iotsafe_key_replaceable(&key, NULL);
    if (!is_worth_it(question, verdict->replaceable))
        return FAILED;
    object_uri(&key, question->uri.sim, verdict->uri);
    return ask_applet(question, card, &key, &verdict->valid, op);
}

/* ---------------------------------------------------------------- in software */

static enum outcome ask_openssl(const struct tool *tool, const struct question *question,
                                EVP_PKEY *key, bool *ret_valid)
{
    EVP_MD *md = EVP_MD_fetch(tool->libctx, question->digest->name, NULL);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(tool->libctx, key, PUBKEY_SOFTWARE);
    enum outcome outcome = FAILED;
    struct queue_summary why;

    if (md != NULL && ctx != NULL && EVP_PKEY_verify_init(ctx) > 0
        && EVP_PKEY_CTX_set_signature_md(ctx, md) > 0) {
        int result = EVP_PKEY_verify(ctx, question->sig, question->sig_len, question->md,
                                     question->md_len);

        *ret_valid = result > 0;
        outcome = result >= 0 ? DECIDED : FAILED;
        if (result < 0)
            report_bad_signature(question);
    } else {
        report_drain_queue("OpenSSL cannot verify with this key", &why);
        report_queue(question->operand, &why);
    }
    ERR_clear_error();
    EVP_PKEY_CTX_free(ctx);
    EVP_MD_free(md);
    return outcome;
}

static enum outcome in_software(const struct tool *tool, const struct question *question,
                                struct verdict *verdict)
{
    struct iotsafe_uri uri = question->uri;
    EVP_PKEY *found = NULL, *key;
    enum outcome outcome = FAILED;
    struct queue_summary why;

    verdict->by_applet = false;
    if (store_any_key(tool, &uri, &found, &why) != STORE_FOUND) {
        report_queue(question->operand, &why);
        return FAILED;
    }
    iotsafe_uri_format(&uri, verdict->uri);
    key = pubkey_to_software(tool, found);
    if (key == NULL)
        pubkey_report_missing(question->operand, "");
    else
        outcome = ask_openssl(tool, question, key, &verdict->valid);
    EVP_PKEY_free(key);
    EVP_PKEY_free(found);
    return outcome;
}

/* -------------------------------------------------------------------- together */

static enum outcome decide(const struct tool *tool, const struct question *question,
                           struct verdict *ret_verdict)
{
    struct iotsafe_card *card = tool_card(tool, question->uri.sim);
    struct iotsafe_op op = tool_op_begin(tool);
    enum outcome outcome = FAILED;

    if (card == NULL)
        return FAILED;
    outcome = by_applet(question, card, ret_verdict, &op);
    iotsafe_card_free(card);
    if (outcome == NOT_HERE && question->only_applet) {
        report_error("%s: the applet cannot verify it: %s", question->operand, op.text);
        return FAILED;
    }
    return outcome == NOT_HERE ? in_software(tool, question, ret_verdict) : outcome;
}

static void print_text(const struct verdict *verdict)
{
    printf("signature %s: verified %s, %s\n", verdict->valid ? "OK" : "does NOT match",
           verdict->by_applet ? "by the applet"
                              : "in software with the public key read from the SIM",
           verdict->uri);
    if (verdict->replaceable == IOTSAFE_REPLACEABLE_YES)
        puts("this device can replace that public key: do not trust the result more than the "
             "device");
}

static bool print_json(const struct question *question, const struct verdict *verdict)
{
    json_t *json = json_object();

    json_object_set_new(json, "uri", json_string(verdict->uri));
    json_object_set_new(json, "digest", json_string(question->digest->spelling));
    json_object_set_new(json, "valid", json_boolean(verdict->valid));
    json_object_set_new(json, "by", json_string(verdict->by_applet ? "applet" : "software"));
    json_object_set_new(json, "replaceable",
                        verdict->replaceable == IOTSAFE_REPLACEABLE_UNKNOWN
                            ? json_null()
                            : json_boolean(verdict->replaceable == IOTSAFE_REPLACEABLE_YES));
    return output_json(json);
}

static bool hash_file(const struct tool *tool, const char *path, struct question *question)
{
    EVP_MD *md = EVP_MD_fetch(tool->libctx, question->digest->name, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct input *input = input_open(path);
    bool read = true, good;

    good = input != NULL && md != NULL && ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) > 0
           && input_digest(input, EVP_DigestUpdate, ctx, &read)
           && EVP_DigestFinal_ex(ctx, question->md, &question->md_len) > 0;
    if (!good && read && input != NULL)
        report_error("verify: OpenSSL cannot hash by %s", question->digest->spelling);
    input_close(input);
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    return good;
}

static bool check_operands(const struct tool *tool, const struct args *args,
                           struct question *ret_question)
{
    ret_question->operand = args->operand[0];
    ret_question->sig_path = args->operand[2];
    ret_question->only_applet = args->option[OPTION_APPLET] != NULL;
    if (!key_uri_from_operand(args->operand[0], IOTSAFE_URI_ANY, &ret_question->uri))
        return false;
    ret_question->digest = digest_by_name(tool, args->option[OPTION_DIGEST]);
    if (ret_question->digest == NULL)
        return false;
    if (strcmp(args->operand[1], "-") != 0 || strcmp(args->operand[2], "-") != 0)
        return true;
    report_error("verify: standard input cannot be both the file and the signature");
    return false;
}

static enum tool_status print_verdict(const struct tool *tool, const struct question *question,
                                      const struct verdict *verdict)
{
    if (!tool->json)
        print_text(verdict);
    else if (!print_json(question, verdict))
        return TOOL_FAILED;
    return verdict->valid ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status verify_run(struct tool *tool, const struct args *args)
{
    struct question question = { .sig = NULL };
    struct verdict verdict = { .valid = false };
    enum tool_status status = TOOL_FAILED;

    if (!check_operands(tool, args, &question))
        return TOOL_USAGE;
    question.sig = input_read(question.sig_path, IOTSAFE_SIGNATURE_MAX + 1, &question.sig_len);
    if (question.sig != NULL && hash_file(tool, args->operand[1], &question)
        && decide(tool, &question, &verdict) == DECIDED)
        status = print_verdict(tool, &question, &verdict);
    free(question.sig);
    return status;
}

const struct command command_verify = {
    .name = "verify",
    .operands = "URI FILE SIGNATURE",
    .summary = "verify a signature of a file",
    .details = "Tells whether the signature in the second file is one of the first, made with the\n"
               "private key of the public key that the URI stands for; see 'iotsafe pubkey'. The\n"
               "applet verifies it if it can, else software does; the answer says which. One of\n"
               "the files may be -, standard input. Exit status 1 if it does not match.",
    .operands_min = 3,
    .operands_max = 3,
    .options = options,
    .run = verify_run,
};
