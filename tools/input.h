/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the user names: read whole, if small, or piece by piece. "-" is
 * standard input. Failures are reported here. */
#ifndef INPUT_H
#define INPUT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * The beginning of a file: all of it, if it has no more than `max` bytes.
 * @param ret_len  0 to max bytes
 * @return allocated, free() it; NULL after an error was reported
 */
unsigned char *input_read(const char *path, size_t max, size_t *ret_len);

/** A file that is read piece by piece. */
struct input;

struct input *input_open(const char *path); /* NULL after an error was reported */
void input_close(struct input *input);      /* NULL accepted */

/** EVP_DigestUpdate(), EVP_DigestSignUpdate() */
typedef int input_update_fn(EVP_MD_CTX *ctx, const void *bytes, size_t len);

/**
 * Give all that follows in the file to `update`, in constant memory.
 * @return false after a failed read was reported, or when `update` failed, which
 *         is in OpenSSL's queue then; `ret_read` tells which
 */
bool input_digest(struct input *input, input_update_fn *update, EVP_MD_CTX *ctx, bool *ret_read);

#endif
