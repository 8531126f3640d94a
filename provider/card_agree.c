/* SPDX-License-Identifier: Apache-2.0 */
/* see card_agree.h */
#include "card_agree.h"

#include <stdlib.h>
#include <string.h>

/* Better is less: containers whose content does not outlive a reset wear no flash
 * memory. 0: of no use. */
static int container_rank(const struct iotsafe_object *object, const struct isprov_type *type)
{
    if (object->kind != IOTSAFE_PUBLIC_KEY || (object->told & IOTSAFE_TOLD_ACCESS) == 0
        || (object->access & IOTSAFE_ACCESS_UPDATE) == 0 || isprov_type_of_object(object) != type
        || ((object->told & IOTSAFE_TOLD_FUNCTIONS) != 0
            && (object->functions & IOTSAFE_FUNCTION_AGREE) == 0))
        return 0;
    return object->key_type == type->card_types[1] ? 1 : 2;
}

static void advise_peer_key(struct iotsafe_op *op)
{
    struct iotsafe_op why;

    if (op == NULL)
        return;
    why = *op;
    isprov_op_set(op, "%s; without a list, peer-key in openssl.cnf must name the container",
                  why.text);
}

static enum iotsafe_err find_peer_container(const struct isprov_key *key,
                                            struct iotsafe_name *ret_name, struct iotsafe_op *op)
{
    const struct iotsafe_uri *set = iotsafe_config_peer_key(isprov_config(key->prov));
    struct iotsafe_object *objects = NULL;
    size_t n = 0;
    int best = 0;
    enum iotsafe_err err;

    if (set != NULL && strcmp(set->sim, key->uri.sim) == 0) {
        *ret_name = set->name;
        return IOTSAFE_OK;
    }
    err = iotsafe_list(key->card, &objects, &n, op);
    if (err == IOTSAFE_ERR_UNSUPPORTED)
        advise_peer_key(op);
    if (err != IOTSAFE_OK)
        return err;
    for (size_t i = 0; i < n; i++) {
        int rank = container_rank(&objects[i], key->type);

        if (rank != 0 && (best == 0 || rank < best)) {
            best = rank;
            *ret_name = objects[i].name;
        }
    }
    free(objects);
    if (best != 0)
        return IOTSAFE_OK;
    isprov_op_set(op,
                  "%s: key agreement on the SIM needs a public-key container for the "
                  "peer's point, on %s and with update access; the object list has none, and "
                  "peer-key in openssl.cnf names none (%s)",
                  isprov_key_name(key).text, key->type->group, iotsafe_card_transport(key->card));
    return IOTSAFE_ERR_NOT_FOUND;
}

static enum iotsafe_err agree(const struct isprov_key *key, const struct iotsafe_name *container,
                              const uint8_t peer[static IOTSAFE_POINT_SIZE],
                              uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE],
                              struct iotsafe_op *op)
{
    const struct isprov_public_key *own = isprov_key_public(key);
    const struct iotsafe_agreement agreement = {
        .private_key = &key->uri.name,
        .container = container,
        .peer = peer,
        .own = own != NULL ? own->octets : NULL,
        .own_name = own != NULL ? &own->name : NULL,
    };

    return iotsafe_agree(key->card, &agreement, ret_secret, op);
}

int isprov_card_key_agree(struct isprov_key *key, const struct isprov_public_key *peer,
                          uint8_t ret_secret[static IOTSAFE_SHARED_SECRET_SIZE],
                          struct iotsafe_op *op)
{
    struct iotsafe_name container;
    enum iotsafe_err err = IOTSAFE_ERR_KEY;

    if (peer->type != key->type || isprov_type_is_rsa(key->type))
        isprov_op_set(op, "%s: the peer's key is of another type", isprov_key_name(key).text);
    else
        err = find_peer_container(key, &container, op);
    if (err == IOTSAFE_OK)
        err = agree(key, &container, peer->octets, ret_secret, op);
    if (err != IOTSAFE_OK)
        isprov_raise(key->prov, err, op);
    return err == IOTSAFE_OK;
}
