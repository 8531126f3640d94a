/* SPDX-License-Identifier: Apache-2.0 */
/* The key and the request: what is on the SIM, whether it may be replaced, and how the
 * device shows who it is. All report what they do not succeed in. */
#ifndef ENROLL_REQUEST_H
#define ENROLL_REQUEST_H

#include <openssl/x509v3.h>

#include "job.h"

/**
 * Look at the key on the SIM and find out what is to be done: renew with the certificate
 * in --cert-out, or ask for a first one; with a key that is there, or a new one. Loads the
 * identity for the server. Refuses to replace a key in use. Makes nothing.
 * A second call does nothing if the first succeeded.
 */
enum outcome request_look(struct job *job);

/** Make the key if that is still to be done, and the request for it (PKCS#10), signed by
 *  the SIM. Only after the server was authenticated. A second call does nothing. */
enum outcome request_make(struct job *job);

/** The key alone, for methods with a form of request of their own. */
enum outcome request_make_key(struct job *job);

/** The subject of the request, that of the old certificate in a renewal.
 *  @return X509_NAME_free() it; NULL after an error was reported */
X509_NAME *request_subject(const struct job *job);

/** The subject alternative names: of the old certificate in a renewal, else --san.
 *  @param ret  NULL if there are none; else GENERAL_NAMES_free() it
 *  @return false after an error was reported */
bool request_names(const struct job *job, GENERAL_NAMES **ret);

/** Are --subject and --san well-formed? Without the SIM. */
bool request_check(const struct job *job);

/** OpenSSL's queue as the reason why `what` failed: reported; the outcome is that of a
 *  failure which may pass, unless the settings or the URI are wrong. */
enum outcome request_failed(const char *what);

#endif
