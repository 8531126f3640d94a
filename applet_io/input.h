/* SPDX-License-Identifier: Apache-2.0 */
/* What is signed or verified, as TLVs of one of the three modes of operation
 * (IoT.05 2.5.14): the finished hash, the state before the last block, the
 * text. */
#ifndef APPLET_IO_INPUT_H
#define APPLET_IO_INPUT_H

#include "session.h"
#include "tlv.h"

/** True if the caller has what this mode needs. */
bool input_suits_mode(const struct iotsafe_input *input, uint8_t mode);

/** Tags A1, 91 and 92 of an INIT command, behind the key's name. */
void input_put_algorithms(struct tlv_writer *w, uint8_t mode, uint16_t hash, uint8_t signature_alg);

/**
 * Send the input in as many UPDATE commands as it takes.
 *
 * @param tail  TLVs behind the input in the last command (VERIFY's signature)
 * @param ne    most bytes of answer to the last command
 * @param rsp   its answer
 */
IOTSAFE_NODISCARD enum iotsafe_err input_send(const struct card_use *use,
                                              const struct session *session,
                                              const struct iotsafe_input *input, uint8_t mode,
                                              const struct tlv_writer *tail, size_t ne,
                                              struct apdu_rsp *rsp);

/** ECDSA on a 256-bit curve takes the leftmost 256 bits of a longer hash: the
 *  same input as one of SHA-256 for an applet that refuses the longer hash. */
struct iotsafe_input input_shortened(const struct iotsafe_input *input);

#endif
