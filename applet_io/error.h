/* SPDX-License-Identifier: Apache-2.0 */
/* Status words of the card as errors, in one table. */
#ifndef APPLET_IO_ERROR_H
#define APPLET_IO_ERROR_H

#include "iotsafe.h"

/** What a final status word means to a client; 9000, 91xx and 63CF are
 *  IOTSAFE_OK, a word that the table lacks is IOTSAFE_ERR_CARD.
 *  Source: ISO/IEC 7816-4, IoT.05 2.5.10, docs/references.md. */
enum iotsafe_err error_from_sw(uint16_t sw);

/** The same for people; static storage. */
const char *error_sw_meaning(uint16_t sw);

#endif
