/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys: as DER and PEM, from files, and by the name of their type. */
#ifndef PUBKEY_H
#define PUBKEY_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <stddef.h>

#include "tool.h"
#include "words.h"

/** Property query for what shall have nothing to do with a SIM, whatever
 *  openssl.cnf puts first or prefers. */
#define PUBKEY_SOFTWARE "provider=default,-fips"

/** DER SubjectPublicKeyInfo of the public key of a key.
 *  @param ret_der  allocated; OPENSSL_free() it
 *  @return false if there is none: see pubkey_report_missing() */
bool pubkey_encode(const EVP_PKEY *key, unsigned char **ret_der, size_t *ret_der_len);

/** The same in PEM, into a new memory BIO; NULL if there is none. */
BIO *pubkey_to_pem(const EVP_PKEY *key);

/** Report that a key on the SIM came without a public key.
 *  @param what  the key
 *  @param hint  a way out, behind the text; "" for none */
void pubkey_report_missing(const char *what, const char *hint);

/** What kind of key it is, in the words of `iotsafe list` where the applet can
 *  hold such a key ("P-256", "RSA-2048"), else in OpenSSL's.
 *  @return true in the first case */
bool pubkey_type(const EVP_PKEY *key, char ret_type[static WORDS_TEXT_MAX]);

/** The same as a value of struct iotsafe_object.key_type (not volatile); 0 if
 *  an applet cannot hold it. */
unsigned pubkey_card_type(const EVP_PKEY *key);

/** True for the types of keys that are a point of a 256-bit curve. */
bool pubkey_type_is_curve(unsigned card_type);

/**
 * The key of a point that the card gave, or shall get.
 * @param key_type  as the object list tells it; 0: any curve that it lies on
 * @return NULL if it is no valid key of such a curve; else EVP_PKEY_free() it
 */
EVP_PKEY *pubkey_from_point(const struct tool *tool, unsigned key_type,
                            const uint8_t point[static IOTSAFE_POINT_SIZE]);

/** The other way round, for keys of 256-bit curves. @return false for others */
bool pubkey_to_point(const EVP_PKEY *key, uint8_t ret_point[static IOTSAFE_POINT_SIZE]);

/** A copy of the public key that has nothing to do with a SIM.
 *  @return NULL if there is none: see pubkey_report_missing() */
EVP_PKEY *pubkey_to_software(const struct tool *tool, const EVP_PKEY *key);

enum pubkey_source {
    PUBKEY_ALONE = 1,         /* SubjectPublicKeyInfo */
    PUBKEY_IN_CERTIFICATE = 2 /* X.509 */
};

/**
 * Read a public key from a PEM or DER file.
 * @param wanted  bits of enum pubkey_source: what the file may be
 * @param path    "-" is standard input
 * @return NULL after an error was reported; else EVP_PKEY_free() it
 */
EVP_PKEY *pubkey_read_file(const struct tool *tool, unsigned wanted, const char *path);

#endif
