/* SPDX-License-Identifier: Apache-2.0 */
/* see public_key.h */
#include "public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <string.h>

#include "crypto.h"
#include "soft_key.h"

static struct isprov_public_key *public_key_new(const struct isprov_type *type, EVP_PKEY *pkey)
{
    struct isprov_public_key *pub = pkey != NULL ? OPENSSL_zalloc(sizeof(*pub)) : NULL;

    if (pub == NULL) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    pub->type = type;
    pub->pkey = pkey;
    return pub;
}

void isprov_public_key_free(struct isprov_public_key *pub)
{
    if (pub == NULL)
        return;
    EVP_PKEY_free(pub->pkey);
    OPENSSL_free(pub);
}

/* ------------------------------------------------------------------- points */

/* libcrypto checks that the point is on the curve. */
static EVP_PKEY *pkey_of_point(struct isprov *prov, const struct isprov_type *type,
                               const uint8_t *octets)
{
    char group[32];
    uint8_t pub[IOTSAFE_POINT_SIZE];
    OSSL_PARAM params[3];

    OPENSSL_strlcpy(group, type->group, sizeof(group));
    memcpy(pub, octets, sizeof(pub));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof(pub));
    params[2] = OSSL_PARAM_construct_end();
    return isprov_soft_from_params(prov, "EC", EVP_PKEY_PUBLIC_KEY, params);
}

static struct isprov_public_key *public_key_on_curve(struct isprov *prov,
                                                     const struct isprov_type *type,
                                                     const uint8_t *octets)
{
    struct isprov_public_key *pub;

    isprov_mark(prov);
    pub = public_key_new(type, pkey_of_point(prov, type, octets));
    isprov_drop(prov);
    if (pub != NULL)
        memcpy(pub->octets, octets, sizeof(pub->octets));
    return pub;
}

/* A point is on two of the curves with negligible probability. */
struct isprov_public_key *isprov_public_key_of_point(
    struct isprov *prov, const struct isprov_type *type,
    const uint8_t octets[static IOTSAFE_POINT_SIZE])
{
    struct isprov_public_key *pub = NULL;

    if (type != NULL)
        return isprov_type_is_rsa(type) ? NULL : public_key_on_curve(prov, type, octets);
    for (size_t i = 0; pub == NULL && (type = isprov_type_curve(i)) != NULL; i++)
        pub = public_key_on_curve(prov, type, octets);
    return pub;
}

/* ---------------------------------------------------------------------- RSA */

static EVP_PKEY *pkey_of_numbers(struct isprov *prov, const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;

    if (bld != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n)
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e))
        params = OSSL_PARAM_BLD_to_param(bld);
    if (params != NULL)
        pkey = isprov_soft_from_params(prov, "RSA", EVP_PKEY_PUBLIC_KEY, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

/* What cannot be an RSA public key of a card: another size, an even number, an
 * exponent that signs nothing. */
static bool is_sane(const BIGNUM *n, const BIGNUM *e)
{
    return n != NULL && e != NULL && BN_num_bits(n) == isprov_type_rsa()->bits && BN_is_odd(n)
           && BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64;
}

static struct isprov_public_key *public_key_of_numbers(struct isprov *prov, const BIGNUM *n,
                                                       const BIGNUM *e)
{
    struct isprov_public_key *pub;

    if (!is_sane(n, e))
        return NULL;
    isprov_mark(prov);
    pub = public_key_new(isprov_type_rsa(), pkey_of_numbers(prov, n, e));
    isprov_drop(prov);
    return pub;
}

static struct isprov_public_key *public_key_of_rsa(struct isprov *prov,
                                                   const struct iotsafe_rsa_key *rsa)
{
    BIGNUM *n = BN_bin2bn(rsa->modulus, (int)rsa->modulus_len, NULL);
    BIGNUM *e = BN_bin2bn(rsa->exponent, (int)rsa->exponent_len, NULL);
    struct isprov_public_key *pub = public_key_of_numbers(prov, n, e);

    BN_free(n);
    BN_free(e);
    return pub;
}

/* --------------------------------------------------------------- other keys */

struct isprov_public_key *isprov_public_key_of_card(struct isprov *prov,
                                                    const struct iotsafe_public_key *key)
{
    if (key->algorithm == IOTSAFE_RSA)
        return ISPROV_HAS_RSA ? public_key_of_rsa(prov, &key->rsa) : NULL;
    return isprov_public_key_of_point(prov, NULL, key->point);
}

static struct isprov_public_key *public_key_of_ec_pkey(struct isprov *prov, const EVP_PKEY *pkey)
{
    const struct isprov_type *type;
    char group[80];
    uint8_t octets[IOTSAFE_POINT_SIZE];
    size_t len = 0;

    if (!EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL)
        || (type = isprov_type_by_group(group)) == NULL
        || !EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, octets,
                                            sizeof(octets), &len)
        || len != sizeof(octets))
        return NULL;
    return isprov_public_key_of_point(prov, type, octets);
}

static struct isprov_public_key *public_key_of_rsa_pkey(struct isprov *prov, const EVP_PKEY *pkey)
{
    BIGNUM *n = NULL, *e = NULL;
    struct isprov_public_key *pub = NULL;

    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n)
        && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e))
        pub = public_key_of_numbers(prov, n, e);
    BN_free(n);
    BN_free(e);
    return pub;
}

struct isprov_public_key *isprov_public_key_of_pkey(struct isprov *prov, const EVP_PKEY *pkey)
{
    struct isprov_public_key *pub = NULL;

    isprov_mark(prov);
    if (pkey != NULL && EVP_PKEY_is_a(pkey, "EC"))
        pub = public_key_of_ec_pkey(prov, pkey);
    else if (ISPROV_HAS_RSA && pkey != NULL && EVP_PKEY_is_a(pkey, "RSA"))
        pub = public_key_of_rsa_pkey(prov, pkey);
    isprov_drop(prov);
    return pub;
}

struct isprov_public_key *isprov_public_key_of_spki(struct isprov *prov, const uint8_t *spki,
                                                    size_t len)
{
    OSSL_LIB_CTX *libctx = isprov_libctx(prov);
    const uint8_t *p = spki;
    struct isprov_public_key *pub = NULL;
    EVP_PKEY *pkey;

    if (libctx == NULL)
        return NULL;
    isprov_mark(prov);
    pkey = d2i_PUBKEY_ex(NULL, &p, (long)len, libctx, NULL);
    if (pkey != NULL && p == spki + len)
        pub = isprov_public_key_of_pkey(prov, pkey);
    isprov_drop(prov);
    EVP_PKEY_free(pkey);
    return pub;
}

bool isprov_public_key_eq(const struct isprov *prov, const struct isprov_public_key *pub,
                          const EVP_PKEY *other)
{
    bool same;

    isprov_mark(prov);
    same = EVP_PKEY_eq(pub->pkey, other) == 1;
    isprov_drop(prov);
    return same;
}
