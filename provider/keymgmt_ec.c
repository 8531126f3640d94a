/* SPDX-License-Identifier: Apache-2.0 */
/* Key management for EC keys, see provider-keymgmt(7) and keymgmt.h; generation is
 * in keymgmt_ec_gen.c. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "keymgmt.h"
#include "soft_key.h"

static OSSL_FUNC_keymgmt_import_fn keymgmt_ec_import;
static OSSL_FUNC_keymgmt_import_types_fn keymgmt_ec_import_types;
static OSSL_FUNC_keymgmt_export_fn keymgmt_ec_export;
static OSSL_FUNC_keymgmt_get_params_fn keymgmt_ec_get_params;
static OSSL_FUNC_keymgmt_gettable_params_fn keymgmt_ec_gettable_params;
static OSSL_FUNC_keymgmt_set_params_fn keymgmt_ec_set_params;
static OSSL_FUNC_keymgmt_settable_params_fn keymgmt_ec_settable_params;
static OSSL_FUNC_keymgmt_query_operation_name_fn keymgmt_ec_query_operation_name;

#define SELECT_PUBLIC OSSL_KEYMGMT_SELECT_PUBLIC_KEY
#define SELECT_PRIVATE OSSL_KEYMGMT_SELECT_PRIVATE_KEY
#define SELECT_PAIR OSSL_KEYMGMT_SELECT_KEYPAIR
#define SELECT_DOMAIN OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS

/* ---------------------------------------------------------- import and export */

/* A key whose curve came as numbers is not trusted to be on the curve that
 * libcrypto found in them: cofactors, for one, may be anything. */
static bool has_explicit_curve(const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_EC_ENCODING);
    const char *encoding = NULL;

    return p != NULL && OSSL_PARAM_get_utf8_string_ptr(p, &encoding)
           && OPENSSL_strcasecmp(encoding, OSSL_PKEY_EC_ENCODING_EXPLICIT) == 0;
}

/* libcrypto chooses us before it knows what is in a key, so that every key on a
 * named curve has to be taken. Refusing is silent, since libcrypto only tries when
 * it compares. */
static int keymgmt_ec_import(void *keydata, int selection, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;

    return OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME) != NULL
           && !has_explicit_curve(params)
           && isprov_keymgmt_import_soft(keydata, "EC", selection, params);
}

/* The public part. The group goes by name alone: with field and coefficients beside
 * it, certificates would get explicit parameters. */
static int export_card_key(struct isprov_key *key, int selection, OSSL_CALLBACK *cb, void *arg)
{
    const struct isprov_public_key *pub = NULL;
    /* OSSL_PARAM has no const; nobody writes through it. */
    char *group = (char *)(uintptr_t)key->type->group;
    OSSL_PARAM params[3] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                             OSSL_PARAM_END, OSSL_PARAM_END };

    if ((selection & SELECT_PUBLIC) != 0) {
        pub = isprov_key_pin(key);
        if (pub == NULL)
            return 0;
        params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                      (void *)(uintptr_t)pub->octets,
                                                      sizeof(pub->octets));
    }
    return cb(params, arg);
}

/* A card key gives nothing for a selection with the private key, not even the
 * rest of it: libcrypto would take that for the whole and sign elsewhere. */
static int keymgmt_ec_export(void *keydata, int selection, OSSL_CALLBACK *cb, void *arg)
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = keydata;

    if (key == NULL || (selection & SELECT_DOMAIN) == 0)
        return 0;
    if (!isprov_key_is_on_card(key))
        return isprov_keymgmt_export_soft(key, selection, cb, arg);
    return (selection & SELECT_PRIVATE) == 0 && export_card_key(key, selection, cb, arg);
}

#define TYPE_GROUP OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0)
#define TYPE_PUB OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0)
#define TYPE_PRIV OSSL_PARAM_BN(OSSL_PKEY_PARAM_PRIV_KEY, NULL, 0)

static const OSSL_PARAM *keymgmt_ec_import_types(int selection)
{
    static const OSSL_PARAM pair[] = { TYPE_PRIV, TYPE_PUB, TYPE_GROUP, OSSL_PARAM_END };

    return (selection & SELECT_PRIVATE) != 0  ? pair
           : (selection & SELECT_PUBLIC) != 0 ? pair + 1
                                              : pair + 2;
}

/* ------------------------------------------------------------------ parameters */

static bool put_octets(OSSL_PARAM *p, const void *bytes, size_t len)
{
    return p == NULL || OSSL_PARAM_set_octet_string(p, bytes, len);
}

static bool put_number(OSSL_PARAM *p, const uint8_t *bytes, size_t len)
{
    BIGNUM *number;
    bool good;

    if (p == NULL)
        return true;
    number = BN_bin2bn(bytes, (int)len, NULL);
    good = number != NULL && OSSL_PARAM_set_BN(p, number);
    BN_free(number);
    return good;
}

/* The public key, which is looked at only if it is asked for. */
static bool put_point(struct isprov_key *key, OSSL_PARAM params[])
{
    OSSL_PARAM *encoded = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    OSSL_PARAM *plain = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY);
    OSSL_PARAM *x = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_EC_PUB_X);
    OSSL_PARAM *y = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_EC_PUB_Y);
    const size_t field_len = key->type->field_len;
    const struct isprov_public_key *pub;

    if (encoded == NULL && plain == NULL && x == NULL && y == NULL)
        return true;
    pub = isprov_pin_or_raise(key);
    if (pub == NULL)
        return false;
    return put_octets(encoded, pub->octets, sizeof(pub->octets))
           && put_octets(plain, pub->octets, sizeof(pub->octets))
           && put_number(x, pub->octets + 1, field_len)
           && put_number(y, pub->octets + 1 + field_len, field_len);
}

/* What describes a curve in numbers: as the default provider tells it of a named one. */
static const char *const curve_params[] = {
    OSSL_PKEY_PARAM_EC_FIELD_TYPE, OSSL_PKEY_PARAM_EC_P,         OSSL_PKEY_PARAM_EC_A,
    OSSL_PKEY_PARAM_EC_B,          OSSL_PKEY_PARAM_EC_GENERATOR, OSSL_PKEY_PARAM_EC_ORDER,
    OSSL_PKEY_PARAM_EC_COFACTOR,   OSSL_PKEY_PARAM_EC_SEED,
};
#define N_CURVE_PARAMS (sizeof(curve_params) / sizeof(curve_params[0]))

/* The curve, made only if it is asked for. */
static bool put_curve(const struct isprov_key *key, OSSL_PARAM params[])
{
    OSSL_PARAM *wanted[N_CURVE_PARAMS], asked[N_CURVE_PARAMS + 1];
    EVP_PKEY *curve;
    size_t n = 0;
    bool good;

    for (size_t i = 0; i < N_CURVE_PARAMS; i++) {
        wanted[n] = OSSL_PARAM_locate(params, curve_params[i]);
        if (wanted[n] != NULL) {
            asked[n] = *wanted[n];
            n++;
        }
    }
    if (n == 0)
        return true;
    asked[n] = OSSL_PARAM_construct_end();
    curve = isprov_soft_from_group(key->prov, key->type->group);
    good = curve != NULL && EVP_PKEY_get_params(curve, asked);
    for (size_t i = 0; i < n; i++)
        wanted[i]->return_size = asked[i].return_size;
    EVP_PKEY_free(curve);
    return good;
}

static int keymgmt_ec_get_params(void *keydata, OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = keydata;

    if (key == NULL)
        return 0;
    if (!isprov_key_is_on_card(key))
        return key->soft != NULL && EVP_PKEY_get_params(key->soft, params);
    return isprov_put_int(params, OSSL_PKEY_PARAM_BITS, key->type->bits)
           && isprov_put_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, key->type->security_bits)
           && isprov_put_int(params, OSSL_PKEY_PARAM_MAX_SIZE, key->type->max_signature_len)
           && isprov_put_int(params, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, 0)
           && isprov_put_int(params, OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, 0)
           && isprov_put_text(params, OSSL_PKEY_PARAM_DEFAULT_DIGEST, "SHA256")
           && isprov_put_text(params, OSSL_PKEY_PARAM_GROUP_NAME, key->type->group)
           && isprov_put_text(params, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_GROUP)
           && isprov_put_text(params, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                              OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED)
           && put_curve(key, params) && put_point(key, params);
}

static const OSSL_PARAM *keymgmt_ec_gettable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        TYPE_PUB,
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_X, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_Y, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_FIELD_TYPE, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_P, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_A, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_B, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_EC_GENERATOR, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_ORDER, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_COFACTOR, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_EC_SEED, NULL, 0),
        TYPE_PRIV, /* of software keys */
        OSSL_PARAM_END
    };

    (void)provctx;
    return params;
}

/* A peer's point goes into a copy of the parameters this way (TLS). */
static int keymgmt_ec_set_params(void *keydata, const OSSL_PARAM params[])
{
    ISPROV_KEEP_ERRNO;
    struct isprov_key *key = keydata;
    const bool with_pub = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY)
                          != NULL;
    /* EVP_PKEY_set_params() has no const; it only reads. */
    OSSL_PARAM *given = (OSSL_PARAM *)(uintptr_t)params;

    if (key == NULL)
        return 0;
    if (isprov_key_is_on_card(key)) {
        if (with_pub)
            isprov_raise_text(key->prov, IOTSAFE_ERR_ARGUMENT,
                              "%s: the public key of a key on a SIM cannot be set",
                              isprov_key_name(key).text);
        return !with_pub;
    }
    if (key->soft == NULL || !EVP_PKEY_set_params(key->soft, given))
        return 0;
    key->soft_parts = isprov_soft_parts(key->soft);
    return 1;
}

static const OSSL_PARAM *keymgmt_ec_settable_params(void *provctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_USE_COFACTOR_ECDH, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0), OSSL_PARAM_END
    };

    (void)provctx;
    return params;
}

static const char *keymgmt_ec_query_operation_name(int operation)
{
    switch (operation) {
    case OSSL_OP_SIGNATURE:
        return "ECDSA";
    case OSSL_OP_KEYEXCH:
        return "ECDH";
    default:
        return NULL;
    }
}

const OSSL_DISPATCH isprov_keymgmt_ec[] = {
    ISPROV_KEYMGMT_COMMON,
    { OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))keymgmt_ec_import },
    { OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))keymgmt_ec_import_types },
    { OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))keymgmt_ec_export },
    { OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))keymgmt_ec_import_types },
    { OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))keymgmt_ec_get_params },
    { OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))keymgmt_ec_gettable_params },
    { OSSL_FUNC_KEYMGMT_SET_PARAMS, (void (*)(void))keymgmt_ec_set_params },
    { OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, (void (*)(void))keymgmt_ec_settable_params },
    { OSSL_FUNC_KEYMGMT_GEN_INIT, (void (*)(void))isprov_keymgmt_ec_gen_init },
    { OSSL_FUNC_KEYMGMT_GEN_SET_TEMPLATE, (void (*)(void))isprov_keymgmt_ec_gen_set_template },
    { OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, (void (*)(void))isprov_keymgmt_ec_gen_set_params },
    { OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS,
      (void (*)(void))isprov_keymgmt_ec_gen_settable_params },
    { OSSL_FUNC_KEYMGMT_GEN, (void (*)(void))isprov_keymgmt_ec_gen },
    { OSSL_FUNC_KEYMGMT_GEN_CLEANUP, (void (*)(void))isprov_keymgmt_ec_gen_cleanup },
    { OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))keymgmt_ec_query_operation_name },
    { 0, NULL }
};
