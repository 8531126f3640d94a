/* SPDX-License-Identifier: Apache-2.0 */
/* The USIM beside the applet: as much of 3GPP TS 31.102 as shows when a command for
 * the applet reaches it instead. It counts PIN tries, as a real one does. */
#ifndef SOFTSIM_USIM_H
#define SOFTSIM_USIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USIM_PIN_BYTES 8
#define USIM_PIN_TRIES 3
#define USIM_PUK_TRIES 10
#define USIM_PINS 2

struct usim_pin {
    uint8_t reference; /* P2: 01 PIN1, 81 PIN2 */
    uint8_t pin[USIM_PIN_BYTES], puk[USIM_PIN_BYTES];
    int pin_tries, puk_tries; /* left */
};

struct usim {
    struct usim_pin pin[USIM_PINS];
    unsigned long tries_lost; /* of all PINs and PUKs, since the counters began */
};

struct exchange;

/** As delivered: no try lost; PIN1 1234, PIN2 5678, PUK1 12345678, PUK2 87654321. */
void usim_init(struct usim *usim);

/** One command that reached the USIM: the status word; data are appended to x->out. */
uint16_t usim_run(struct exchange *x);

/** True for the AID of a USIM, or one that begins like it. */
bool usim_has_aid(const uint8_t *aid, size_t len);

#endif
