/* SPDX-License-Identifier: Apache-2.0 */
/* TLS with the key on the SIM, for libraries that take no key but an SSL_CTX. */
#ifndef ENROLL_TLS_H
#define ENROLL_TLS_H

#include <openssl/ssl.h>

#include "job.h"

/** Give the job's identity to an SSL_CTX; nothing if the job has none.
 *  @return false: the reason is in OpenSSL's queue */
bool tls_use_identity(SSL_CTX *ctx, const struct job *job);

/** An SSL_CTX of ours is of use to a library only if both have the same OpenSSL.
 *  @return false: there are two in this process, and the user has been told */
bool tls_is_shared(void);

#endif
