/* SPDX-License-Identifier: Apache-2.0 */
/* One command on its way through the card, and what handlers share: reading names
 * of objects from command data and judging access rules. Inside softsim/cmd_*.c and
 * card.c only. A handler returns a status word and appends its answer to x->out. */
#ifndef SOFTSIM_EXCHANGE_H
#define SOFTSIM_EXCHANGE_H

#include "card.h"

struct exchange {
    struct card *card;
    struct client *client;
    uint8_t channel_no;
    struct channel *channel;
    struct apdu apdu;
    struct apdu_class cls;
    bool le_is_limit; /* Le says how much is wanted (file, random), not how long the answer is */
    bool must_wait;   /* the answer comes by 61xx whatever the mode is */
    bool of_system;   /* the card's own answer: the mode of the applet does not matter */
    struct buf out;
};

static inline int dim(const struct exchange *x, enum dim d)
{
    return x->card->profile.v[d];
}

/** Split the command data. 6A80 (or what the profile says) for anything but these tags,
 *  each once. */
uint16_t x_parse(const struct exchange *x, const uint8_t *allowed_tags, struct tlv_list *ret);

/** The status word for data that make no sense in this profile. */
uint16_t x_malformed(const struct exchange *x);

/**
 * Find the object of this kind that the data name by identifier or label.
 * @return 9000; 6A80 for no name, two names, or one that the profile refuses; 6A82 or
 *         6A80 for no such object; 6984 while remote administration works on the objects
 */
uint16_t x_find_object(struct exchange *x, const struct tlv_list *list, enum kind kind,
                       struct object **ret);

/** What an operation asks of an object by its attributes. */
struct need {
    bool active;        /* state 01 and something in the container */
    uint8_t functions;  /* bits of tag 61 */
    uint8_t access;     /* bits of tag 60 */
    uint8_t agreement;  /* bits of tag 6F */
    uint8_t derivation; /* bits of tag 94 */
};

/** 9000 or 6985. With enforce_attributes off only an empty container is refused. */
uint16_t x_permit(const struct exchange *x, const struct object *o, const struct need *need);

/** Write changed objects to the store: 9000 or 6581. */
uint16_t x_commit(const struct exchange *x);

/** Append a public key as READ PUBLIC KEY gives it: 34 { 49 { ... } } or a bare point. */
uint16_t x_put_public_key(struct exchange *x, const struct object *o);

typedef uint16_t handler(struct exchange *x);

handler cmd_manage_channel, cmd_select, cmd_version;
handler cmd_get_data_application, cmd_get_data_list, cmd_get_data_object;
handler cmd_get_random, cmd_read_file;
handler cmd_read_public_key, cmd_generate_key_pair;
handler cmd_put_open, cmd_put_close, cmd_put_update;
handler cmd_sign_open, cmd_sign_close, cmd_sign_update;
handler cmd_verify_open, cmd_verify_close, cmd_verify_update;
handler cmd_compute_dh, cmd_compute_prf, cmd_compute_hkdf;

#endif
