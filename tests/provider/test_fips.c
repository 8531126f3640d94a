/* SPDX-License-Identifier: Apache-2.0 */
/* assume-fips: our algorithms under fips=yes, and no software keys then. */
#include <openssl/core_names.h>
#include <openssl/encoder.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static struct sim sim;
static OSSL_LIB_CTX *lib;

static void begin(const char *setting)
{
    char text[400];

    sim_start(&sim);
    lib = OSSL_LIB_CTX_new();
    cr_assert(OSSL_PROVIDER_set_default_search_path(lib, getenv("IOTSAFE_MODULE_DIR")));
    snprintf(text, sizeof(text),
             "openssl_conf = init\n[init]\nproviders = provs\n[provs]\ndefault = def\n"
             "iotsafe = iot\n[def]\nactivate = 1\n[iot]\nactivate = 1\n%s\n",
             setting);
    write_text(sim_path(&sim, "cnf"), text);
    cr_assert(OSSL_LIB_CTX_load_config(lib, sim_path(&sim, "cnf")), "%s", drain_errors());
}

static void end(void)
{
    OSSL_LIB_CTX_free(lib);
    sim_stop(&sim);
}

TestSuite(fips, .timeout = 60);

/* The private key by URI where everything has to be fips=yes. */
static EVP_PKEY *load_with(const char *propq)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(CLIENT_KEY, lib, propq, NULL, NULL, NULL, NULL,
                                               NULL);
    OSSL_STORE_INFO *info = NULL;
    EVP_PKEY *key = NULL;

    if (store != NULL && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY))
        info = OSSL_STORE_load(store);
    if (info != NULL)
        key = OSSL_STORE_INFO_get1_PKEY(info);
    OSSL_STORE_INFO_free(info);
    OSSL_STORE_close(store);
    return key;
}

static bool signs_with(EVP_PKEY *key, const char *propq)
{
    static const unsigned char digest[32] = { 1 };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, key, propq);
    unsigned char sig[80];
    size_t len = sizeof(sig);
    bool good = EVP_PKEY_sign_init(ctx) > 0 && EVP_PKEY_sign(ctx, sig, &len, digest, 32) > 0;

    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Is there an implementation of ours under fips=yes? */
static bool has_kdf(void)
{
    EVP_KDF *kdf = EVP_KDF_fetch(lib, "IOTSAFE-HKDF", "fips=yes");

    EVP_KDF_free(kdf);
    ERR_clear_error();
    return kdf != NULL;
}

static bool has_encoder(void)
{
    OSSL_ENCODER *encoder = OSSL_ENCODER_fetch(
        lib, "EC", "provider=iotsafe,fips=yes,output=pem,structure=PrivateKeyInfo");

    OSSL_ENCODER_free(encoder);
    ERR_clear_error();
    return encoder != NULL;
}

static EVP_PKEY *generate(const char *algorithm, const char *group, const char *container)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, algorithm, "provider=iotsafe");
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string("container", (char *)(uintptr_t)container, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;

    cr_assert_not_null(ctx);
    if (EVP_PKEY_keygen_init(ctx) <= 0
        || (group != NULL && EVP_PKEY_CTX_set_group_name(ctx, group) <= 0)
        || (container != NULL && EVP_PKEY_CTX_set_params(ctx, params) <= 0)
        || EVP_PKEY_generate(ctx, &key) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* A public key of the default provider, handed to ours. */
static EVP_PKEY *import(const char *algorithm, const char *group)
{
    EVP_PKEY *from = soft_key(lib, algorithm, group), *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(lib, algorithm, "provider=iotsafe");
    OSSL_PARAM *params = NULL;

    cr_assert(EVP_PKEY_todata(from, EVP_PKEY_PUBLIC_KEY, &params));
    if (EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    ERR_clear_error();
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(from);
    return key;
}

Test(fips, without_the_setting_nothing_of_ours_is_fips)
{
    static const char *const settings[] = { "", "assume-fips = no", "assume-fips = 1" };

    for (int i = 0; i < 3; i++) {
        begin(settings[i]);
        cr_expect_null(load_with("fips=yes"), "%s", settings[i]);
        cr_expect_not(has_kdf(), "%s", settings[i]);
        cr_expect_not(has_encoder(), "%s", settings[i]);
        ERR_clear_error();
        end();
    }
}

Test(fips, with_the_setting_keys_of_the_sim_are_found_and_sign)
{
    X509 *cert;
    EVP_PKEY *key;

    begin("assume-fips = yes");
    key = load_with("fips=yes");
    cr_assert_not_null(key, "%s", drain_errors());
    cr_expect(signs_with(key, "fips=yes"), "%s", drain_errors());
    cr_expect(has_kdf());
    cr_expect(has_encoder());
    EVP_PKEY_free(key);
    key = load_with(NULL);
    cr_assert_not_null(key, "without a query as ever: %s", drain_errors());
    cr_expect(signs_with(key, "provider=iotsafe"), "%s", drain_errors());
    cert = load_cert(lib, CLIENT_CERT);
    cr_expect(X509_check_private_key(cert, key), "%s", drain_errors());
    EXPECT_NO_ERRORS();
    X509_free(cert);
    EVP_PKEY_free(key);
    end();
}

Test(fips, with_the_setting_no_software_key_is_made_or_taken)
{
    EVP_PKEY *key;

    begin("assume-fips = yes");
    cr_expect_null(generate("EC", "P-256", NULL));
    EXPECT_ERROR("assume-fips");
    cr_expect_null(generate("RSA", NULL, NULL));
    EXPECT_ERROR("assume-fips");
    cr_expect_null(import("EC", "P-256"));
    cr_expect_null(import("RSA", NULL));
    key = generate("EC", NULL, "iotsafe://label=spare-1");
    cr_expect_not_null(key, "on the SIM: %s", drain_errors());
    EVP_PKEY_free(key);
    key = soft_key(lib, "EC", "P-256");
    cr_expect_str_eq(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "default");
    EVP_PKEY_free(key);
    EXPECT_NO_ERRORS();
    end();
}

Test(fips, without_the_setting_software_keys_are_made_and_taken)
{
    EVP_PKEY *keys[3];

    begin("");
    keys[0] = generate("EC", "P-256", NULL);
    keys[1] = import("EC", "P-256");
    keys[2] = import("RSA", NULL);
    for (int i = 0; i < 3; i++) {
        cr_expect_not_null(keys[i], "%d: %s", i, drain_errors());
        EVP_PKEY_free(keys[i]);
    }
    end();
}
