/* SPDX-License-Identifier: Apache-2.0 */
/* A value that comes in several commands: text to sign, a large public key. */
#ifndef SOFTSIM_BLOCKS_H
#define SOFTSIM_BLOCKS_H

#include "session.h"
#include "tlv.h"

/**
 * Collect the value of `tag` in s->text over the blocks of a session.
 *
 * Two encodings are in the field and both are taken: one TLV whose length counts the
 * whole value, continued raw in the next commands; or a complete TLV in each command.
 *
 * @param ret_rest  all TLVs of this block but the raw continuation, the value's among them
 * @return false for data that are neither, or a value that grows past BUF_MAX
 */
bool blocks_take(struct session *s, uint8_t tag, const uint8_t *data, size_t len,
                 struct tlv_list *ret_rest);

#endif
