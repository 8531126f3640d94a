/* SPDX-License-Identifier: Apache-2.0 */
/* Generation of EC keys, the part of key management (keymgmt_ec.c) that makes
 * keys: on a card, where a container was named; else in software, as the ephemeral
 * keys of a process in which we stand before `default`, of any group that
 * `default` has. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "assume_fips.h"
#include "card_generate.h"
#include "crypto.h"
#include "key.h"

struct gen {
    struct isprov *prov;
    EVP_PKEY_CTX *ctx; /* of the default provider */
    bool pair;         /* else parameters alone */
    bool on_card;
    struct iotsafe_uri container;
    char group[ISPROV_GROUP_NAME_MAX]; /* empty: that of the container */
};

static bool set_container(struct gen *gen, const OSSL_PARAM *p)
{
    struct iotsafe_op op = { .text = "" };
    const char *text = NULL;
    enum iotsafe_err err;

    if (!OSSL_PARAM_get_utf8_string_ptr(p, &text))
        return false;
    err = iotsafe_uri_parse(text, &gen->container, &op);
    if (err == IOTSAFE_OK
        && (iotsafe_name_is_empty(&gen->container.name)
            || (gen->container.type != IOTSAFE_URI_ANY
                && gen->container.type != IOTSAFE_URI_PRIVATE))) {
        err = IOTSAFE_ERR_URI;
        isprov_op_set(&op, "%.80s: the URI of one private-key container is needed", text);
    }
    if (err != IOTSAFE_OK)
        isprov_raise(gen->prov, err, &op);
    gen->on_card = err == IOTSAFE_OK;
    return gen->on_card;
}

/* The default provider takes what it knows of them. */
int isprov_keymgmt_ec_gen_set_params(void *genctx, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;
    const OSSL_PARAM *container = OSSL_PARAM_locate_const(params, ISPROV_PKEY_PARAM_CONTAINER);
    const OSSL_PARAM *group = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
    char *name = gen->group;

    return params == NULL
           || ((container == NULL || set_container(gen, container))
               && (group == NULL || OSSL_PARAM_get_utf8_string(group, &name, sizeof(gen->group)))
               && EVP_PKEY_CTX_set_params(gen->ctx, params) > 0);
}

const OSSL_PARAM *isprov_keymgmt_ec_gen_settable_params(void *genctx, void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(ISPROV_PKEY_PARAM_CONTAINER, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_END
    };

    (void)genctx;
    (void)provctx;
    return params;
}

void isprov_keymgmt_ec_gen_cleanup(void *genctx)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    if (gen == NULL)
        return;
    EVP_PKEY_CTX_free(gen->ctx);
    OPENSSL_free(gen);
}

void *isprov_keymgmt_ec_gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov *prov = provctx;
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    struct gen *gen = OPENSSL_zalloc(sizeof(*gen));

    if (libctx == NULL || gen == NULL)
        goto fail;
    gen->prov = prov;
    gen->pair = (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0;
    gen->ctx = EVP_PKEY_CTX_new_from_name(libctx, "EC", NULL);
    if (gen->ctx == NULL
        || (gen->pair ? EVP_PKEY_keygen_init(gen->ctx) : EVP_PKEY_paramgen_init(gen->ctx)) <= 0
        || !isprov_keymgmt_ec_gen_set_params(gen, params))
        goto fail;
    return gen;

fail:
    isprov_keymgmt_ec_gen_cleanup(gen);
    return NULL;
}

int isprov_keymgmt_ec_gen_set_template(void *genctx, void *template)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;

    return isprov_key_group(template, gen->group)
           && EVP_PKEY_CTX_set_group_name(gen->ctx, gen->group) > 0;
}

static struct isprov_key *generate_soft(struct gen *gen)
{
    struct isprov_key *key;
    EVP_PKEY *pkey = NULL;

    if (gen->pair && !isprov_may_generate(gen->prov))
        return NULL;
    key = isprov_key_new_soft(gen->prov);
    if (key != NULL && EVP_PKEY_generate(gen->ctx, &pkey) > 0 && isprov_key_take_soft(key, pkey))
        return key;
    isprov_raise_text(gen->prov, IOTSAFE_ERR_ARGUMENT,
                      "EC key generation failed; the group is missing or unknown");
    isprov_key_free(key);
    return NULL;
}

/* The experimental setting `ephemeral-key` sends the pairs of its curve to the
 * card. NULL: this one is made in software. */
static const struct iotsafe_uri *ephemeral_container(const struct gen *gen,
                                                     const struct iotsafe_op *op)
{
    const struct iotsafe_uri *uri = iotsafe_config_ephemeral_key(isprov_config(gen->prov));
    const struct isprov_type *type = isprov_type_by_group(gen->group);

    if (uri == NULL || type == NULL || !gen->pair
        || type != isprov_card_container_type(gen->prov, uri, op))
        return NULL;
    return uri;
}

void *isprov_keymgmt_ec_gen(void *genctx, OSSL_CALLBACK *cb, void *arg)
{
    ISPROV_KEEP_ERRNO;
    struct gen *gen = genctx;
    struct iotsafe_op op = isprov_op_begin(gen->prov);
    const struct iotsafe_uri *ephemeral;

    (void)cb; /* done before anybody could read of it */
    (void)arg;
    if (gen->on_card)
        return isprov_card_key_generate(gen->prov, &gen->container, gen->group, &op);
    ephemeral = ephemeral_container(gen, &op);
    return ephemeral != NULL ? isprov_card_key_generate(gen->prov, ephemeral, gen->group, &op)
                             : generate_soft(gen);
}
