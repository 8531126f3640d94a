/* SPDX-License-Identifier: Apache-2.0 */
/* One command out, one whole response back, on a channel: follows 61xx, corrects
 * 6Cxx, the class byte and Le, and keeps what it learns (traits.h). */
#ifndef APPLET_IO_EXCHANGE_H
#define APPLET_IO_EXCHANGE_H

#include "channel.h"

/**
 * Send one command and collect its whole response.
 *
 * Follows 61xx and 9Fxx with GET RESPONSE, repeats once after 6Cxx with the
 * right Le, once with the other class byte after 6E00 or 6882, once with the
 * other form of Le after 6700. At most 64 rounds. A command that must not reach
 * another application is sent on a confirmed channel only: see channel_confirm().
 * Source: ISO/IEC 7816-4 (status bytes), 7816-3 (T=0 cases).
 *
 * @param rsp   data and the last status word; sw stays 0 when no response came
 * @retval IOTSAFE_ERR_SPACE      the response is longer than rsp->cap
 * @retval IOTSAFE_ERR_PROTOCOL   a response without status word, endless chaining
 * @retval IOTSAFE_ERR_TRANSPORT  and others of the transport and of channel_confirm()
 * @return otherwise error_from_sw() of the status word, with the text written
 */
IOTSAFE_NODISCARD enum iotsafe_err channel_exchange(struct channel *ch, const struct apdu_cmd *cmd,
                                                    struct apdu_rsp *rsp, deadline_t deadline,
                                                    struct iotsafe_op *op);

/** The same without chaining, corrections and conditions, for the channel's own commands. */
IOTSAFE_NODISCARD enum iotsafe_err exchange_plain(struct channel *ch, const struct apdu_cmd *cmd,
                                                  struct apdu_rsp *rsp, deadline_t deadline,
                                                  struct iotsafe_op *op);

/** How a command is to differ from the form that was learned. */
struct exchange_form {
    enum { CLASS_LEARNED = 0, CLASS_8N, CLASS_0N } cls;
    enum { LE_LEARNED = 0, LE_NOT_BEHIND_DATA, LE_BEHIND_DATA } le;
    const uint8_t *stray; /* bytes behind all that belongs to the command; borrowed */
    size_t stray_len;
};

/** As exchange_plain(), in a form that the caller gives; nothing is learned from the
 *  response. Commands that another application could take for its own, or that change
 *  anything, keep the form that was learned: IOTSAFE_ERR_ARGUMENT. */
IOTSAFE_NODISCARD enum iotsafe_err exchange_in_form(struct channel *ch, const struct apdu_cmd *cmd,
                                                    const struct exchange_form *form,
                                                    struct apdu_rsp *rsp, deadline_t deadline,
                                                    struct iotsafe_op *op);

/** True for 61xx and 9Fxx. */
bool exchange_bytes_wait(uint16_t sw);

/**
 * Ask whether our applet answers on the channel, with commands that do no harm to any
 * other application: GET DATA, in every class that is possible here. Learns the class
 * byte and who fills it. Believes BELIEF_PROVED or BELIEF_LOST accordingly.
 *
 * @retval IOTSAFE_OK               it does
 * @retval IOTSAFE_ERR_UNSUPPORTED  something else answers, or it does not show itself
 * @return otherwise what the transport says, or IOTSAFE_ERR_CHANNEL_LOST
 */
IOTSAFE_NODISCARD enum iotsafe_err exchange_ask(struct channel *ch, deadline_t deadline,
                                                struct iotsafe_op *op);

#endif
