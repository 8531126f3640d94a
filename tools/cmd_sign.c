/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe sign: a private key of the SIM signs a file, by the way of every program
 * that uses the provider. */
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

#include "digest.h"
#include "input.h"
#include "output.h"
#include "report.h"
#include "store.h"
#include "tool.h"

enum { OPTION_DIGEST };

static const struct command_option options[] = {
    [OPTION_DIGEST] = COMMAND_OPTION_DIGEST,
    { .name = NULL },
};

/* What is signed, by what, and the result. */
struct signing {
    const char *operand; /* the URI as the user gave it */
    const struct digest *digest;
    EVP_MD_CTX *ctx;
    unsigned char sig[IOTSAFE_SIGNATURE_MAX];
    size_t sig_len; /* bytes */
};

static void report_failure(const struct signing *signing)
{
    struct queue_summary why;

    report_drain_queue("OpenSSL cannot sign with it", &why);
    report_queue(signing->operand, &why);
}

static bool begin(const struct tool *tool, struct signing *signing, EVP_PKEY *key)
{
    signing->ctx = EVP_MD_CTX_new();
    if (signing->ctx != NULL
        && EVP_DigestSignInit_ex(signing->ctx, NULL, signing->digest->name, tool->libctx, NULL, key,
                                 NULL)
               > 0)
        return true;
    report_failure(signing);
    return false;
}

static bool sign(struct signing *signing, struct input *input)
{
    bool read = true;

    signing->sig_len = sizeof(signing->sig);
    if (input_digest(input, EVP_DigestSignUpdate, signing->ctx, &read)
        && EVP_DigestSignFinal(signing->ctx, signing->sig, &signing->sig_len) > 0)
        return true;
    if (read)
        report_failure(signing);
    return false;
}

static enum tool_status print_json(const struct signing *signing, const struct iotsafe_uri *uri)
{
    char hex[HEX_SIZE(IOTSAFE_SIGNATURE_MAX)], text[IOTSAFE_URI_MAX];
    json_t *json = json_object();

    iotsafe_uri_format(uri, text);
    text_hex(signing->sig, signing->sig_len, hex);
    json_object_set_new(json, "uri", json_string(text));
    json_object_set_new(json, "digest", json_string(signing->digest->spelling));
    json_object_set_new(json, "signature", json_string(hex));
    return output_json(json) ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status sign_with(const struct tool *tool, struct signing *signing,
                                  const struct iotsafe_uri *uri, struct input *input)
{
    enum tool_status status = TOOL_FAILED;
    struct queue_summary why;
    EVP_PKEY *key = NULL;

    if (store_key(tool, uri, &key, &why) != STORE_FOUND) {
        report_queue(signing->operand, &why);
        return TOOL_FAILED;
    }
    if (begin(tool, signing, key) && sign(signing, input)) {
        status = TOOL_OK;
        if (tool->json)
            status = print_json(signing, uri);
        else
            output_bytes(signing->sig, signing->sig_len);
    }
    EVP_MD_CTX_free(signing->ctx);
    EVP_PKEY_free(key);
    return status;
}

static enum tool_status sign_run(struct tool *tool, const struct args *args)
{
    struct signing signing = { .operand = args->operand[0] };
    enum tool_status status = TOOL_FAILED;
    struct iotsafe_uri uri;
    struct input *input;

    if (!key_uri_from_operand(args->operand[0], IOTSAFE_URI_PRIVATE, &uri))
        return TOOL_USAGE;
    signing.digest = digest_by_name(tool, args->option[OPTION_DIGEST]);
    if (signing.digest == NULL)
        return TOOL_USAGE;
    if (!tool->json && isatty(STDOUT_FILENO)) {
        report_error("sign: a signature is raw bytes, which are not written to a terminal; "
                     "redirect the output, or give --json");
        return TOOL_USAGE;
    }
    input = input_open(args->operand[1]);
    if (input != NULL)
        status = sign_with(tool, &signing, &uri, input);
    input_close(input);
    return status;
}

const struct command command_sign = {
    .name = "sign",
    .operands = "URI FILE",
    .summary = "sign a file with a private key",
    .details = "Writes the signature of a file (- is standard input) to standard output, as other\n"
               "tools expect it: raw bytes, DER for ECDSA; not to a terminal, except by --json.\n"
               "It is checked with the public key first.",
    .operands_min = 2,
    .operands_max = 2,
    .options = options,
    .run = sign_run,
};
