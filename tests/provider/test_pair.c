/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs made on the SIM, and key agreement with its keys: through EVP, through the
 * file that stands for a key, in CMS, and against Wycheproof's sets. */
#include <jansson.h>
#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <string.h>

#include "fixture.h"

#define SPARE "iotsafe://label=spare-1"

static struct sim sim;
static struct context ctx;

static void begin(const char *options)
{
    sim_start_with(&sim, options);
    context_open(&ctx, DEFAULT_FIRST);
}

static void end(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(pair, .timeout = 240);

static EVP_PKEY *generate(const char *container, const char *group)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    EVP_PKEY *key = NULL;

    cr_assert(pctx != NULL && EVP_PKEY_keygen_init(pctx) > 0, "%s", drain_errors());
    if ((container == NULL || EVP_PKEY_CTX_ctrl_str(pctx, "container", container) > 0)
        && (group == NULL || EVP_PKEY_CTX_set_group_name(pctx, group) > 0)
        && EVP_PKEY_generate(pctx, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(pctx);
    return key;
}

Test(pair, is_made_on_the_sim_and_signs)
{
    EVP_PKEY *key, *loaded;
    unsigned char sig[80];
    size_t len = sizeof(sig);

    begin("");
    key = generate(SPARE, "P-256");
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect_eq(sim_exchanges(&sim, "GENERATE KEY PAIR"), 1);
    cr_expect(sign_message(ctx.lib, key, "SHA256", sig, &len), "%s", drain_errors());
    loaded = load_key(ctx.lib, SPARE);
    cr_assert_not_null(loaded, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_eq(key, loaded), 1, "%s", drain_errors());
    cr_expect(verify_message(ctx.lib, loaded, "SHA256", sig, len));
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(loaded);
    EVP_PKEY_free(key);
    end();
}

Test(pair, becomes_a_key_reference_file)
{
    EVP_PKEY *key, *again;
    char *pem;

    begin("");
    key = generate("iotsafe://id=0A", NULL);
    cr_assert_not_null(key, "the group is the container's: %s", drain_errors());
    pem = reference_pem(key);
    cr_expect_not_null(strstr(pem, "IOTSAFE KEY REFERENCE"));
    again = pem_key(ctx.lib, pem, strlen(pem));
    cr_assert_not_null(again, "%s", drain_errors());
    cr_expect_eq(EVP_PKEY_eq(key, again), 1);
    EXPECT_NO_ERRORS();
    OPENSSL_free(pem);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
    end();
}

Test(pair, without_a_container_is_made_in_software)
{
    EVP_PKEY *key;

    begin("");
    key = generate(NULL, "P-256");
    cr_expect_not_null(key);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0);
    EVP_PKEY_free(key);
    end();
}

Test(pair, is_not_made_where_the_container_does_not_suit)
{
    static const char *const cases[][3] = {
        { SPARE, "P-384", "not on" },
        { SPARE, "brainpoolP256r1", "not on" },
        { "iotsafe://label=nothing", "P-256", "no such object" },
        { "iotsafe://label=client-key", "P-256", "" }, /* may not be generated */
        { "iotsafe://label=spare-1;type=cert", "P-256", "one private-key container" },
        { "iotsafe://", "P-256", "one private-key container" },
        { "pkcs11:object=x", "P-256", "" },
    };

    begin("");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_null(generate(cases[i][0], cases[i][1]), "%s", cases[i][0]);
        EXPECT_ERROR(cases[i][2]);
    }
    cr_expect_null(generate(SPARE, "P-257"));
    drain_errors();
    end();
}

/* -------------------------------------------------------------------- agreement */

/* The public key alone, as it comes over a wire. */
static EVP_PKEY *public_of(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    const unsigned char *p;
    int len = i2d_PUBKEY(key, &der);
    EVP_PKEY *public;

    cr_assert_gt(len, 0, "%s", drain_errors());
    p = der;
    public = d2i_PUBKEY_ex(NULL, &p, len, ctx.lib, NULL);
    cr_assert_not_null(public);
    OPENSSL_free(der);
    return public;
}

static bool derive_with(EVP_PKEY *mine, EVP_PKEY *peer, const OSSL_PARAM *params,
                        unsigned char *secret, size_t *len)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, mine, NULL);
    bool good = EVP_PKEY_derive_init_ex(pctx, params) > 0
                && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                && EVP_PKEY_derive(pctx, secret, len) > 0;

    EVP_PKEY_CTX_free(pctx);
    return good;
}

static bool derive(EVP_PKEY *mine, EVP_PKEY *theirs, const OSSL_PARAM *params,
                   unsigned char *secret, size_t *len)
{
    EVP_PKEY *peer = public_of(theirs);
    bool good = derive_with(mine, peer, params, secret, len);

    EVP_PKEY_free(peer);
    return good;
}

Test(pair, agrees_with_a_peer_in_software_with_and_without_a_kdf)
{
    unsigned char out[2][48], ukm[] = { 1, 2, 3 };
    char kdf[] = OSSL_KDF_NAME_X963KDF, md[] = "SHA256";
    size_t out_len = sizeof(out[0]), len;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, kdf, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, md, 0),
        OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &out_len),
        OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, ukm, sizeof(ukm)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *mine, *theirs;

    begin("");
    mine = generate(SPARE, NULL);
    theirs = soft_key(ctx.lib, "EC", "P-256");
    for (int with_kdf = 0; with_kdf < 2; with_kdf++) {
        const size_t want = with_kdf ? 48 : 32;

        for (int side = 0; side < 2; side++) {
            len = sizeof(out[0]);
            cr_assert(derive(side == 0 ? mine : theirs, side == 0 ? theirs : mine,
                             with_kdf ? params : NULL, out[side], &len),
                      "%s", drain_errors());
            cr_expect_eq(len, want);
        }
        cr_expect_arr_eq(out[0], out[1], want);
    }
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    end();
}

/* A reference tells the public key, but not which object holds it: those of the key's
 * label are compared with it before a secret comes out. */
Test(pair, of_a_key_reference_agrees_until_it_is_replaced)
{
    unsigned char out[2][32];
    size_t len = sizeof(out[0]);
    EVP_PKEY *made, *mine, *theirs;
    char *pem;

    begin("");
    made = generate(SPARE, NULL);
    cr_assert_not_null(made, "%s", drain_errors());
    pem = reference_pem(made);
    EVP_PKEY_free(made);
    mine = pem_key(ctx.lib, pem, strlen(pem));
    theirs = soft_key(ctx.lib, "EC", "P-256");
    cr_assert_not_null(mine, "%s", drain_errors());
    cr_assert(derive(mine, theirs, NULL, out[0], &len), "%s", drain_errors());
    cr_assert(derive(theirs, mine, NULL, out[1], &len), "%s", drain_errors());
    cr_expect_arr_eq(out[0], out[1], sizeof(out[0]));
    EXPECT_NO_ERRORS();
    sim_admin(&sim, "generate-key spare-1");
    cr_expect_not(derive(mine, theirs, NULL, out[0], &len), "a secret of another key");
    EXPECT_ERROR("spare-1");
    OPENSSL_free(pem);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    end();
}

Test(pair, agrees_with_a_peer_that_has_its_private_key_in_it)
{
    unsigned char out[2][32];
    size_t len[2] = { sizeof(out[0]), sizeof(out[1]) };
    EVP_PKEY *mine, *theirs;

    begin("");
    mine = generate(SPARE, NULL);
    theirs = soft_key(ctx.lib, "EC", "P-256");
    cr_assert(derive_with(mine, theirs, NULL, out[0], &len[0]), "%s", drain_errors());
    cr_assert(derive(theirs, mine, NULL, out[1], &len[1]), "%s", drain_errors());
    cr_expect_arr_eq(out[0], out[1], sizeof(out[0]));
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    end();
}

/* Without room there the secret is not fetched at all. */
Test(pair, keeps_an_agreed_secret_in_the_secure_heap)
{
    EVP_PKEY *mine, *theirs;
    unsigned char secret[32];
    size_t n = 0, len = sizeof(secret);
    void *filled[256];

    begin("");
    mine = generate(SPARE, NULL);
    theirs = soft_key(ctx.lib, "EC", "P-256");
    cr_assert(CRYPTO_secure_malloc_init(4096, 32));
    while (n < 256 && (filled[n] = OPENSSL_secure_malloc(32)) != NULL)
        n++;
    cr_assert_lt(n, 256);
    ERR_clear_error();
    cr_expect_not(derive(mine, theirs, NULL, secret, &len));
    EXPECT_ERROR("out of memory");
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE DH"), 0);
    while (n > 0)
        OPENSSL_secure_free(filled[--n]);
    len = sizeof(secret);
    cr_expect(derive(mine, theirs, NULL, secret, &len), "%s", drain_errors());
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    cr_expect_eq(CRYPTO_secure_used(), 0);
    end();
}

Test(pair, that_may_not_agree_says_so)
{
    EVP_PKEY *mine, *theirs;
    unsigned char secret[32];
    size_t len = sizeof(secret);

    begin("");
    mine = load_key(ctx.lib, CLIENT_KEY);
    theirs = soft_key(ctx.lib, "EC", "P-256");
    cr_expect_not(derive(mine, theirs, NULL, secret, &len));
    EXPECT_ERROR("COMPUTE DH");
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    end();
}

Test(pair, refuses_peers_of_another_group_before_the_card)
{
    EVP_PKEY *mine, *theirs;
    unsigned char secret[32];
    size_t len = sizeof(secret);

    begin("");
    mine = generate(SPARE, NULL);
    theirs = soft_key(ctx.lib, "EC", "brainpoolP256r1");
    cr_assert_not_null(mine);
    cr_expect_not(derive(mine, theirs, NULL, secret, &len));
    cr_expect_str_not_empty(drain_errors());
    cr_expect_eq(sim_exchanges(&sim, "PUT PUBLIC KEY INIT"), 0);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    end();
}

Test(pair, decrypts_cms_for_an_ec_recipient)
{
    EVP_PKEY *key;
    X509 *made, *cert = NULL;
    unsigned char *der = NULL;
    const unsigned char *p;
    int len;
    BIO *in, *out;
    CMS_ContentInfo *cms;
    STACK_OF(X509) *to = sk_X509_new_null();
    char text[16] = "";

    begin("");
    key = generate(SPARE, NULL);
    made = self_signed(ctx.lib, key, "SHA256");
    cr_assert_not_null(made, "%s", drain_errors());
    len = i2d_X509(made, &der); /* as the sender gets it */
    p = der;
    cert = X509_new_ex(ctx.lib, NULL);
    cr_assert(d2i_X509(&cert, &p, len) != NULL && sk_X509_push(to, cert) > 0);
    OPENSSL_free(der);
    X509_free(made);
    in = BIO_new_mem_buf("for the SIM", 12);
    out = BIO_new(BIO_s_mem());
    cms = CMS_encrypt_ex(to, in, EVP_aes_128_cbc(), CMS_BINARY, ctx.lib, NULL);
    cr_assert_not_null(cms, "%s", drain_errors());
    cr_expect_eq(CMS_decrypt(cms, key, cert, NULL, out, 0), 1, "%s", drain_errors());
    cr_expect(BIO_read(out, text, sizeof(text)) == 12 && strcmp(text, "for the SIM") == 0);
    EXPECT_NO_ERRORS();
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    BIO_free(out);
    sk_X509_free(to);
    X509_free(cert);
    EVP_PKEY_free(key);
    end();
}

/* ------------------------------------------------------------------ Wycheproof */

static size_t from_hex(const json_t *test, const char *name, unsigned char *out, size_t cap)
{
    long len = 0;
    const char *hex = json_string_value(json_object_get(test, name));
    unsigned char *bytes = OPENSSL_hexstr2buf(hex[0] != '\0' ? hex : "00", &len);

    cr_assert(bytes != NULL && (size_t)len <= cap, "%s", name);
    memcpy(out, bytes, (size_t)len);
    OPENSSL_free(bytes);
    return hex[0] != '\0' ? (size_t)len : 0;
}

/* A vector's private key, with the public key that belongs to it. */
static EVP_PKEY *private_key(const char *group_name, const json_t *test)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_txt2nid(group_name));
    EC_POINT *point = EC_POINT_new(group);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=default");
    BIGNUM *d = NULL;
    unsigned char pub[65], priv[32];
    char name[32];
    OSSL_PARAM params[4];
    EVP_PKEY *key = NULL;

    cr_assert(BN_hex2bn(&d, json_string_value(json_object_get(test, "private"))) > 0);
    cr_assert(EC_POINT_mul(group, point, d, NULL, NULL, NULL));
    cr_assert_eq(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, pub, sizeof(pub),
                                    NULL),
                 sizeof(pub));
    cr_assert_eq(BN_bn2nativepad(d, priv, sizeof(priv)), 32);
    snprintf(name, sizeof(name), "%s", group_name);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof(pub));
    params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, priv, sizeof(priv));
    params[3] = OSSL_PARAM_construct_end();
    cr_assert(EVP_PKEY_fromdata_init(pctx) > 0
              && EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) > 0);
    EVP_PKEY_CTX_free(pctx);
    BN_free(d);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return key;
}

static void put_key(const char *container, EVP_PKEY *key, bool public)
{
    char words[300];
    BIO *file = BIO_new_file(sim_path(&sim, "vector.pem"), "w");

    cr_assert(public ? PEM_write_bio_PUBKEY(file, key)
                     : PEM_write_bio_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    BIO_free(file);
    snprintf(words, sizeof(words), "put-key %s %s", container, sim_path(&sim, "vector.pem"));
    sim_admin(&sim, words);
}

/* As a program would read it: NULL if libcrypto refuses already. */
static EVP_PKEY *peer_of(const json_t *test, const char *group, bool point)
{
    static unsigned char bytes[16384];
    const unsigned char *p = bytes;
    size_t len = from_hex(test, "public", bytes, sizeof(bytes));
    char name[32];
    OSSL_PARAM params[3];
    EVP_PKEY_CTX *pctx;
    EVP_PKEY *key = NULL;

    if (!point)
        return d2i_PUBKEY_ex(NULL, &p, (long)len, ctx.lib, NULL);
    snprintf(name, sizeof(name), "%s", group);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes, len);
    params[2] = OSSL_PARAM_construct_end();
    pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", NULL);
    if (EVP_PKEY_fromdata_init(pctx) <= 0
        || EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(pctx);
    return key;
}

static int zero_secrets; /* valid in theory, refused by us after the card gave them */

/* One vector. @return true if there was a secret */
static bool run_vector(EVP_PKEY *mine, const json_t *test, const char *group, bool point)
{
    const char *result = json_string_value(json_object_get(test, "result"));
    const int id = (int)json_integer_value(json_object_get(test, "tcId"));
    EVP_PKEY *peer = peer_of(test, group, point);
    unsigned char secret[32], want[512];
    size_t len = sizeof(secret), want_len = from_hex(test, "shared", want, sizeof(want));
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, mine, NULL);
    bool derived = peer != NULL && EVP_PKEY_derive_init(pctx) > 0
                   && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                   && EVP_PKEY_derive(pctx, secret, &len) > 0;
    static const unsigned char zeros[32];
    const bool is_zero = want_len == 32 && memcmp(want, zeros, 32) == 0;

    cr_expect(!derived || strcmp(result, "invalid") != 0, "%d: invalid, and a secret came out", id);
    cr_expect(derived || is_zero || strcmp(result, "valid") != 0, "%d: valid, %s", id,
              drain_errors());
    cr_expect_not(derived && is_zero, "%d: a secret of zeros", id);
    zero_secrets += is_zero;
    cr_expect(!derived || (len == want_len && memcmp(secret, want, len) == 0), "%d: a wrong secret",
              id);
    ERR_clear_error();
    EVP_PKEY_CTX_free(pctx);
    EVP_PKEY_free(peer);
    return derived;
}

static json_t *vectors(const char *file)
{
    const char *folder = getenv("IOTSAFE_VECTORS");
    char path[512];
    json_t *root;

    snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : VECTORS_FOLDER, file);
    root = json_load_file(path, 0, NULL);
    if (root == NULL)
        cr_skip_test("no test vectors: IOTSAFE_VECTORS names no folder with %s", file);
    return root;
}

/* The pair in the container is another one by now: no secret comes out, and what was read
 * of the old one is forgotten. */
static void expect_stale(EVP_PKEY *mine)
{
    unsigned char secret[32];
    size_t len = sizeof(secret);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, mine, NULL);

    cr_expect_leq(EVP_PKEY_derive_init(pctx) > 0 && EVP_PKEY_derive_set_peer(pctx, mine) > 0
                      ? EVP_PKEY_derive(pctx, secret, &len)
                      : 1,
                  0, "a secret of a key that the card no longer has");
    ERR_clear_error();
    EVP_PKEY_CTX_free(pctx);
}

/* True if the key on the card has a public key, and it is not that of `now`: some vectors
 * write one private key in two ways. */
static bool has_become_another(EVP_PKEY *mine, EVP_PKEY *now)
{
    unsigned char of_mine[133], of_now[133];
    size_t n_mine = 0, n_now = 0;

    return EVP_PKEY_get_octet_string_param(mine, OSSL_PKEY_PARAM_PUB_KEY, of_mine, sizeof(of_mine),
                                           &n_mine)
               > 0
           && EVP_PKEY_get_octet_string_param(now, OSSL_PKEY_PARAM_PUB_KEY, of_now, sizeof(of_now),
                                              &n_now)
                  > 0
           && (n_mine != n_now || memcmp(of_mine, of_now, n_now) != 0);
}

/* Returns with the SIM's container for private keys filled by vector after vector. */
static void run_set(const json_t *root, const char *group, const char *container, bool point)
{
    const char *loaded = "";
    char uri[80];
    EVP_PKEY *mine = NULL, *key;
    json_t *set, *test;
    size_t i, j;
    int derived = 0;

    snprintf(uri, sizeof(uri), "iotsafe://label=%s", container);
    json_array_foreach(json_object_get(root, "testGroups"), i, set)
        json_array_foreach(json_object_get(set, "tests"), j, test)
    {
        const char *private = json_string_value(json_object_get(test, "private"));

        if (strcmp(private, loaded) != 0) {
            key = private_key(group, test);
            put_key(container, key, false);
            loaded = private;
            if (mine != NULL && has_become_another(mine, key)) {
                expect_stale(mine);
                EVP_PKEY_free(mine);
                mine = NULL;
            }
            EVP_PKEY_free(key);
            if (mine == NULL)
                mine = load_key(ctx.lib, uri);
        }
        cr_assert_not_null(mine, "%s", drain_errors());
        derived += run_vector(mine, test, group, point);
    }
    cr_expect_geq(derived, 300);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE DH"), derived + 2 * zero_secrets,
                 "what was refused never reached the card; zeros are asked for once more");
    EVP_PKEY_free(mine);
}

Test(pair, wycheproof_p256_spki)
{
    json_t *root = vectors("ecdh_secp256r1_test.json");

    begin("");
    run_set(root, "prime256v1", "spare-1", false);
    end();
    json_decref(root);
}

Test(pair, wycheproof_p256_points)
{
    json_t *root = vectors("ecdh_secp256r1_ecpoint_test.json");

    begin("");
    run_set(root, "prime256v1", "spare-1", true);
    end();
    json_decref(root);
}

/* The SIM has no container for a peer on this curve: one is put, and named. */
Test(pair, wycheproof_brainpool_spki)
{
    json_t *root = vectors("ecdh_brainpoolP256r1_test.json");
    EVP_PKEY *any;

    sim_start_with(&sim, "--set enforce_attributes=off");
    ctx = (struct context){ .lib = OSSL_LIB_CTX_new() };
    cr_assert(OSSL_PROVIDER_set_default_search_path(ctx.lib, getenv("IOTSAFE_MODULE_DIR")));
    write_text(sim_path(&sim, "cnf"),
               "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = def\n"
               "iotsafe = iot\n[def]\nactivate = 1\n"
               "[iot]\nactivate = 1\npeer-key = iotsafe://label=bp-peer\n");
    cr_assert(OSSL_LIB_CTX_load_config(ctx.lib, sim_path(&sim, "cnf")), "%s", drain_errors());
    any = soft_key(ctx.lib, "EC", "brainpoolP256r1");
    put_key("bp-peer", any, true);
    EVP_PKEY_free(any);
    run_set(root, "brainpoolP256r1", "bp-mine", false);
    OSSL_LIB_CTX_free(ctx.lib);
    sim_stop(&sim);
    json_decref(root);
}
