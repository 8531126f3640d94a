/* SPDX-License-Identifier: Apache-2.0 */
/* A client's turn on the card: one command, or a sequence of commands that belong
 * together (sequence.h), during which the card is held for this client. Repairs come from
 * card_run(); this knows which of them a client may not notice, and makes every applet look as if
 * it closed its sessions itself. */
#ifndef BRIDGE_SERVICE_H
#define BRIDGE_SERVICE_H

#include "card.h"
#include "server.h"

#define SERVICE_DATA_MAX (66 * APDU_NE_MAX) /* what channel_exchange() may collect */

struct service {
    struct iotsafe_card *card;
    int command_ms;          /* for one command, reaching the card included */
    int exchange_ms;         /* for one answer of the card */
    int generate_ms;         /* for a command that makes a key; the longest sequence */
    struct session finished; /* the last one that was left to the applet to close */
    struct containers containers;
    char last_failure[512];
    int64_t last_failure_at;
    uint8_t data[SERVICE_DATA_MAX]; /* of the answer that is just being given */
};

/** @param timeout_ms  as clients are configured: they give one answer a third of it */
void service_init(struct service *sv, struct iotsafe_card *card, int timeout_ms);

/** see serve_fn; arg: the struct service */
void service_run(struct server *s, struct client *c, void *arg);

#endif
