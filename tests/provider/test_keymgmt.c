/* SPDX-License-Identifier: Apache-2.0 */
/* EC keys: what a key on a SIM shows, what it hides, and software keys beside it. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    sim_start(&sim);
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(keymgmt, .init = setup, .fini = teardown, .timeout = 60);

static const char *provider_of(const EVP_PKEY *key)
{
    return OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key));
}

Test(keymgmt, a_key_on_the_sim_is_an_ec_key_in_all_respects)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    char group[64];

    cr_assert_not_null(key);
    cr_expect_str_eq(provider_of(key), "iotsafe");
    cr_expect(EVP_PKEY_is_a(key, "EC"));
    cr_expect(EVP_PKEY_is_a(key, "id-ecPublicKey"), "libssl finds the slot of a certificate so");
    cr_expect_eq(EVP_PKEY_get_id(key), EVP_PKEY_EC);
    cr_expect_eq(EVP_PKEY_get_bits(key), 256);
    cr_expect_eq(EVP_PKEY_get_security_bits(key), 128);
    cr_expect_eq(EVP_PKEY_get_size(key), 72);
    cr_expect(EVP_PKEY_get_group_name(key, group, sizeof(group), NULL));
    cr_expect_str_eq(group, "prime256v1");
    cr_expect_gt(EVP_PKEY_get_ec_point_conv_form(key), 0);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
}

Test(keymgmt, its_public_key_is_that_of_the_certificate_on_a_named_curve)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    X509 *cert = load_cert(ctx.lib, CLIENT_CERT);
    unsigned char *ours = NULL, *theirs = NULL;
    int ours_len = i2d_PUBKEY(key, &ours), theirs_len;

    cr_assert_not_null(cert);
    theirs_len = i2d_PUBKEY(X509_get0_pubkey(cert), &theirs);
    cr_expect_eq(ours_len, 91, "explicit parameters would make it longer");
    cr_assert_eq(ours_len, theirs_len);
    cr_expect_arr_eq(ours, theirs, (size_t)ours_len);
    EXPECT_NO_ERRORS();
    OPENSSL_free(ours);
    OPENSSL_free(theirs);
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(keymgmt, coordinates_and_encodings_agree)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    BIGNUM *x = NULL, *y = NULL;
    unsigned char *encoded = NULL, pub[65], both[64];
    size_t len;

    cr_assert_eq(EVP_PKEY_get1_encoded_public_key(key, &encoded), 65);
    cr_assert(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof(pub), &len));
    cr_expect_arr_eq(pub, encoded, 65);
    cr_assert(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x));
    cr_assert(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y));
    BN_bn2binpad(x, both, 32);
    BN_bn2binpad(y, both + 32, 32);
    cr_expect_arr_eq(both, pub + 1, 64);
    BN_free(x);
    BN_free(y);
    OPENSSL_free(encoded);
    EVP_PKEY_free(key);
}

/* Of a key of the SIM and one of the default provider. */
Test(keymgmt, its_curve_is_told_in_numbers_as_default_tells_it)
{
    static const char *const numbers[] = { OSSL_PKEY_PARAM_EC_P, OSSL_PKEY_PARAM_EC_A,
                                           OSSL_PKEY_PARAM_EC_B, OSSL_PKEY_PARAM_EC_ORDER,
                                           OSSL_PKEY_PARAM_EC_COFACTOR };
    static const char *const octets[] = { OSSL_PKEY_PARAM_EC_GENERATOR, OSSL_PKEY_PARAM_EC_SEED };
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *soft = soft_key(ctx.lib, "EC", "P-256");
    char field[2][40];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        BIGNUM *ours = NULL, *theirs = NULL;

        cr_expect(EVP_PKEY_get_bn_param(key, numbers[i], &ours), "%s", numbers[i]);
        cr_assert(EVP_PKEY_get_bn_param(soft, numbers[i], &theirs));
        cr_expect(ours != NULL && BN_cmp(ours, theirs) == 0, "%s", numbers[i]);
        BN_free(ours);
        BN_free(theirs);
    }
    for (size_t i = 0; i < sizeof(octets) / sizeof(octets[0]); i++) {
        unsigned char ours[80], theirs[80];
        size_t ours_len = 0, theirs_len = 0;

        cr_expect(EVP_PKEY_get_octet_string_param(key, octets[i], ours, sizeof(ours), &ours_len));
        cr_assert(
            EVP_PKEY_get_octet_string_param(soft, octets[i], theirs, sizeof(theirs), &theirs_len));
        cr_assert_eq(ours_len, theirs_len, "%s", octets[i]);
        cr_expect_arr_eq(ours, theirs, theirs_len, "%s", octets[i]);
    }
    for (int i = 0; i < 2; i++)
        cr_expect(EVP_PKEY_get_utf8_string_param(i == 0 ? key : soft, OSSL_PKEY_PARAM_EC_FIELD_TYPE,
                                                 field[i], sizeof(field[i]), NULL));
    cr_expect_str_eq(field[0], field[1]);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(soft);
    EVP_PKEY_free(key);
}

Test(keymgmt, gives_no_private_part_to_anybody)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    OSSL_PARAM *params = NULL;
    BIGNUM *priv = NULL;
    unsigned char *der = NULL;

    cr_expect_not(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params));
    cr_expect_null(params, "not even the public part under that name");
    cr_expect_not(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &priv));
    cr_expect_leq(i2d_PrivateKey(key, &der), 0);
    cr_expect(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params));
    cr_expect_null(OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PRIV_KEY));
    cr_expect_null(OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_EC_P), "the group goes by name");
    OSSL_PARAM_free(params);
    EVP_PKEY_free(key);
}

Test(keymgmt, belongs_to_its_certificate_and_to_no_other)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *other = soft_key(ctx.lib, "EC", "P-256");
    EVP_PKEY *p384 = soft_key(ctx.lib, "EC", "P-384"), *rsa = soft_key(ctx.lib, "RSA", NULL);
    X509 *cert = load_cert(ctx.lib, CLIENT_CERT), *wrong = self_signed(ctx.lib, other, "SHA256");
    int before = sim_exchanges(&sim, NULL);

    cr_expect_eq(X509_check_private_key(cert, key), 1);
    EXPECT_NO_ERRORS();
    cr_expect_eq(sim_exchanges(&sim, NULL), before, "comparing asked the SIM");
    cr_expect_neq(X509_check_private_key(wrong, key), 1);
    cr_expect_eq(EVP_PKEY_eq(key, other), 0);
    cr_expect_eq(EVP_PKEY_eq(other, key), 0);
    cr_expect_neq(EVP_PKEY_eq(key, p384), 1);
    cr_expect_neq(EVP_PKEY_eq(p384, key), 1);
    cr_expect_neq(EVP_PKEY_eq(key, rsa), 1);
    ERR_clear_error();
    cr_expect_eq(X509_check_private_key(cert, key), 1, "a wrong one in between changes nothing");
    EXPECT_NO_ERRORS();
    X509_free(cert);
    X509_free(wrong);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

Test(keymgmt, two_loads_of_one_key_are_equal)
{
    EVP_PKEY *by_label = load_key(ctx.lib, CLIENT_KEY),
             *by_id = load_key(ctx.lib, "iotsafe://id=01");

    cr_expect_eq(EVP_PKEY_eq(by_label, by_id), 1);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(by_label);
    EVP_PKEY_free(by_id);
}

Test(keymgmt, a_duplicate_signs)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *copy = EVP_PKEY_dup(key);
    unsigned char sig[80];
    size_t len = sizeof(sig);

    cr_assert_not_null(copy, "%s", drain_errors());
    EVP_PKEY_free(key);
    cr_expect(sign_message(ctx.lib, copy, "SHA256", sig, &len));
    cr_expect(verify_message(ctx.lib, copy, "SHA256", sig, len));
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(copy);
}

Test(keymgmt, its_public_key_cannot_be_set)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY), *other = soft_key(ctx.lib, "EC", "P-256");
    unsigned char *pub = NULL;
    size_t len = EVP_PKEY_get1_encoded_public_key(other, &pub);

    cr_expect_not(EVP_PKEY_set1_encoded_public_key(key, pub, len));
    EXPECT_ERROR("cannot be set");
    cr_expect_eq(EVP_PKEY_eq(key, other), 0);
    OPENSSL_free(pub);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

Test(keymgmt, checking_the_pair_asks_the_sim_for_a_signature)
{
    EVP_PKEY *key = load_key(ctx.lib, CLIENT_KEY);
    EVP_PKEY_CTX *check = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);

    cr_expect_eq(EVP_PKEY_public_check(check), 1);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE SIGNATURE UPDATE"), 0);
    cr_expect_eq(EVP_PKEY_pairwise_check(check), 1);
    cr_expect_eq(sim_exchanges(&sim, "COMPUTE SIGNATURE UPDATE"), 1);
    EXPECT_NO_ERRORS();
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_free(key);
}

/* ------------------------------------------------ keys without a public key */

Test(keymgmt, without_a_public_key_on_the_sim_it_loads_and_signs)
{
    X509 *cert;
    EVP_PKEY *key;
    unsigned char sig[80], *pub = NULL;
    size_t len = sizeof(sig);

    sim_admin(&sim, "delete public client-key");
    cert = load_cert(ctx.lib, CLIENT_CERT);
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect(sign_message(ctx.lib, key, "SHA256", sig, &len));
    cr_expect(verify_message(ctx.lib, X509_get0_pubkey(cert), "SHA256", sig, len));
    EXPECT_NO_ERRORS();
    cr_expect_eq(i2d_PUBKEY(key, NULL), 0 - 1);
    ERR_clear_error();
    cr_expect_eq(EVP_PKEY_get1_encoded_public_key(key, &pub), 0);
    EXPECT_ERROR("gives no public key");
    X509_free(cert);
    EVP_PKEY_free(key);
}

Test(keymgmt, without_a_public_key_a_signature_tells_which_certificate_fits)
{
    EVP_PKEY *other = soft_key(ctx.lib, "EC", "P-256"), *key;
    X509 *cert, *wrong = self_signed(ctx.lib, other, "SHA256");

    sim_admin(&sim, "delete public client-key");
    cert = load_cert(ctx.lib, CLIENT_CERT);
    key = load_key(ctx.lib, CLIENT_KEY);
    cr_assert_not_null(key);
    cr_expect_neq(X509_check_private_key(wrong, key), 1);
    ERR_clear_error();
    cr_expect_eq(X509_check_private_key(cert, key), 1);
    EXPECT_NO_ERRORS();
    cr_expect_eq(i2d_PUBKEY(key, NULL), 91, "now it is known");
    X509_free(cert);
    X509_free(wrong);
    EVP_PKEY_free(other);
    EVP_PKEY_free(key);
}

/* -------------------------------------------------------------- software keys */

Test(keymgmt, takes_a_public_key_under_the_selection_of_a_pair)
{
    EVP_PKEY *soft = soft_key(ctx.lib, "EC", "P-256"), *key = NULL;
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    unsigned char sig[80];
    size_t len = sizeof(sig);
    OSSL_PARAM *params = NULL;

    cr_assert(EVP_PKEY_todata(soft, EVP_PKEY_PUBLIC_KEY, &params));
    cr_assert(EVP_PKEY_fromdata_init(pctx));
    cr_expect_gt(EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params), 0);
    cr_expect_eq(EVP_PKEY_eq(soft, key), 1);
    cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len));
    ERR_clear_error();
    OSSL_PARAM_free(params);
    EVP_PKEY_free(key);
    EVP_PKEY_free(soft);
    EVP_PKEY_CTX_free(pctx);
}

Test(keymgmt, takes_no_public_key_off_the_curve)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    EVP_PKEY *key = NULL;
    unsigned char off[65] = { 0x04, [64] = 1 };
    char group[] = "P-256";
    OSSL_PARAM bad[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, off, sizeof(off)),
        OSSL_PARAM_construct_end(),
    };

    cr_assert(EVP_PKEY_fromdata_init(pctx));
    cr_expect_leq(EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_PUBLIC_KEY, bad), 0);
    cr_expect_null(key);
    EXPECT_ERROR("point is not on curve");
    EVP_PKEY_CTX_free(pctx);
}

static const char *const groups[] = { "P-256", "P-384", "P-521", "secp256k1" };

Test(keymgmt, before_default_it_makes_software_keys_of_any_group)
{
    unsigned char sig[160];
    struct context first;

    context_open(&first, IOTSAFE_FIRST);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        EVP_PKEY *key = soft_key(first.lib, "EC", groups[i]), *copy;
        EVP_PKEY_CTX *check;
        unsigned char *der = NULL;
        const unsigned char *p;
        int der_len;
        size_t len = sizeof(sig);

        cr_assert_not_null(key, "%s: %s", groups[i], drain_errors());
        cr_expect_str_eq(provider_of(key), "iotsafe");
        cr_expect(sign_message(first.lib, key, "SHA256", sig, &len), "%s", groups[i]);
        cr_expect(verify_message(first.lib, key, "SHA256", sig, len), "%s", groups[i]);
        check = EVP_PKEY_CTX_new_from_pkey(first.lib, key, NULL);
        cr_expect_eq(EVP_PKEY_check(check), 1, "%s", groups[i]);
        /* out through default's encoder, in again through default */
        der_len = i2d_PrivateKey(key, &der);
        cr_assert_gt(der_len, 0, "%s: %s", groups[i], drain_errors());
        p = der;
        copy = d2i_AutoPrivateKey_ex(NULL, &p, der_len, ctx.lib, NULL);
        cr_assert_not_null(copy);
        cr_expect(verify_message(ctx.lib, copy, "SHA256", sig, len), "%s", groups[i]);
        EXPECT_NO_ERRORS();
        OPENSSL_clear_free(der, (size_t)der_len);
        EVP_PKEY_CTX_free(check);
        EVP_PKEY_free(copy);
        EVP_PKEY_free(key);
    }
    context_close(&first);
    cr_expect_eq(sim_exchanges(&sim, NULL), 0, "software keys asked the SIM");
}

Test(keymgmt, before_default_a_peers_point_goes_into_a_copy_of_the_parameters)
{
    struct context first;
    EVP_PKEY *mine, *theirs, *peer = EVP_PKEY_new();
    unsigned char *pub = NULL;
    size_t len;

    context_open(&first, IOTSAFE_FIRST);
    mine = soft_key(first.lib, "EC", "P-256");
    theirs = soft_key(first.lib, "EC", "P-256");
    len = EVP_PKEY_get1_encoded_public_key(theirs, &pub);
    cr_assert(EVP_PKEY_copy_parameters(peer, mine), "%s", drain_errors());
    cr_expect_neq(EVP_PKEY_eq(peer, mine), 1);
    cr_assert(EVP_PKEY_set1_encoded_public_key(peer, pub, len));
    cr_expect_eq(EVP_PKEY_eq(peer, theirs), 1);
    cr_expect_neq(EVP_PKEY_eq(mine, theirs), 1, "the original changed");
    cr_expect_not(EVP_PKEY_set1_encoded_public_key(peer, pub, len - 1));
    ERR_clear_error();
    OPENSSL_free(pub);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(theirs);
    EVP_PKEY_free(mine);
    context_close(&first);
}

Test(keymgmt, before_default_keys_come_from_parameters)
{
    struct context first;
    EVP_PKEY_CTX *pctx;
    EVP_PKEY *params = NULL, *key = NULL, *copy;

    context_open(&first, IOTSAFE_FIRST);
    pctx = EVP_PKEY_CTX_new_from_name(first.lib, "EC", NULL);
    cr_assert(EVP_PKEY_paramgen_init(pctx) > 0 && EVP_PKEY_CTX_set_group_name(pctx, "P-384") > 0
              && EVP_PKEY_generate(pctx, &params) > 0);
    EVP_PKEY_CTX_free(pctx);
    cr_expect_eq(EVP_PKEY_get_bits(params), 384);
    pctx = EVP_PKEY_CTX_new_from_pkey(first.lib, params, NULL);
    cr_assert(EVP_PKEY_keygen_init(pctx) > 0 && EVP_PKEY_generate(pctx, &key) > 0, "%s",
              drain_errors());
    cr_expect_eq(EVP_PKEY_parameters_eq(params, key), 1);
    copy = EVP_PKEY_dup(key);
    cr_expect_eq(EVP_PKEY_eq(copy, key), 1);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(copy);
    EVP_PKEY_free(key);
    EVP_PKEY_free(params);
    EVP_PKEY_CTX_free(pctx);
    context_close(&first);
}

Test(keymgmt, generation_without_a_group_fails_with_a_reason)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    EVP_PKEY *key = NULL;

    cr_assert_gt(EVP_PKEY_keygen_init(pctx), 0);
    cr_expect_leq(EVP_PKEY_generate(pctx, &key), 0);
    cr_expect_null(key);
    cr_expect_str_not_empty(drain_errors());
    EVP_PKEY_CTX_free(pctx);
}

Test(keymgmt, a_typed_key_without_contents_is_harmless)
{
    EVP_PKEY *real = load_key(ctx.lib, CLIENT_KEY), *empty = EVP_PKEY_new();
    EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(ctx.lib, "EC", "provider=iotsafe");

    cr_assert(EVP_PKEY_set_type_by_keymgmt(empty, keymgmt));
    cr_expect(EVP_PKEY_missing_parameters(empty));
    cr_expect_leq(EVP_PKEY_get_bits(empty), 0);
    cr_expect_neq(EVP_PKEY_eq(empty, real), 1);
    cr_expect_neq(EVP_PKEY_eq(real, empty), 1);
    ERR_clear_error();
    EVP_KEYMGMT_free(keymgmt);
    EVP_PKEY_free(empty);
    EVP_PKEY_free(real);
}
