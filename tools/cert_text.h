/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a certificate, as text. */
#ifndef CERT_TEXT_H
#define CERT_TEXT_H

#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/x509.h>

/** A name as RFC 2253 has it, but letters beyond ASCII as they are: 1, or 0 on failure. */
int cert_print_name(BIO *bio, const X509_NAME *name);

/** The subject in JSON; NULL when out of memory. */
json_t *cert_subject_json(const X509 *cert);

/** `2025-01-31T00:00:00Z`; JSON's null for no time. */
json_t *cert_time_json(const ASN1_TIME *when);

#define CERT_CELL_MAX 40

/** For a table: `until 2025-01-31`; `expired ...` or `from ...` of one that is not valid now. Empty
 *  if the dates make no sense. */
void cert_validity_cell(const X509 *cert, char ret_text[static CERT_CELL_MAX]);

/** For a table: the beginning of the subject, safe for a terminal. Empty when out of memory. */
void cert_subject_cell(const X509 *cert, char ret_text[static CERT_CELL_MAX]);

#endif
