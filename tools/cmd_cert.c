/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe cert, iotsafe pubkey: certificates and public keys of the SIM in PEM,
 * found as every program finds them that uses the provider. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "cert_text.h"
#include "output.h"
#include "pubkey.h"
#include "report.h"
#include "store.h"
#include "tool.h"

static json_t *uri_json(const struct iotsafe_uri *uri)
{
    char text[IOTSAFE_URI_MAX];

    iotsafe_uri_format(uri, text);
    return json_string(text);
}

/* ------------------------------------------------------------- certificates */

/* Adds what `print` writes into a memory BIO. */
static void add_printed(json_t *json, const char *name, int (*print)(BIO *, const X509 *),
                        const X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && print(bio, cert) > 0)
        json_object_set_new(json, name, json_from_bio(bio));
    BIO_free(bio);
}

static int print_issuer(BIO *bio, const X509 *cert)
{
    return cert_print_name(bio, X509_get_issuer_name(cert));
}

static int print_serial(BIO *bio, const X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);

    for (int i = 0; i < ASN1_STRING_length(serial); i++)
        if (BIO_printf(bio, "%02x", bytes[i]) <= 0)
            return 0;
    return 1;
}

static int print_pem(BIO *bio, const X509 *cert)
{
    return PEM_write_bio_X509(bio, cert);
}

static int print_fingerprint(BIO *bio, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[HEX_SIZE(EVP_MAX_MD_SIZE)];
    unsigned len = 0;

    if (!X509_digest(cert, EVP_sha256(), digest, &len))
        return 0;
    text_hex(digest, len, hex);
    return BIO_puts(bio, hex);
}

static json_t *cert_json(const X509 *cert)
{
    json_t *json = json_object();

    json_object_set_new(json, "subject", cert_subject_json(cert));
    add_printed(json, "issuer", print_issuer, cert);
    add_printed(json, "serial", print_serial, cert);
    json_object_set_new(json, "not_before", cert_time_json(X509_get0_notBefore(cert)));
    json_object_set_new(json, "not_after", cert_time_json(X509_get0_notAfter(cert)));
    add_printed(json, "sha256", print_fingerprint, cert);
    add_printed(json, "pem", print_pem, cert);
    return json;
}

static enum tool_status print_certs_json(const struct iotsafe_uri *uri, const STACK_OF(X509) *certs)
{
    json_t *object = json_object(), *array = json_array();

    for (int i = 0; i < sk_X509_num(certs); i++)
        json_array_append_new(array, cert_json(sk_X509_value(certs, i)));
    json_object_set_new(object, "uri", uri_json(uri));
    json_object_set_new(object, "certificates", array);
    return output_json(object) ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status print_certs_pem(const STACK_OF(X509) *certs)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL;

    for (int i = 0; good && i < sk_X509_num(certs); i++)
        good = print_pem(bio, sk_X509_value(certs, i)) > 0;
    if (good)
        output_bio(bio);
    else
        report_error("cert: out of memory");
    BIO_free(bio);
    return good ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status cert_run(struct tool *tool, const struct args *args)
{
    STACK_OF(X509) *certs = NULL;
    struct queue_summary why;
    struct iotsafe_uri uri;
    enum tool_status status;

    if (!uri_from_operand(args->operand[0], &uri))
        return TOOL_USAGE;
    uri.type = IOTSAFE_URI_CERT;
    if (store_certificates(tool, &uri, &certs, &why) != STORE_FOUND) {
        report_queue(args->operand[0], &why);
        return TOOL_FAILED;
    }
    status = tool->json ? print_certs_json(&uri, certs) : print_certs_pem(certs);
    sk_X509_pop_free(certs, X509_free);
    return status;
}

const struct command command_cert = {
    .name = "cert",
    .operands = "URI",
    .summary = "print a certificate and its chain (PEM)",
    .details = "Prints the certificate that the URI names: the file of that name, else the\n"
               "certificate that belongs to the key of that name, and the rest of the chain if\n"
               "the file holds one. A type in the URI is ignored. Without an id and a label:\n"
               "every certificate on the SIM.",
    .operands_min = 1,
    .operands_max = 1,
    .run = cert_run,
};

/* -------------------------------------------------------------- public keys */

static enum tool_status print_key(const struct tool *tool, const struct iotsafe_uri *uri,
                                  const EVP_PKEY *key)
{
    char text[IOTSAFE_URI_MAX], type[WORDS_TEXT_MAX];
    BIO *pem = pubkey_to_pem(key);
    bool good = true;
    json_t *json;

    iotsafe_uri_format(uri, text);
    if (pem == NULL) {
        pubkey_report_missing(text, "");
        return TOOL_FAILED;
    }
    if (tool->json) {
        pubkey_type(key, type);
        json = json_object();
        json_object_set_new(json, "uri", json_string(text));
        json_object_set_new(json, "key_type", json_string(type));
        json_object_set_new(json, "pem", json_from_bio(pem));
        good = output_json(json);
    } else {
        output_bio(pem);
    }
    BIO_free(pem);
    return good ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status pubkey_run(struct tool *tool, const struct args *args)
{
    struct queue_summary why;
    struct iotsafe_uri uri;
    enum tool_status status;
    EVP_PKEY *key = NULL;

    if (!key_uri_from_operand(args->operand[0], IOTSAFE_URI_ANY, &uri))
        return TOOL_USAGE;
    if (store_any_key(tool, &uri, &key, &why) != STORE_FOUND) {
        report_queue(args->operand[0], &why);
        return TOOL_FAILED;
    }
    status = print_key(tool, &uri, key);
    EVP_PKEY_free(key);
    return status;
}

const struct command command_pubkey = {
    .name = "pubkey",
    .operands = "URI",
    .summary = "print a public key (PEM)",
    .details = "Prints the public key that the URI names: the public key of the private key of\n"
               "that name, else the public key, else the key in the certificate of that name; a\n"
               "type in the URI decides between them.",
    .operands_min = 1,
    .operands_max = 1,
    .run = pubkey_run,
};
