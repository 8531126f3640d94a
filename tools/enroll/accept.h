/* SPDX-License-Identifier: Apache-2.0 */
/* What is checked before a certificate is accepted. */
#ifndef ENROLL_ACCEPT_H
#define ENROLL_ACCEPT_H

#include "job.h"

/**
 * Find the certificate for the key on the SIM among those that a server sent, and check
 * it: it is valid now, is for clients, and chains to --trust. Sets `certificate` and
 * `chain` of the job.
 *
 * @param certs  in any order; borrowed
 * @return OUTCOME_DONE; OUTCOME_FAILED after the reason was reported
 */
enum outcome accept_certificate(struct job *job, const STACK_OF(X509) *certs);

/** True if a certificate of that stack is for that key. */
bool accept_holds_key(const STACK_OF(X509) *certs, const EVP_PKEY *public_key);

/** The first of them; NULL if there is none. Borrowed. */
X509 *accept_find(const STACK_OF(X509) *certs, const EVP_PKEY *public_key);

/** Between its two dates, with that many seconds left. */
bool accept_is_valid(const X509 *cert, long left_s);

#endif
