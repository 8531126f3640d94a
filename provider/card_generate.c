/* SPDX-License-Identifier: Apache-2.0 */
/* see card_generate.h */
#include "card_generate.h"

#include <string.h>

#include "cards.h"

static enum iotsafe_err find_container(struct isprov *prov, const struct iotsafe_uri *uri,
                                       struct iotsafe_card **ret_card,
                                       struct iotsafe_object *ret_object, struct iotsafe_op *op)
{
    struct iotsafe_card *card = NULL;
    enum iotsafe_err err = isprov_card_of_uri(prov, uri, &card, op);

    if (err == IOTSAFE_OK)
        err = iotsafe_find(card, IOTSAFE_PRIVATE_KEY, &uri->name, ret_object, op);
    if (err == IOTSAFE_OK)
        *ret_card = card;
    else
        iotsafe_card_free(card);
    return err;
}

const struct isprov_type *isprov_card_container_type(struct isprov *prov,
                                                     const struct iotsafe_uri *uri,
                                                     const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    struct iotsafe_card *card;
    struct iotsafe_object object;

    if (find_container(prov, uri, &card, &object, &quiet) != IOTSAFE_OK)
        return NULL;
    iotsafe_card_free(card);
    return isprov_type_of_object(&object);
}

/* Before the old key is lost: can this be what is wanted? */
static enum iotsafe_err check_container(const struct iotsafe_uri *uri,
                                        const struct iotsafe_object *object, const char *group,
                                        struct iotsafe_op *op)
{
    const struct isprov_type *type = isprov_type_of_object(object);

    if (type != NULL && !isprov_type_is_rsa(type)
        && (group[0] == '\0' || isprov_type_by_group(group) == type))
        return IOTSAFE_OK;
    isprov_op_set(op, "%s: the container is for keys on %s, not on %.40s",
                  isprov_uri_text(uri).text,
                  type == NULL               ? "a curve that this provider does not know"
                  : isprov_type_is_rsa(type) ? "RSA"
                                             : type->group,
                  group[0] != '\0' ? group : "a curve");
    return IOTSAFE_ERR_UNSUPPORTED;
}

/* The key of what the card made. It goes by the name that the application gave,
 * as long as the card calls it so. */
static enum iotsafe_err adopt_generated(struct isprov *prov, struct iotsafe_card *card,
                                        const struct iotsafe_uri *asked,
                                        const struct iotsafe_generated *made,
                                        struct isprov_key **ret_key, struct iotsafe_op *op)
{
    struct iotsafe_uri uri = *asked;
    struct isprov_public_key *pub = isprov_public_key_of_point(prov, NULL, made->point);
    struct isprov_key *key;

    if (pub == NULL) {
        isprov_op_set(
            op,
            "GENERATE KEY PAIR returned a point that is on no curve known to this provider (%s)",
            iotsafe_card_transport(card));
        return IOTSAFE_ERR_KEY;
    }
    pub->name = made->public_key;
    if (made->private_key.id_len != 0 && uri.name.id_len != 0) {
        memcpy(uri.name.id, made->private_key.id, sizeof(uri.name.id));
        uri.name.id_len = made->private_key.id_len;
    }
    key = isprov_key_new_card(prov, ISPROV_KEY_CARD_PRIVATE, card, &uri, pub->type);
    if (key == NULL || !isprov_key_replace(key, NULL, pub, true)) {
        isprov_public_key_free(pub);
        isprov_key_free(key);
        return IOTSAFE_ERR_MEMORY;
    }
    *ret_key = key;
    return IOTSAFE_OK;
}

struct isprov_key *isprov_card_key_generate(struct isprov *prov, const struct iotsafe_uri *uri,
                                            const char *group, struct iotsafe_op *op)
{
    struct iotsafe_card *card = NULL;
    struct iotsafe_object object;
    struct iotsafe_generated made;
    struct isprov_key *key = NULL;
    enum iotsafe_err err = find_container(prov, uri, &card, &object, op);

    if (err == IOTSAFE_OK)
        err = check_container(uri, &object, group, op);
    if (err == IOTSAFE_OK)
        err = iotsafe_generate(card, &object.name, &made, op);
    if (err == IOTSAFE_OK)
        err = adopt_generated(prov, card, uri, &made, &key, op);
    iotsafe_card_free(card);
    if (err != IOTSAFE_OK)
        isprov_raise(prov, err, op);
    return key;
}
