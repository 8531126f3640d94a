/* SPDX-License-Identifier: Apache-2.0 */
/* Software keys of the application, wherever this provider stands: each way into
 * libcrypto, each type of key, each thing that programs do with one. No SIM is
 * there, so that whatever would ask one fails. */
#define OPENSSL_SUPPRESS_DEPRECATED /* EC_KEY and RSA objects are still about */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct context ctx, plain; /* plain: without this provider */

/* ------------------------------------------------------------------------- kinds */

static const struct kind {
    const char *algorithm, *group;
    unsigned bits;
} kinds[] = {
    { "EC", "P-256", 256 },
    { "EC", "P-384", 384 },
    { "EC", "P-521", 521 },
    { "EC", "secp256k1", 256 },
    { "EC", "brainpoolP320r1", 320 },
    { "RSA", NULL, 2048 },
    { "RSA", NULL, 3072 },
    { "RSA", NULL, 1032 },
    { "RSA-PSS", NULL, 2048 },
};

static bool is_ec(const struct kind *kind)
{
    return kind->group != NULL;
}

static bool is_rsa(const struct kind *kind)
{
    return strcmp(kind->algorithm, "RSA") == 0;
}

static EVP_PKEY *generate(OSSL_LIB_CTX *lib, const struct kind *kind)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(lib, kind->algorithm, NULL);
    EVP_PKEY *key = NULL;

    cr_assert(EVP_PKEY_keygen_init(pctx) > 0
                  && (is_ec(kind) ? EVP_PKEY_CTX_set_group_name(pctx, kind->group)
                                  : EVP_PKEY_CTX_set_rsa_keygen_bits(pctx, (int)kind->bits))
                         > 0
                  && EVP_PKEY_generate(pctx, &key) > 0,
              "%s", drain_errors());
    EVP_PKEY_CTX_free(pctx);
    return key;
}

/* Made once in `plain`: a key of each kind, and another one. */
static struct {
    EVP_PKEY *same, *other;
} made[N(kinds)];

static void make_all(void)
{
    for (size_t i = 0; i < N(kinds); i++) {
        made[i].same = generate(plain.lib, &kinds[i]);
        made[i].other = generate(plain.lib, &kinds[i]);
    }
}

static void free_all(void)
{
    for (size_t i = 0; i < N(kinds); i++) {
        EVP_PKEY_free(made[i].same);
        EVP_PKEY_free(made[i].other);
    }
}

static void setup(void)
{
    cr_assert_eq(setenv("IOTSAFE_TRANSPORT", "socket:/nowhere", 1), 0);
    plain = (struct context){ .lib = OSSL_LIB_CTX_new() };
    plain.first = OSSL_PROVIDER_load(plain.lib, "default");
    cr_assert_not_null(plain.first);
    make_all();
}

static void teardown(void)
{
    free_all();
    OSSL_PROVIDER_unload(plain.first);
    OSSL_LIB_CTX_free(plain.lib);
}

TestSuite(software, .init = setup, .fini = teardown, .timeout = 600);

/* ----------------------------------------------------------------------- origins */

/* Each gives in ctx the same key as the one of `plain` is. */

static EVP_PKEY *by_numbers(const struct kind *kind, EVP_PKEY *from, int selection)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, kind->algorithm, NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    cr_assert(EVP_PKEY_todata(from, selection, &params));
    if (EVP_PKEY_fromdata_init(pctx) <= 0 || EVP_PKEY_fromdata(pctx, &key, selection, params) <= 0)
        key = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(pctx);
    return key;
}

static EVP_PKEY *pair_by_numbers(const struct kind *kind, EVP_PKEY *from)
{
    return by_numbers(kind, from, EVP_PKEY_KEYPAIR);
}

static EVP_PKEY *by_pem(const struct kind *kind, EVP_PKEY *from)
{
    char *pem = reference_pem(from);
    EVP_PKEY *key = pem_key(ctx.lib, pem, strlen(pem));

    (void)kind;
    OPENSSL_clear_free(pem, strlen(pem));
    return key;
}

static EVP_PKEY *by_object(const struct kind *kind, EVP_PKEY *from)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = is_ec(kind) ? EVP_PKEY_get1_EC_KEY(from) : NULL;
    RSA *rsa = is_ec(kind) ? NULL : EVP_PKEY_get1_RSA(from);

    cr_assert(is_ec(kind) ? EVP_PKEY_set1_EC_KEY(key, ec) : EVP_PKEY_set1_RSA(key, rsa));
    EC_KEY_free(ec);
    RSA_free(rsa);
    return key;
}

static EVP_PKEY *by_duplicate(const struct kind *kind, EVP_PKEY *from)
{
    EVP_PKEY *first = pair_by_numbers(kind, from), *copy = EVP_PKEY_dup(first);

    EVP_PKEY_free(first);
    return copy;
}

static const struct origin {
    const char *name;
    EVP_PKEY *(*make)(const struct kind *kind, EVP_PKEY *from);
    bool of_pss; /* RSA-PSS keys come this way, too */
} origins[] = {
    { "numbers", pair_by_numbers, true },
    { "PEM", by_pem, true },
    { "legacy object", by_object, false },
    { "duplicate", by_duplicate, true },
};

/* -------------------------------------------------------------------- operations */

/* Each says whether it worked; `same` is the same key as default has it. */

static bool signs_messages(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    unsigned char sig[512];
    size_t len = sizeof(sig);

    (void)kind;
    if (!sign_message(ctx.lib, key, "SHA384", sig, &len)
        || !verify_message(plain.lib, same, "SHA384", sig, len)
        || !verify_message(ctx.lib, key, "SHA384", sig, len))
        return false;
    sig[len / 2] ^= 1;
    if (verify_message(ctx.lib, key, "SHA384", sig, len))
        return false;
    ERR_clear_error();
    return true;
}

static bool signs_digests(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    EVP_PKEY_CTX *verify = EVP_PKEY_CTX_new_from_pkey(plain.lib, same, NULL);
    EVP_MD *md = EVP_MD_fetch(plain.lib, "SHA256", NULL);
    unsigned char digest[32] = "a digest", sig[512];
    size_t len = 0;
    bool good = EVP_PKEY_sign_init(pctx) > 0 && EVP_PKEY_CTX_set_signature_md(pctx, md) > 0
                && EVP_PKEY_sign(pctx, NULL, &len, digest, sizeof(digest)) > 0 && len <= sizeof(sig)
                && EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)) > 0
                && EVP_PKEY_verify_init(verify) > 0 && EVP_PKEY_CTX_set_signature_md(verify, md) > 0
                && EVP_PKEY_verify(verify, sig, len, digest, sizeof(digest)) == 1;

    (void)kind;
    EVP_MD_free(md);
    EVP_PKEY_CTX_free(verify);
    EVP_PKEY_CTX_free(pctx);
    return good;
}

static const OSSL_PARAM *settable_for_signing(EVP_PKEY_CTX *pctx)
{
    cr_assert_gt(EVP_PKEY_sign_init(pctx), 0);
    return EVP_PKEY_CTX_settable_params(pctx);
}

/* Options by name, as -sigopt of openssl(1) sets them. */
static bool takes_the_same_options(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY_CTX *ours = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    EVP_PKEY_CTX *theirs = EVP_PKEY_CTX_new_from_pkey(plain.lib, same, NULL);
    const OSSL_PARAM *here = settable_for_signing(ours), *p = settable_for_signing(theirs);
    bool good = here != NULL && p != NULL;

    for (; good && p->key != NULL; p++)
        good = OSSL_PARAM_locate_const(here, p->key) != NULL;
    (void)kind;
    EVP_PKEY_CTX_free(theirs);
    EVP_PKEY_CTX_free(ours);
    return good;
}

static bool signs_with_pss(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_MD_CTX *mctx = EVP_MD_CTX_new(), *verify = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    unsigned char sig[512];
    size_t len = sizeof(sig);
    bool good = is_ec(kind)
                || (EVP_DigestSignInit_ex(mctx, &pctx, "SHA256", ctx.lib, NULL, key, NULL) > 0
                    && EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0
                    && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 20) > 0
                    && EVP_DigestSign(mctx, sig, &len, (const unsigned char *)"text", 4) > 0
                    && EVP_DigestVerifyInit_ex(verify, &pctx, "SHA256", plain.lib, NULL, same, NULL)
                           > 0
                    && EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0
                    && EVP_DigestVerify(verify, sig, len, (const unsigned char *)"text", 4) == 1);

    EVP_MD_CTX_free(verify);
    EVP_MD_CTX_free(mctx);
    return good;
}

static bool derive(OSSL_LIB_CTX *lib, EVP_PKEY *key, EVP_PKEY *peer, unsigned char *ret_secret,
                   size_t *ret_len)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(lib, key, NULL);
    bool good = EVP_PKEY_derive_init(pctx) > 0 && EVP_PKEY_derive_set_peer(pctx, peer) > 0
                && EVP_PKEY_derive(pctx, ret_secret, ret_len) > 0;

    EVP_PKEY_CTX_free(pctx);
    return good;
}

/* With peers of each make on both sides. */
static bool derives(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY *theirs, *ours;
    unsigned char secrets[3][80];
    size_t len[3] = { sizeof(secrets[0]), sizeof(secrets[0]), sizeof(secrets[0]) };
    bool good;

    if (!is_ec(kind))
        return true;
    theirs = generate(plain.lib, kind);
    ours = by_numbers(kind, theirs, EVP_PKEY_PUBLIC_KEY);
    good = ours != NULL && derive(ctx.lib, key, ours, secrets[0], &len[0])
           && derive(ctx.lib, key, theirs, secrets[1], &len[1])
           && derive(plain.lib, theirs, same, secrets[2], &len[2]);
    for (int i = 0; good && i < 2; i++)
        good = len[i] == len[2] && memcmp(secrets[i], secrets[2], len[2]) == 0;
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
    return good;
}

static bool encrypts(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY_CTX *to, *from;
    unsigned char out[512], back[512];
    size_t len, back_len;
    bool good = true;

    if (!is_rsa(kind))
        return true;
    for (int i = 0; good && i < 2; i++) { /* to it, and from it */
        len = sizeof(out);
        back_len = sizeof(back);
        to = EVP_PKEY_CTX_new_from_pkey(i == 0 ? plain.lib : ctx.lib, i == 0 ? same : key, NULL);
        from = EVP_PKEY_CTX_new_from_pkey(i == 0 ? ctx.lib : plain.lib, i == 0 ? key : same, NULL);
        good = EVP_PKEY_encrypt_init(to) > 0
               && EVP_PKEY_CTX_set_rsa_padding(to, RSA_PKCS1_OAEP_PADDING) > 0
               && EVP_PKEY_encrypt(to, out, &len, (const unsigned char *)"text", 4) > 0
               && EVP_PKEY_decrypt_init(from) > 0
               && EVP_PKEY_CTX_set_rsa_padding(from, RSA_PKCS1_OAEP_PADDING) > 0
               && EVP_PKEY_decrypt(from, back, &back_len, out, len) > 0 && back_len == 4
               && memcmp(back, "text", 4) == 0;
        EVP_PKEY_CTX_free(to);
        EVP_PKEY_CTX_free(from);
    }
    return good;
}

/* NULL: libcrypto has none for this kind. */
static const char *kem_of(const struct kind *kind)
{
    if (is_ec(kind))
        return OPENSSL_VERSION_NUMBER >= 0x30200000L && kind->group[0] == 'P' ? "DHKEM" : NULL;
    return is_rsa(kind) ? "RSASVE" : NULL;
}

static bool encapsulates(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    const char *kem = kem_of(kind);
    EVP_PKEY_CTX *to, *from;
    unsigned char out[512], secret[512], back[512];
    size_t len = sizeof(out), secret_len = sizeof(secret), back_len = sizeof(back);
    bool good;

    if (kem == NULL)
        return true;
    to = EVP_PKEY_CTX_new_from_pkey(plain.lib, same, NULL);
    from = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    good = EVP_PKEY_encapsulate_init(to, NULL) > 0 && EVP_PKEY_CTX_set_kem_op(to, kem) > 0
           && EVP_PKEY_encapsulate(to, out, &len, secret, &secret_len) > 0
           && EVP_PKEY_decapsulate_init(from, NULL) > 0 && EVP_PKEY_CTX_set_kem_op(from, kem) > 0
           && EVP_PKEY_decapsulate(from, back, &back_len, out, len) > 0 && back_len == secret_len
           && memcmp(back, secret, secret_len) == 0;
    EVP_PKEY_CTX_free(to);
    EVP_PKEY_CTX_free(from);
    return good;
}

static bool compares(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY *other = made[kind - kinds].other;

    return EVP_PKEY_eq(key, same) == 1 && EVP_PKEY_eq(same, key) == 1
           && EVP_PKEY_eq(key, other) != 1 && EVP_PKEY_eq(other, key) != 1
           && EVP_PKEY_parameters_eq(key, same) == EVP_PKEY_parameters_eq(same, same);
}

static bool tells_its_size(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    char group[2][64] = { "", "" };

    if (is_ec(kind)
        && (!EVP_PKEY_get_group_name(key, group[0], sizeof(group[0]), NULL)
            || !EVP_PKEY_get_group_name(same, group[1], sizeof(group[1]), NULL)))
        return false;
    return EVP_PKEY_get_bits(key) == (int)kind->bits
           && EVP_PKEY_get_size(key) == EVP_PKEY_get_size(same)
           && EVP_PKEY_get_security_bits(key) == EVP_PKEY_get_security_bits(same)
           && strcmp(group[0], group[1]) == 0;
}

static bool tells_its_numbers(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    static const char *const ec[] = { OSSL_PKEY_PARAM_PRIV_KEY, OSSL_PKEY_PARAM_EC_PUB_X,
                                      OSSL_PKEY_PARAM_EC_ORDER, NULL };
    static const char *const rsa[] = { OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_N,
                                       OSSL_PKEY_PARAM_RSA_COEFFICIENT1, NULL };
    bool good = true;

    for (const char *const *name = is_ec(kind) ? ec : rsa; *name != NULL; name++) {
        BIGNUM *ours = NULL, *theirs = NULL;

        good = good && EVP_PKEY_get_bn_param(key, *name, &ours)
               && EVP_PKEY_get_bn_param(same, *name, &theirs) && BN_cmp(ours, theirs) == 0;
        BN_clear_free(ours);
        BN_clear_free(theirs);
    }
    return good;
}

static bool checks(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
    bool good = EVP_PKEY_check(pctx) == 1 && EVP_PKEY_public_check(pctx) == 1;

    (void)kind;
    (void)same;
    EVP_PKEY_CTX_free(pctx);
    return good;
}

/* What a writer makes of both must be the same. */
typedef int write_fn(BIO *out, EVP_PKEY *key);

static int write_text_form(BIO *out, EVP_PKEY *key)
{
    return EVP_PKEY_print_private(out, key, 0, NULL) > 0
           && EVP_PKEY_print_public(out, key, 0, NULL) > 0;
}

static int write_pkcs8(BIO *out, EVP_PKEY *key)
{
    return PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
}

static int write_traditional(BIO *out, EVP_PKEY *key)
{
    return PEM_write_bio_PrivateKey_traditional(out, key, NULL, NULL, 0, NULL, NULL);
}

static int write_der(BIO *out, EVP_PKEY *key)
{
    return i2d_PrivateKey_bio(out, key)
           && i2d_PKCS8PrivateKey_bio(out, key, NULL, NULL, 0, NULL, NULL)
           && i2d_PUBKEY_bio(out, key);
}

static bool writes_the_same(EVP_PKEY *key, EVP_PKEY *same, write_fn *write)
{
    BIO *ours = BIO_new(BIO_s_mem()), *theirs = BIO_new(BIO_s_mem());
    char *a, *b;
    bool good = write(ours, key) > 0 && write(theirs, same) > 0;
    const long len = BIO_get_mem_data(ours, &a);

    good = good && len > 0 && BIO_get_mem_data(theirs, &b) == len && memcmp(a, b, (size_t)len) == 0;
    BIO_free(ours);
    BIO_free(theirs);
    return good;
}

static bool is_written(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    const bool traditional = strcmp(kind->algorithm, "RSA-PSS") != 0; /* has no such form */

    return writes_the_same(key, same, write_text_form) && writes_the_same(key, same, write_pkcs8)
           && writes_the_same(key, same, write_der)
           && (!traditional || writes_the_same(key, same, write_traditional));
}

static bool is_written_encrypted(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(plain.lib, "AES-128-CBC", NULL);
    char secret[] = "secret";
    EVP_PKEY *back = NULL;
    bool good = PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, secret, 6, NULL, NULL) > 0;

    (void)kind;
    if (good)
        back = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, secret, plain.lib, NULL);
    good = back != NULL && EVP_PKEY_eq(back, same) == 1;
    EVP_PKEY_free(back);
    EVP_CIPHER_free(cipher);
    BIO_free(bio);
    return good;
}

static bool certifies(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    X509 *cert = self_signed(ctx.lib, key, "SHA256");
    bool good = cert != NULL && X509_check_private_key(cert, key) == 1
                && X509_check_private_key(cert, same) == 1 && X509_verify(cert, key) == 1
                && X509_verify(cert, same) == 1;

    (void)kind;
    X509_free(cert);
    return good;
}

static bool becomes_an_object(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same)
{
    EC_KEY *ec = is_ec(kind) ? EVP_PKEY_get1_EC_KEY(key) : NULL;
    RSA *rsa = is_ec(kind) ? NULL : EVP_PKEY_get1_RSA(key);
    const bool good = is_ec(kind) ? ec != NULL && EC_KEY_check_key(ec)
                                  : rsa != NULL && RSA_check_key(rsa);

    (void)same;
    EC_KEY_free(ec);
    RSA_free(rsa);
    return good;
}

static const struct operation {
    const char *name;
    bool (*works)(const struct kind *kind, EVP_PKEY *key, EVP_PKEY *same);
    bool of_public;  /* needs no private key */
    bool not_legacy; /* has nothing to do with us there: no library context is told */
} operations[] = {
    { "sign and verify messages", signs_messages, false, false },
    { "sign digests", signs_digests, false, false },
    { "options", takes_the_same_options, false, false },
    { "PSS", signs_with_pss, false, false },
    { "derive", derives, false, false },
    { "encrypt and decrypt", encrypts, false, false },
    { "encapsulate", encapsulates, false, false },
    { "compare", compares, true, false },
    { "size", tells_its_size, true, true },
    { "numbers", tells_its_numbers, false, true },
    { "check", checks, false, false },
    { "write", is_written, false, true },
    { "write encrypted", is_written_encrypted, false, true },
    { "certificate", certifies, false, false },
    { "legacy object", becomes_an_object, false, false },
};

/* ------------------------------------------------------------------------- tests */

static const char *provider_of(const EVP_PKEY *key)
{
    const OSSL_PROVIDER *prov = EVP_PKEY_get0_provider(key);

    return prov != NULL ? OSSL_PROVIDER_get0_name(prov) : "none"; /* legacy */
}

static void expect_all_work(const struct kind *kind, const char *origin, EVP_PKEY *key,
                            EVP_PKEY *same)
{
    for (size_t i = 0; i < N(operations); i++) {
        const bool works = (operations[i].not_legacy && EVP_PKEY_get0_provider(key) == NULL)
                           || operations[i].works(kind, key, same);
        const char *errors = drain_errors();

        cr_expect(works && errors[0] == '\0', "%s: %s %s %u, by %s: %s: %s", order_names[ctx.order],
                  kind->algorithm, kind->group != NULL ? kind->group : "", kind->bits, origin,
                  operations[i].name, errors);
    }
}

static void for_each_order_and_kind(void (*test)(const struct kind *kind, EVP_PKEY *same))
{
    for (int order = 0; order < N_ORDERS; order++) {
        context_open(&ctx, (enum order)order);
        for (size_t i = 0; i < N(kinds); i++)
            test(&kinds[i], made[i].same);
        context_close(&ctx);
    }
}

static void bring_in(const struct kind *kind, EVP_PKEY *same)
{
    for (size_t i = 0; i < N(origins); i++) {
        EVP_PKEY *key;

        if (!is_ec(kind) && !is_rsa(kind) && !origins[i].of_pss)
            continue;
        key = origins[i].make(kind, same);
        cr_expect_not_null(key, "%s: %s %u, by %s: %s", order_names[ctx.order], kind->algorithm,
                           kind->bits, origins[i].name, drain_errors());
        if (key != NULL)
            expect_all_work(kind, origins[i].name, key, same);
        EVP_PKEY_free(key);
    }
}

Test(software, keys_that_are_brought_in_work_in_every_order)
{
    for_each_order_and_kind(bring_in);
}

static void generate_here(const struct kind *kind, EVP_PKEY *unused)
{
    EVP_PKEY *key = generate(ctx.lib, kind), *same;
    char *pem = reference_pem(key);

    (void)unused;
    same = pem_key(plain.lib, pem, strlen(pem));
    OPENSSL_clear_free(pem, strlen(pem));
    cr_assert_not_null(same);
    expect_all_work(kind, "generation", key, same);
    EVP_PKEY_free(same);
    EVP_PKEY_free(key);
}

Test(software, keys_that_are_generated_work_in_every_order)
{
    for_each_order_and_kind(generate_here);
}

static void bring_in_public(const struct kind *kind, EVP_PKEY *same)
{
    EVP_PKEY *key = by_numbers(kind, same, EVP_PKEY_PUBLIC_KEY);
    unsigned char sig[512];
    size_t len = sizeof(sig);

    cr_assert_not_null(key, "%s: %s %u: %s", order_names[ctx.order], kind->algorithm, kind->bits,
                       drain_errors());
    cr_assert(sign_message(plain.lib, same, "SHA256", sig, &len));
    cr_expect(verify_message(ctx.lib, key, "SHA256", sig, len), "%s: %s %u", order_names[ctx.order],
              kind->algorithm, kind->bits);
    EXPECT_NO_ERRORS();
    len = sizeof(sig);
    cr_expect_not(sign_message(ctx.lib, key, "SHA256", sig, &len), "a public key signed");
    ERR_clear_error();
    for (size_t i = 0; i < N(operations); i++)
        cr_expect(!operations[i].of_public || operations[i].works(kind, key, same), "%s: %s %u: %s",
                  order_names[ctx.order], kind->algorithm, kind->bits, operations[i].name);
    EXPECT_NO_ERRORS();
    EVP_PKEY_free(key);
}

Test(software, public_keys_work_in_every_order)
{
    for_each_order_and_kind(bring_in_public);
}

/* Else the tests above would not have been about this provider. */
Test(software, before_default_it_is_asked_for_them)
{
    context_open(&ctx, IOTSAFE_FIRST);
    for (size_t i = 0; i < N(kinds); i++) {
        EVP_PKEY *key = pair_by_numbers(&kinds[i], made[i].same);

        cr_expect_str_eq(provider_of(key),
                         strcmp(kinds[i].algorithm, "RSA-PSS") == 0 ? "default" : "iotsafe");
        EVP_PKEY_free(key);
    }
    context_close(&ctx);
}

Test(software, a_private_key_without_its_public_key_signs)
{
    for (int order = 0; order < N_ORDERS; order++) {
        EVP_PKEY *same = made[1].same, *key = NULL;
        EVP_PKEY_CTX *pctx;
        OSSL_PARAM *params = NULL, *pub;
        unsigned char sig[160], digest[32] = "a digest";
        size_t len = sizeof(sig);

        context_open(&ctx, (enum order)order);
        pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", NULL);
        cr_assert(EVP_PKEY_todata(same, EVP_PKEY_KEYPAIR, &params));
        pub = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY);
        cr_assert_not_null(pub);
        pub->key = "unknown";
        cr_expect(EVP_PKEY_fromdata_init(pctx) > 0
                  && EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) > 0);
        EVP_PKEY_CTX_free(pctx);
        pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);
        cr_expect(EVP_PKEY_sign_init(pctx) > 0
                      && EVP_PKEY_sign(pctx, sig, &len, digest, sizeof(digest)) > 0,
                  "%s: %s", order_names[order], drain_errors());
        EVP_PKEY_CTX_free(pctx);
        pctx = EVP_PKEY_CTX_new_from_pkey(plain.lib, same, NULL);
        cr_expect(EVP_PKEY_verify_init(pctx) > 0
                  && EVP_PKEY_verify(pctx, sig, len, digest, sizeof(digest)) == 1);
        EVP_PKEY_CTX_free(pctx);
        EVP_PKEY_free(key);
        OSSL_PARAM_free(params);
        context_close(&ctx);
    }
}

Test(software, parameters_alone_make_keys)
{
    for (int order = 0; order < N_ORDERS; order++) {
        EVP_PKEY *params, *key = NULL;
        EVP_PKEY_CTX *pctx;

        context_open(&ctx, (enum order)order);
        params = by_numbers(&kinds[1], made[1].same, EVP_PKEY_KEY_PARAMETERS);
        cr_assert_not_null(params, "%s: %s", order_names[order], drain_errors());
        pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, params, NULL);
        cr_expect(EVP_PKEY_keygen_init(pctx) > 0 && EVP_PKEY_generate(pctx, &key) > 0, "%s: %s",
                  order_names[order], drain_errors());
        cr_expect_eq(EVP_PKEY_parameters_eq(key, made[1].same), 1);
        cr_expect_neq(EVP_PKEY_eq(key, made[1].same), 1);
        EXPECT_NO_ERRORS();
        EVP_PKEY_CTX_free(pctx);
        EVP_PKEY_free(key);
        EVP_PKEY_free(params);
        context_close(&ctx);
    }
}

/* What a key says of its curve in numbers is not believed. */
Test(software, explicit_curves_are_refused_silently)
{
    char upper[] = "EXPLICIT"; /* libcrypto does not mind */
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *pctx;
    OSSL_PARAM *params = NULL, *encoding;

    context_open(&ctx, IOTSAFE_FIRST);
    cr_assert(EVP_PKEY_set_utf8_string_param(made[0].same, OSSL_PKEY_PARAM_EC_ENCODING,
                                             OSSL_PKEY_EC_ENCODING_EXPLICIT));
    cr_assert(EVP_PKEY_todata(made[0].same, EVP_PKEY_KEYPAIR, &params));
    encoding = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_EC_ENCODING);
    cr_assert_not_null(encoding);
    pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", NULL);
    cr_assert_gt(EVP_PKEY_fromdata_init(pctx), 0);
    for (int i = 0; i < 2; i++) {
        cr_expect_leq(EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params), 0);
        cr_expect_null(key);
        *encoding = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_EC_ENCODING, upper, 0);
    }
    EXPECT_NO_ERRORS();
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(pctx);
    context_close(&ctx);
}
