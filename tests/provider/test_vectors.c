/* SPDX-License-Identifier: Apache-2.0 */
/* Our own vectors for ECDSA and ECDH: what is wrong is refused, with software keys
 * beside the provider and with keys on the card, and the rest gives what it must. */
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "ecdsa_der.h"
#include "fixture.h"
#include "vectors.h"

static const char *const curves[] = { "P-256", "brainpoolP256r1" };
#define N_CURVES (sizeof(curves) / sizeof(curves[0]))

TestSuite(vectors, .timeout = 600);

/* ------------------------------------------------------------------------ ECDSA */

struct judge {
    OSSL_LIB_CTX *lib;
    const struct isprov_type *curve;
    int n_valid, n_invalid;
};

static void count(struct judge *judge, const struct vector *v)
{
    judge->n_valid += v->valid;
    judge->n_invalid += !v->valid;
}

/* Verifies with a library context that hands EC to the provider. */
static bool provider_accepts(const struct judge *judge, const struct vector *v, const uint8_t *sig,
                             size_t sig_len)
{
    const unsigned char *p = v->spki;
    EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &p, (long)v->spki_len, judge->lib, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    bool good;

    cr_assert_not_null(key, "%s", drain_errors());
    cr_assert(EVP_DigestVerifyInit_ex(ctx, &pctx, v->sha, judge->lib, NULL, key, NULL));
    cr_assert_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_CTX_get0_provider(pctx)), "iotsafe");
    good = EVP_DigestVerify(ctx, sig, sig_len, v->msg, v->msg_len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

static void judge_der(const struct vector *v, void *arg)
{
    struct judge *judge = arg;
    uint8_t raw[2 * ISPROV_FIELD_MAX], der[ISPROV_ECDSA_DER_MAX];
    size_t len = 0;
    bool converts = isprov_ecdsa_to_raw(judge->curve, v->sig, v->sig_len, raw);

    cr_expect_eq(provider_accepts(judge, v, v->sig, v->sig_len), v->valid, "test %d: %s", v->id,
                 v->comment);
    cr_expect(converts || !v->valid, "test %d: %s: not converted", v->id, v->comment);
    if (converts) {
        cr_assert(isprov_ecdsa_from_raw(judge->curve, raw, sizeof(raw), der, &len));
        cr_expect(len == v->sig_len && memcmp(der, v->sig, len) == 0,
                  "test %d: %s: another DER comes back", v->id, v->comment);
    }
    count(judge, v);
}

static void judge_raw(const struct vector *v, void *arg)
{
    struct judge *judge = arg;
    uint8_t der[ISPROV_ECDSA_DER_MAX];
    size_t len = 0;
    bool good = isprov_ecdsa_from_raw(judge->curve, v->sig, v->sig_len, der, &len)
                && provider_accepts(judge, v, der, len);

    cr_expect_eq(good, v->valid, "test %d: %s", v->id, v->comment);
    count(judge, v);
}

static void judge_signatures(const char *type, void (*each)(const struct vector *, void *),
                             int n_invalid_min)
{
    struct context ctx;

    context_open(&ctx, IOTSAFE_FIRST);
    for (size_t i = 0; i < N_CURVES; i++) {
        struct judge judge = { .lib = ctx.lib, .curve = isprov_type_by_group(curves[i]) };

        cr_assert_not_null(judge.curve);
        for_each_own_vector(type, curves[i], each, &judge);
        cr_expect(judge.n_valid >= 12 && judge.n_invalid >= n_invalid_min,
                  "%s: %d valid, %d invalid", curves[i], judge.n_valid, judge.n_invalid);
    }
    context_close(&ctx);
}

Test(vectors, signatures_in_der)
{
    judge_signatures("EcdsaVerify", judge_der, 100);
}

Test(vectors, signatures_of_fixed_length)
{
    judge_signatures("EcdsaP1363Verify", judge_raw, 30);
}

/* ------------------------------------------------------------------------- ECDH */

struct octets {
    unsigned char bytes[128];
    size_t len;
};

static struct octets octets_of(const json_t *object, const char *name)
{
    const char *hex = json_string_value(json_object_get(object, name));
    struct octets octets = { .len = strlen(hex) / 2 };
    unsigned char *bytes = NULL;

    if (octets.len == 0)
        return octets;
    bytes = OPENSSL_hexstr2buf(hex, NULL);
    cr_assert(bytes != NULL && octets.len <= sizeof(octets.bytes), "%s", name);
    memcpy(octets.bytes, bytes, octets.len);
    OPENSSL_free(bytes);
    return octets;
}

static EVP_PKEY *private_key(OSSL_LIB_CTX *lib, const json_t *group)
{
    unsigned char *der = NULL;
    const unsigned char *p = NULL;
    long len = 0;
    EVP_PKEY *key = NULL;

    der = OPENSSL_hexstr2buf(json_string_value(json_object_get(group, "privateKeyDer")), &len);
    p = der;
    key = d2i_AutoPrivateKey_ex(NULL, &p, len, lib, NULL);
    cr_assert_not_null(key, "%s", drain_errors());
    OPENSSL_free(der);
    return key;
}

/* As a program would read the peer's key: NULL if it is refused there already. */
static EVP_PKEY *peer_of_spki(OSSL_LIB_CTX *lib, const char *curve, const struct octets *spki)
{
    const unsigned char *p = spki->bytes;

    (void)curve;
    return d2i_PUBKEY_ex(NULL, &p, (long)spki->len, lib, NULL);
}

static EVP_PKEY *peer_of_point(OSSL_LIB_CTX *lib, const char *curve, const struct octets *point)
{
    struct octets copy = *point;
    char name[32];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.bytes, copy.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(lib, "EC", NULL);
    EVP_PKEY *key = NULL;

    snprintf(name, sizeof(name), "%s", curve);
    if (EVP_PKEY_fromdata_init(pctx) <= 0
        || EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(pctx);
    return key;
}

static const struct {
    const char *type;
    EVP_PKEY *(*peer_of)(OSSL_LIB_CTX *lib, const char *curve, const struct octets *octets);
} forms[] = {
    { "EcdhSpki", peer_of_spki },
    { "EcdhPoint", peer_of_point },
};
#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

/* With one peer. @return whether there was a secret */
static bool agrees(OSSL_LIB_CTX *lib, EVP_PKEY *mine, EVP_PKEY *peer, const json_t *test)
{
    const char *result = json_string_value(json_object_get(test, "result"));
    const char *comment = json_string_value(json_object_get(test, "comment"));
    const int id = (int)json_integer_value(json_object_get(test, "tcId"));
    const struct octets want = octets_of(test, "shared");
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(lib, mine, NULL);
    unsigned char secret[64];
    size_t len = sizeof(secret);
    bool derived = peer != NULL && EVP_PKEY_derive_init(pctx) > 0
                   && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                   && EVP_PKEY_derive(pctx, secret, &len) > 0;

    cr_expect(!derived || strcmp(result, "invalid") != 0, "test %d: %s: a secret came out", id,
              comment);
    cr_expect(derived || strcmp(result, "valid") != 0, "test %d: %s: %s", id, comment,
              drain_errors());
    cr_expect(!derived || (len == want.len && memcmp(secret, want.bytes, len) == 0),
              "test %d: %s: a wrong secret", id, comment);
    EVP_PKEY_CTX_free(pctx);
    ERR_clear_error();
    return derived;
}

/* All peers of a curve, in both forms. @return how many secrets there were */
static int agree_with_all(OSSL_LIB_CTX *lib, EVP_PKEY *mine, const char *curve)
{
    json_t *root = own_vectors(), *group, *test;
    size_t i, j;
    int n = 0, n_refused = 0;

    for (size_t form = 0; form < N_FORMS; form++)
        json_array_foreach(json_object_get(root, "testGroups"), i, group)
        {
            if (!vectors_are_of(group, forms[form].type, curve))
                continue;
            json_array_foreach(json_object_get(group, "tests"), j, test)
            {
                const struct octets public = octets_of(test, "public");
                EVP_PKEY *peer = forms[form].peer_of(lib, curve, &public);
                bool derived = agrees(lib, mine, peer, test);

                n += derived;
                n_refused += !derived;
                EVP_PKEY_free(peer);
            }
        }
    json_decref(root);
    cr_expect(n >= 28 && n_refused >= 50, "%s: %d secrets, %d refused", curve, n, n_refused);
    return n;
}

/* The private key of the vectors on that curve. */
static EVP_PKEY *my_key(OSSL_LIB_CTX *lib, const char *curve)
{
    json_t *root = own_vectors(), *group;
    EVP_PKEY *key = NULL;
    size_t i;

    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        if (key == NULL && vectors_are_of(group, forms[0].type, curve))
            key = private_key(lib, group);
    }
    json_decref(root);
    cr_assert_not_null(key);
    return key;
}

/* Whoever computes, libcrypto's own provider or ours: software keys stay in order. */
Test(vectors, peers_of_software_keys)
{
    struct context ctx;

    context_open(&ctx, IOTSAFE_FIRST);
    for (size_t i = 0; i < N_CURVES; i++) {
        EVP_PKEY *mine = my_key(ctx.lib, curves[i]);

        agree_with_all(ctx.lib, mine, curves[i]);
        EVP_PKEY_free(mine);
    }
    context_close(&ctx);
}

static void put_key(const struct sim *sim, const char *container, EVP_PKEY *key, bool public)
{
    char words[300];
    BIO *file = BIO_new_file(sim_path(sim, "vector.pem"), "w");

    cr_assert(public ? PEM_write_bio_PUBKEY(file, key)
                     : PEM_write_bio_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    BIO_free(file);
    snprintf(words, sizeof(words), "put-key %s %s", container, sim_path(sim, "vector.pem"));
    sim_admin(sim, words);
}

/* On a SIM that takes keys of any curve, with containers of its own for them. */
static void agree_on_card(const char *curve)
{
    struct sim sim;
    OSSL_LIB_CTX *plain = OSSL_LIB_CTX_new(), *lib = OSSL_LIB_CTX_new();
    EVP_PKEY *key = my_key(plain, curve), *any = soft_key(plain, "EC", curve), *mine = NULL;
    int n;

    sim_start_with(&sim, "--set enforce_attributes=off");
    put_key(&sim, "mine", key, false);
    put_key(&sim, "peer", any, true);
    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    write_text(sim_path(&sim, "cnf"),
               "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = def\n"
               "iotsafe = iot\n[def]\nactivate = 1\n"
               "[iot]\nactivate = 1\npeer-key = iotsafe://label=peer\n");
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    mine = load_key(lib, "iotsafe://label=mine");
    cr_assert_not_null(mine, "%s", drain_errors());

    n = agree_with_all(lib, mine, curve);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE DH"), n, "what was refused never reached the card");

    EVP_PKEY_free(mine);
    EVP_PKEY_free(any);
    EVP_PKEY_free(key);
    OSSL_LIB_CTX_free(lib);
    OSSL_LIB_CTX_free(plain);
    sim_stop(&sim);
}

Test(vectors, peers_of_a_p256_key_on_the_card)
{
    agree_on_card("P-256");
}

Test(vectors, peers_of_a_brainpool_key_on_the_card)
{
    agree_on_card("brainpoolP256r1");
}
