/* SPDX-License-Identifier: Apache-2.0 */
/* The key-reference file: what stands for a private key on a SIM in programs
 * that read their keys from PEM files only (provider-iotsafe(7)).
 *
 *   SEQUENCE {
 *     version  VisibleString "iotsafe-key-reference-v1",
 *     uri      UTF8String,
 *     pubkey   [0] EXPLICIT SubjectPublicKeyInfo OPTIONAL }
 *
 * Only the encoding is known here. It needs libcrypto but no provider, so that
 * tools can write such files without one.
 */
#ifndef ISPROV_KEYREF_H
#define ISPROV_KEYREF_H

#include "iotsafe.h"

#define ISPROV_KEYREF_PEM_LABEL "IOTSAFE KEY REFERENCE"

/** Text in front of the PEM, which every reader of PEM steps over: whoever finds the file
 *  shall know what it is. No dashes in a row, no colon. */
#define ISPROV_KEYREF_PREAMBLE                                                                    \
    "Stands for a private key that a SIM holds; nothing in here is secret. Programs read it by\n" \
    "OpenSSL's provider iotsafe, which openssl.cnf has to activate, see provider-iotsafe(7).\n"

/** Largest DER that is accepted, in bytes: a URI of IOTSAFE_URI_MAX and an
 *  RSA-2048 key take less than half of it. */
#define ISPROV_KEYREF_MAX 2048

/** What a key-reference file says. */
struct isprov_keyref {
    struct iotsafe_uri uri; /* has an identifier or a label; type private */
    uint8_t *spki;          /* DER SubjectPublicKeyInfo, not yet looked into; NULL: none */
    size_t spki_len;        /* bytes */
};

/** True if the bytes begin as a key reference of any version does: a SEQUENCE
 *  with our version string first. Cheap; for telling ours from all other DER. */
bool isprov_keyref_is_ours(const uint8_t *der, size_t len);

/**
 * Decode strictly: DER and nothing behind it, this version, a well-formed URI
 * that names one private key.
 *
 * @param ret_ref  isprov_keyref_clear() it
 * @retval IOTSAFE_ERR_REFERENCE  the op tells what is wrong
 * @retval IOTSAFE_ERR_MEMORY
 */
IOTSAFE_NODISCARD enum iotsafe_err isprov_keyref_decode(const uint8_t *der, size_t len,
                                                        struct isprov_keyref *ret_ref,
                                                        struct iotsafe_op *op);
void isprov_keyref_clear(struct isprov_keyref *ref); /* frees what it owns; NULL members accepted */

/**
 * Encode.
 *
 * @param uri      NUL-terminated, as iotsafe_uri_format() writes it
 * @param spki     DER SubjectPublicKeyInfo of spki_len bytes, or NULL: none
 * @param ret_der  allocated; OPENSSL_free() it
 * @return false when out of memory or `spki` is no DER SEQUENCE
 */
IOTSAFE_NODISCARD bool isprov_keyref_encode(const char *uri, const uint8_t *spki, size_t spki_len,
                                            uint8_t **ret_der, size_t *ret_len);

#endif
