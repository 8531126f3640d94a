/* SPDX-License-Identifier: Apache-2.0 */
/* +CSIM (3GPP TS 27.007 clause 8.17): APDUs as they are; channels are the caller's. */
#include "at_modem.h"

static enum iotsafe_err csim_transmit(struct at_modem *m, const struct transmission *tx,
                                      size_t *ret_len, struct iotsafe_op *op)
{
    return at_modem_transmit(m, NULL, tx, ret_len, op);
}

const struct at_family at_csim = {
    .word = "csim",
    .transmit = csim_transmit,
};
