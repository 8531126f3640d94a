/* SPDX-License-Identifier: Apache-2.0 */
/* What the provider needs of libcrypto's core: settings, the error queue, and
 * core BIOs. Kept for each provider context, since a process may hold several
 * libraries of libcrypto. isprov_raise() is the only border between the two
 * error conventions: enum iotsafe_err below it, OpenSSL's queue above it.
 */
#ifndef ISPROV_CORE_H
#define ISPROV_CORE_H

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <errno.h>

#include "iotsafe.h"

struct isprov;

struct isprov_core {
    const OSSL_CORE_HANDLE *handle;
    OSSL_FUNC_core_get_params_fn *get_params;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    OSSL_FUNC_core_vset_error_fn *vset_error;
    OSSL_FUNC_core_set_error_mark_fn *set_error_mark;
    OSSL_FUNC_core_clear_last_error_mark_fn *clear_last_error_mark;
    OSSL_FUNC_core_pop_error_to_mark_fn *pop_error_to_mark;
    int error_library; /* our own, see isprov_core_reasons(); 0: the core's number for us */
};

/** Pick the upcalls out of the core's table. Any may stay NULL: what needs a
 *  missing one does nothing. */
void isprov_core_init(struct isprov_core *core, const OSSL_CORE_HANDLE *handle,
                      const OSSL_DISPATCH *in);

/**
 * The value of a key in the provider's section of openssl.cnf.
 * @return NULL if it is not there, else owned by the core; it stays valid as
 *         long as the provider is loaded
 */
const char *isprov_core_setting(const struct isprov_core *core, const char *key);

/**
 * Make the texts of our errors known. Newer cores take them from the provider, as `reasons`.
 * Before OpenSSL 3.5 the core forgets such texts when it frees the provider, under a lock
 * that OPENSSL_cleanup() has taken away: a key that is freed after it (a global object of
 * C++) would crash. For these cores the texts are registered once in a process, under a
 * number of our own, and stay; the module is linked so that it is never unmapped.
 *
 * @param reasons  one for each error, and an end mark; to be offered to the core only if
 *                 core->error_library is 0
 */
void isprov_core_reasons(struct isprov_core *core, OSSL_ITEM reasons[static IOTSAFE_ERR_MAX]);

/* ------------------------------------------------------------------ errors */

/**
 * Put an error into the application's queue: reason number and text of `err`,
 * and the op's text as data. It is a line of the trace as well.
 *
 * @param err   not IOTSAFE_OK
 * @param op  NULL, or an empty text: no data
 */
#define isprov_raise(prov, err, op) \
    isprov_raise_at((prov), (err), (op), OPENSSL_FILE, OPENSSL_LINE, OPENSSL_FUNC)
void isprov_raise_at(const struct isprov *prov, enum iotsafe_err err, const struct iotsafe_op *op,
                     const char *file, int line, const char *func);

/** The same with a text of our own, as for printf. */
#define isprov_raise_text(prov, err, ...)              \
    do {                                               \
        struct iotsafe_op isprov_op_ = { .text = "" }; \
        isprov_op_set(&isprov_op_, __VA_ARGS__);       \
        isprov_raise((prov), (err), &isprov_op_);      \
    } while (0)

/** Fill a op (NULL accepted); a text that is too long is cut. */
void isprov_op_set(struct iotsafe_op *op, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** For attempts that may fail without an error: what was raised since the last
 *  isprov_mark() is dropped by isprov_drop(). They nest. */
void isprov_mark(const struct isprov *prov);
void isprov_drop(const struct isprov *prov);

/* ------------------------------------------------------------------- errno */

/** Declares that the function leaves errno as it found it, at every exit.
 *  Callers that look at errno after an OpenSSL error (Python does) would else
 *  report what the transport or the allocator left there. */
#define ISPROV_KEEP_ERRNO \
    const int kept_errno __attribute__((cleanup(isprov_restore_errno), unused)) = errno

static inline void isprov_restore_errno(const int *kept)
{
    errno = *kept;
}

#endif
