/* SPDX-License-Identifier: Apache-2.0 */
/* The files of an enrolment: certificates in, certificates out, the secret. Failures are
 * reported here. */
#ifndef ENROLL_FILES_H
#define ENROLL_FILES_H

#include <openssl/x509.h>
#include <stdbool.h>

/** All certificates of a PEM or DER file, which must hold at least one.
 *  @return NULL after an error was reported */
STACK_OF(X509) *files_read_certs(const char *path);

/** The same of a file that may not be there: then NULL in `ret_certs`. False after an
 *  error, also for a file that holds something else, which is not to be overwritten. */
bool files_read_present(const char *path, STACK_OF(X509) **ret_certs);

/** The first line of a file, allocated; OPENSSL_clear_free() it. NULL after an error. */
char *files_read_secret(const char *path);

/** Write certificates (PEM), mode 0644, as outfile_write() does. */
bool files_write_certs(const char *path, const STACK_OF(X509) *certs);

#endif
