/* SPDX-License-Identifier: Apache-2.0 */
/* A message that a card key will sign, in every form in which an applet may want
 * it: the digest, the state of the hash before the last block, and the text while
 * it is short. Takes the same memory for any length.
 */
#ifndef ISPROV_MESSAGE_H
#define ISPROV_MESSAGE_H

#include <openssl/evp.h>

#include "iotsafe.h"
#include "prov.h"

struct isprov_message;

/**
 * @param digest  any of libcrypto's names of SHA-2 or SHA-3 with 32, 48 or 64 bytes
 * @return NULL on failure; like all functions here it raises nothing of its own
 */
struct isprov_message *isprov_message_new(struct isprov *prov, const char *digest);
struct isprov_message *isprov_message_dup(const struct isprov_message *message);
void isprov_message_free(struct isprov_message *message); /* NULL accepted */

bool isprov_message_update(struct isprov_message *message, const void *data, size_t len);

/** Ends the message.
 *  @param ret_input  borrows from the message */
bool isprov_message_finish(struct isprov_message *message, struct iotsafe_input *ret_input);

/** Its digest algorithm; borrowed. */
const EVP_MD *isprov_message_md(const struct isprov_message *message);

#endif
