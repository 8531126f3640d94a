/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer travels: at once, or by 61xx and GET RESPONSE, or after 6Cxx. */
#ifndef SOFTSIM_ANSWER_H
#define SOFTSIM_ANSWER_H

#include "exchange.h"

/** Finish a command that left x->out and this status word. Returns the length of the answer. */
size_t answer_send(struct exchange *x, uint16_t sw, uint8_t ret_rsp[static APDU_RSP_MAX]);

/** GET RESPONSE. */
size_t answer_get_response(struct exchange *x, uint8_t ret_rsp[static APDU_RSP_MAX]);

/**
 * The command of a 6Cxx answer came again with the right Le: give what it computed.
 * @return 0 if this is not that command
 */
size_t answer_corrected(struct exchange *x, uint8_t ret_rsp[static APDU_RSP_MAX]);

/** True if a case-2 answer of this length would be refused with 6Cxx: for commands that must
 *  not run twice although they have not been repeated yet. */
bool answer_wants_correction(const struct exchange *x, size_t len);

void answer_drop(struct client *client);

/** A status word alone. */
size_t answer_sw(uint16_t sw, uint8_t ret_rsp[static APDU_RSP_MAX]);

#endif
