/* Public keys: as DER and PEM, from files, and by the name of their type. */
#ifndef PUBKEY_H
#define PUBKEY_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <stddef.h>

#include "tool.h"
#include "words.h"

/** DER SubjectPublicKeyInfo of the public half of a key.
 *  @param ret_der  allocated; OPENSSL_free() it
 *  @return false if there is none: see pubkey_report_missing() */
bool pubkey_encode(const EVP_PKEY *key, unsigned char **ret_der, size_t *ret_der_len);

/** The same in PEM, into a new memory BIO; NULL if there is none. */
BIO *pubkey_to_pem(const EVP_PKEY *key);

/** Report that a key on the SIM came without a public half.
 *  @param what  the key
 *  @param hint  a way out, behind the text; "" for none */
void pubkey_report_missing(const char *what, const char *hint);

/** What kind of key it is, in the words of `iotsafe list` where the applet can
 *  hold such a key ("P-256", "RSA-2048"), else in OpenSSL's.
 *  @return true in the first case */
bool pubkey_type(const EVP_PKEY *key, char ret_type[static WORDS_TEXT_MAX]);

enum pubkey_source {
    PUBKEY_IN_CERTIFICATE, /* X.509 */
    PUBKEY_ALONE           /* SubjectPublicKeyInfo */
};

/**
 * Read a public key from a PEM or DER file.
 * @return NULL after an error was reported; else EVP_PKEY_free() it
 */
EVP_PKEY *pubkey_read_file(const struct tool *tool, enum pubkey_source source, const char *path);

#endif
