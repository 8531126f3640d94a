/* SPDX-License-Identifier: Apache-2.0 */
/* The SIMs that a provider has used. It keeps a reference to each until it is
 * unloaded, so that a program that loads a key, then a certificate, then another
 * key reaches the SIM once, and what was read lasts from one to the next. */
#include <string.h>

#include "cards.h"

struct isprov_card_slot {
    char sim[IOTSAFE_SIM_NAME_MAX + 1];
    struct iotsafe_card *card;
    struct isprov_card_slot *next;
};

static void slot_free(struct isprov_card_slot *slot)
{
    iotsafe_card_free(slot->card);
    OPENSSL_free(slot);
}

void isprov_cards_free(struct isprov *prov)
{
    struct isprov_card_slot *slot = atomic_load(&prov->cards), *next;

    for (; slot != NULL; slot = next) {
        next = slot->next;
        slot_free(slot);
    }
}

/* Slots are only ever added, in front. Two threads may add the same SIM: they are
 * two references to one card. */
static void add_slot(struct isprov *prov, struct isprov_card_slot *slot)
{
    slot->next = atomic_load(&prov->cards);
    while (!atomic_compare_exchange_weak(&prov->cards, &slot->next, slot))
        ;
}

enum iotsafe_err isprov_card_of_uri(struct isprov *prov, const struct iotsafe_uri *uri,
                                    struct iotsafe_card **ret_card, struct iotsafe_op *op)
{
    struct isprov_card_slot *slot;
    enum iotsafe_err err;

    for (slot = atomic_load(&prov->cards); slot != NULL; slot = slot->next)
        if (strcmp(slot->sim, uri->sim) == 0) {
            *ret_card = iotsafe_card_ref(slot->card);
            return IOTSAFE_OK;
        }
    slot = OPENSSL_zalloc(sizeof(*slot));
    if (slot == NULL)
        return IOTSAFE_ERR_MEMORY;
    OPENSSL_strlcpy(slot->sim, uri->sim, sizeof(slot->sim));
    err = iotsafe_card_new(isprov_config(prov), uri->sim, &slot->card, op);
    if (err != IOTSAFE_OK) {
        slot_free(slot);
        return err;
    }
    *ret_card = iotsafe_card_ref(slot->card);
    add_slot(prov, slot);
    return IOTSAFE_OK;
}
