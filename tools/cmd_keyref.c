/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe key-ref: a key-reference file, for programs that read keys from PEM
 * files only. Its encoding is provider/keyref.h's. */
#include <openssl/pem.h>
#include <string.h>

#include "keyref.h"
#include "outfile.h"
#include "output.h"
#include "pubkey.h"
#include "report.h"
#include "store.h"
#include "tool.h"

enum { OPTION_NO_PUBKEY, OPTION_CERT, OPTION_PUBKEY, OPTION_OUT };

static const struct command_option options[] = {
    [OPTION_NO_PUBKEY] = { "no-pubkey", NULL, "leave the public key out" },
    [OPTION_CERT] = { "cert", "FILE", "take the public key from a certificate (PEM or DER)" },
    [OPTION_PUBKEY] = { "pubkey", "FILE", "take it from a public key (PEM or DER)" },
    [OPTION_OUT] = { "out", "FILE", "write it to a file, mode 0600, instead of standard output" },
    { .name = NULL },
};

#define HINT " (--cert FILE, --pubkey FILE and --no-pubkey make a reference without asking the SIM)"

/* At most one of the three that say where the public key is from. */
static bool check_options(const struct args *args)
{
    int n = 0;

    for (size_t i = OPTION_NO_PUBKEY; i <= OPTION_PUBKEY; i++)
        n += args->option[i] != NULL;
    if (n > 1)
        report_error("key-ref: --no-pubkey, --cert and --pubkey exclude each other");
    return n <= 1;
}

/* The public key that goes into the file, or NULL after an error was reported. */
static EVP_PKEY *find_public_key(const struct tool *tool, const struct args *args,
                                 const struct iotsafe_uri *uri)
{
    const char *cert = args->option[OPTION_CERT], *pubkey = args->option[OPTION_PUBKEY];
    struct queue_summary why;
    EVP_PKEY *key = NULL;

    if (cert != NULL)
        return pubkey_read_file(tool, PUBKEY_IN_CERTIFICATE, cert);
    if (pubkey != NULL)
        return pubkey_read_file(tool, PUBKEY_ALONE, pubkey);
    if (store_key(tool, uri, &key, &why) == STORE_FOUND)
        return key;
    if (why.from_provider)
        report_error("%s" HINT, why.text);
    else
        report_error("%s: %s" HINT, args->operand[0], why.text);
    return NULL;
}

/* The DER SubjectPublicKeyInfo of a key that a SIM can hold. */
static bool encode_public_key(const struct args *args, const EVP_PKEY *key, unsigned char **ret_der,
                              size_t *ret_len)
{
    char type[WORDS_TEXT_MAX];

    if (!pubkey_type(key, type)) {
        report_error("key-ref: a key of type %s cannot be the key of an IoT SAFE applet "
                     "(P-256, brainpoolP256r1, RSA-2048)",
                     type);
        return false;
    }
    if (pubkey_encode(key, ret_der, ret_len))
        return true;
    pubkey_report_missing(args->operand[0], HINT);
    return false;
}

static json_t *reference_json(const char *uri, const unsigned char *spki, BIO *pem)
{
    json_t *json = json_object();

    json_object_set_new(json, "uri", json_string(uri));
    json_object_set_new(json, "has_public_key", json_boolean(spki != NULL));
    json_object_set_new(json, "pem", json_from_bio(pem));
    return json;
}

static enum tool_status print_reference(const struct tool *tool, const struct args *args,
                                        const struct iotsafe_uri *uri, const unsigned char *spki,
                                        size_t spki_len)
{
    const char *out = args->option[OPTION_OUT];
    char text[IOTSAFE_URI_MAX];
    unsigned char *der = NULL;
    size_t der_len = 0;
    BIO *pem = BIO_new(BIO_s_mem());
    bool good = true;

    iotsafe_uri_format(uri, text);
    if (pem == NULL || !isprov_keyref_encode(text, spki, spki_len, &der, &der_len)
        || BIO_puts(pem, ISPROV_KEYREF_PREAMBLE) <= 0
        || PEM_write_bio(pem, ISPROV_KEYREF_PEM_LABEL, "", der, (long)der_len) <= 0) {
        report_error("key-ref: out of memory");
        good = false;
    } else {
        good = out == NULL || outfile_write(out, pem, 0600);
        if (good && tool->json)
            good = output_json(reference_json(text, spki, pem));
        else if (good && out == NULL)
            output_bio(pem);
    }
    OPENSSL_free(der);
    BIO_free(pem);
    return good ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status key_ref_run(struct tool *tool, const struct args *args)
{
    enum tool_status status = TOOL_FAILED;
    struct iotsafe_uri uri;
    unsigned char *spki = NULL;
    size_t spki_len = 0;
    EVP_PKEY *key;

    if (!check_options(args) || !key_uri_from_operand(args->operand[0], IOTSAFE_URI_PRIVATE, &uri))
        return TOOL_USAGE;
    if (args->option[OPTION_NO_PUBKEY] != NULL)
        return print_reference(tool, args, &uri, NULL, 0);
    key = find_public_key(tool, args, &uri);
    if (key != NULL && encode_public_key(args, key, &spki, &spki_len))
        status = print_reference(tool, args, &uri, spki, spki_len);
    OPENSSL_free(spki);
    EVP_PKEY_free(key);
    return status;
}

const struct command command_key_ref = {
    .name = "key-ref",
    .operands = "URI",
    .summary = "print a key-reference file for a private key (PEM)",
    .details = "Prints a file that stands for the private key on the SIM wherever a program wants\n"
               "a PEM file. It holds the URI and the public key, nothing secret. With the public\n"
               "key in it, programs load it without the SIM. Given --no-pubkey, --cert or\n"
               "--pubkey, key-ref does not need the SIM either.",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .run = key_ref_run,
};
