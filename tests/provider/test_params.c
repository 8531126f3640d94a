/* SPDX-License-Identifier: Apache-2.0 */
/* What keys and operations tell of themselves and take: all that is listed can be got, what
 * was set comes back, and what does not suit is refused with a reason. */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>
#include <string.h>

#include "fixture.h"

#define RSA_KEY "iotsafe://label=rsa-key"
#define SPARE "iotsafe://label=spare-1"

static struct sim sim;
static struct context ctx;

static void setup(void)
{
    sim_start_with(&sim, "--with rsa");
    context_open(&ctx, DEFAULT_FIRST);
}

static void teardown(void)
{
    context_close(&ctx);
    sim_stop(&sim);
}

TestSuite(params, .init = setup, .fini = teardown, .timeout = 120);

/* --------------------------------------------------------------------- subjects */

enum subject { RSA_SIGN, EC_SIGN, AGREE, SOFT_AGREE, N_SUBJECTS };

static const struct {
    const char *uri; /* NULL: a key in software, by this provider */
    int (*init)(EVP_PKEY_CTX *);
} subjects[N_SUBJECTS] = {
    [RSA_SIGN] = { RSA_KEY, EVP_PKEY_sign_init },
    [EC_SIGN] = { CLIENT_KEY, EVP_PKEY_sign_init },
    [AGREE] = { SPARE, EVP_PKEY_derive_init },
    [SOFT_AGREE] = { NULL, EVP_PKEY_derive_init },
};

static EVP_PKEY *make_pair(const char *container)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "EC", "provider=iotsafe");
    EVP_PKEY *pair = NULL;

    cr_assert(pctx != NULL && EVP_PKEY_keygen_init(pctx) > 0, "%s", drain_errors());
    if (container != NULL)
        cr_assert(EVP_PKEY_CTX_ctrl_str(pctx, "container", container) > 0, "%s", drain_errors());
    else
        cr_assert(EVP_PKEY_CTX_set_group_name(pctx, "P-256") > 0, "%s", drain_errors());
    cr_assert(EVP_PKEY_generate(pctx, &pair) > 0, "%s", drain_errors());
    EVP_PKEY_CTX_free(pctx);
    return pair;
}

static EVP_PKEY_CTX *begin(enum subject s)
{
    const char *uri = subjects[s].uri;
    EVP_PKEY *key = subjects[s].init == EVP_PKEY_derive_init ? make_pair(uri)
                                                             : load_key(ctx.lib, uri);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, "provider=iotsafe");

    cr_assert(pctx != NULL && subjects[s].init(pctx) > 0, "%s", drain_errors());
    EVP_PKEY_free(key);
    return pctx;
}

/* ------------------------------------------------------------- what can be got */

/* Each parameter of a list alone, and all of them at once. */
static void expect_all(const char *what, const OSSL_PARAM *list, int (*get)(void *, OSSL_PARAM *),
                       void *of)
{
    static unsigned char room[16][1024];
    OSSL_PARAM all[17], one[2] = { OSSL_PARAM_END, OSSL_PARAM_END };
    size_t n = 0;

    cr_assert_not_null(list, "%s", what);
    for (; list[n].key != NULL && n < 16; n++) {
        all[n] = list[n];
        all[n].data = room[n];
        all[n].data_size = list[n].data_type == OSSL_PARAM_INTEGER ? sizeof(int)
                           : list[n].data_type == OSSL_PARAM_UTF8_PTR
                                   || list[n].data_type == OSSL_PARAM_OCTET_PTR
                               ? sizeof(void *)
                               : sizeof(room[n]);
        if (list[n].data_type == OSSL_PARAM_UNSIGNED_INTEGER && list[n].data_size != 0)
            all[n].data_size = list[n].data_size;
        one[0] = all[n];
        cr_expect_gt(get(of, one), 0, "%s: %s: %s", what, list[n].key, drain_errors());
    }
    cr_expect(n > 0, "%s: nothing is listed", what);
    all[n] = OSSL_PARAM_construct_end();
    cr_expect_gt(get(of, all), 0, "%s: %s", what, drain_errors());
    EXPECT_NO_ERRORS();
}

static int get_of_pctx(void *of, OSSL_PARAM *params)
{
    return EVP_PKEY_CTX_get_params(of, params);
}

static int get_of_key(void *of, OSSL_PARAM *params)
{
    return EVP_PKEY_get_params(of, params);
}

static int get_of_kdf(void *of, OSSL_PARAM *params)
{
    return EVP_KDF_CTX_get_params(of, params);
}

static int get_of_provider(void *of, OSSL_PARAM *params)
{
    return OSSL_PROVIDER_get_params(of, params);
}

Test(params, the_provider_tells_its_name_and_version)
{
    OSSL_PROVIDER *prov = OSSL_PROVIDER_load(ctx.lib, "iotsafe");
    char *name = NULL;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
                            OSSL_PARAM_END };

    cr_assert_not_null(prov);
    expect_all("provider", OSSL_PROVIDER_gettable_params(prov), get_of_provider, prov);
    cr_expect(OSSL_PROVIDER_get_params(prov, params));
    cr_expect_str_eq(name, "IoT SAFE Provider");
    OSSL_PROVIDER_unload(prov);
}

Test(params, operations_tell_all_that_they_list)
{
    for (enum subject s = 0; s < N_SUBJECTS; s++) {
        EVP_PKEY_CTX *pctx = begin(s);
        const OSSL_PARAM *settable = EVP_PKEY_CTX_settable_params(pctx);

        if (s == RSA_SIGN || s == EC_SIGN) /* an AlgorithmIdentifier needs one */
            cr_assert(EVP_PKEY_CTX_set_signature_md(pctx, EVP_sha256()) > 0, "%s", drain_errors());
        expect_all(subjects[s].uri, EVP_PKEY_CTX_gettable_params(pctx), get_of_pctx, pctx);
        cr_expect(settable != NULL && settable->key != NULL);
        EVP_PKEY_CTX_free(pctx);
    }
}

Test(params, keys_tell_all_that_they_list_and_what_makes_one)
{
    static const char *const uris[] = { CLIENT_KEY, RSA_KEY };
    static const char *const types[] = { "EC", "RSA" };
    static const int selections[] = { EVP_PKEY_KEYPAIR, EVP_PKEY_PUBLIC_KEY };

    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = load_key(ctx.lib, uris[i]);
        EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, types[i], "provider=iotsafe");
        OSSL_PARAM *data = NULL;

        expect_all(uris[i], EVP_PKEY_gettable_params(key), get_of_key, key);
        for (size_t j = 0; j < 2; j++)
            cr_expect_not_null(EVP_PKEY_fromdata_settable(pctx, selections[j]), "%s", types[i]);
        cr_expect_eq(EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &data), 1, "%s", drain_errors());
        cr_expect_not_null(data);
        OSSL_PARAM_free(data);
        data = NULL;
        cr_expect_neq(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &data), 1, "%s", uris[i]);
        drain_errors();
        EVP_PKEY_CTX_free(pctx);
        EVP_PKEY_free(key);
    }
}

Test(params, key_derivations_tell_how_much_they_give)
{
    static const struct {
        const char *name, *mode;
        size_t size;
    } cases[] = {
        { "IOTSAFE-HKDF", "EXTRACT_AND_EXPAND", SIZE_MAX },
        { "IOTSAFE-HKDF", "EXTRACT_ONLY", 48 },
        { "IOTSAFE-TLS1-PRF", NULL, SIZE_MAX },
    };

    for (size_t i = 0; i < 3; i++) {
        EVP_KDF *kdf = EVP_KDF_fetch(ctx.lib, cases[i].name, NULL);
        EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(kdf), *copy;
        char digest[] = "SHA384", sha256[] = "SHA256", mode[32] = "";
        OSSL_PARAM set[3] = {
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                             cases[i].mode != NULL ? digest : sha256, 0),
            OSSL_PARAM_END, OSSL_PARAM_END
        };

        if (cases[i].mode != NULL) {
            snprintf(mode, sizeof(mode), "%s", cases[i].mode);
            set[1] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0);
        }
        cr_assert(EVP_KDF_CTX_set_params(kctx, set) > 0, "%s", drain_errors());
        cr_expect_not_null(EVP_KDF_CTX_settable_params(kctx));
        expect_all(cases[i].name, EVP_KDF_CTX_gettable_params(kctx), get_of_kdf, kctx);
        copy = EVP_KDF_CTX_dup(kctx);
        cr_expect_eq(EVP_KDF_CTX_get_kdf_size(copy), cases[i].size, "%s %s", cases[i].name, mode);
        EVP_KDF_CTX_reset(copy);
        cr_expect_eq(EVP_KDF_CTX_get_kdf_size(copy), SIZE_MAX, "%s, new", cases[i].name);
        EVP_KDF_CTX_free(copy);
        EVP_KDF_CTX_free(kctx);
        EVP_KDF_free(kdf);
    }
}

/* ------------------------------------------------------------- what can be set */

static const struct row {
    enum subject subject;
    const char *param;
    enum { TEXT, NUMBER, OCTETS } kind;
    const char *text;
    int number;
    const char *want;  /* as text, where there is none as a number; NULL: refused */
    const char *error; /* NULL: any */
} rows[] = {
    { RSA_SIGN, "pad-mode", TEXT, "pss", 0, "pss", NULL },
    { RSA_SIGN, "pad-mode", NUMBER, NULL, RSA_PKCS1_PADDING, "pkcs1", NULL },
    { RSA_SIGN, "pad-mode", TEXT, "oaep", 0, NULL, "1.5 and PSS" },
    { RSA_SIGN, "pad-mode", NUMBER, NULL, RSA_PKCS1_OAEP_PADDING, NULL, "1.5 and PSS" },
    { RSA_SIGN, "pad-mode", OCTETS, "pss", 0, NULL, NULL },
    { RSA_SIGN, "saltlen", TEXT, "digest", 0, "digest", NULL },
    { RSA_SIGN, "saltlen", TEXT, "max", 0, "max", NULL },
    { RSA_SIGN, "saltlen", TEXT, "auto", 0, "auto", NULL },
    { RSA_SIGN, "saltlen", TEXT, "20", 0, "20", NULL },
    { RSA_SIGN, "saltlen", NUMBER, NULL, RSA_PSS_SALTLEN_DIGEST, "digest", NULL },
    { RSA_SIGN, "saltlen", NUMBER, NULL, 32, "32", NULL },
    { RSA_SIGN, "saltlen", TEXT, "-7", 0, NULL, "no length of a salt" },
    { RSA_SIGN, "saltlen", TEXT, "long", 0, NULL, "no length of a salt" },
    { RSA_SIGN, "saltlen", NUMBER, NULL, -9, NULL, "no length of a salt" },
    { RSA_SIGN, "saltlen", OCTETS, "auto", 0, NULL, NULL },
    { RSA_SIGN, "mgf1-digest", TEXT, "SHA2-384", 0, "SHA2-384", NULL },
    { RSA_SIGN, "digest", TEXT, "SHA2-384", 0, "SHA2-384", NULL },
    { RSA_SIGN, "digest", TEXT, "SHA512-256", 0, NULL, "applets sign" },
    { RSA_SIGN, "digest", OCTETS, "SHA2-256", 0, NULL, NULL },
    { EC_SIGN, "digest", TEXT, "SHA2-512", 0, "SHA2-512", NULL },
    { EC_SIGN, "digest", TEXT, "MD5", 0, NULL, "applets sign" },
    { AGREE, "kdf-type", TEXT, "X963KDF", 0, "X963KDF", NULL },
    { AGREE, "kdf-type", TEXT, "", 0, "", NULL },
    { AGREE, "kdf-type", TEXT, "HKDF", 0, NULL, "only X963KDF" },
    { AGREE, "kdf-type", OCTETS, "X963KDF", 0, NULL, NULL },
    { AGREE, "kdf-digest", TEXT, "SHA256", 0, "SHA256", NULL },
    { AGREE, "kdf-outlen", NUMBER, NULL, 40, "40", NULL },
    { AGREE, "kdf-ukm", NUMBER, NULL, 40, NULL, NULL },
    { AGREE, "ecdh-cofactor-mode", NUMBER, NULL, 1, "0", NULL },
    { SOFT_AGREE, "kdf-type", TEXT, "X963KDF", 0, "X963KDF", NULL },
    { SOFT_AGREE, "kdf-outlen", NUMBER, NULL, 40, "40", NULL },
};

static bool set_row(EVP_PKEY_CTX *pctx, const struct row *r)
{
    char text[32] = "";
    int number = r->number;
    OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

    if (r->text != NULL)
        snprintf(text, sizeof(text), "%s", r->text);
    params[0] = r->kind == TEXT ? OSSL_PARAM_construct_utf8_string(r->param, text, 0)
                : r->kind == NUMBER
                    ? OSSL_PARAM_construct_int(r->param, &number)
                    : OSSL_PARAM_construct_octet_string(r->param, text, strlen(text));
    return EVP_PKEY_CTX_set_params(pctx, params) > 0;
}

static void expect_row(EVP_PKEY_CTX *pctx, const struct row *r)
{
    char text[32] = "";
    int number = -99;
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(r->param, text, sizeof(text)),
                             OSSL_PARAM_END };

    if (EVP_PKEY_CTX_get_params(pctx, params) <= 0) {
        drain_errors();
        params[0] = OSSL_PARAM_construct_int(r->param, &number);
        cr_expect(EVP_PKEY_CTX_get_params(pctx, params) > 0, "%s: %s", r->param, drain_errors());
        snprintf(text, sizeof(text), "%d", number);
    }
    cr_expect_str_eq(text, r->want, "%s", r->param);
    if (r->kind != NUMBER || strcmp(r->param, "ecdh-cofactor-mode") == 0)
        return;
    params[0] = OSSL_PARAM_construct_int(r->param, &number);
    cr_expect(EVP_PKEY_CTX_get_params(pctx, params) > 0, "%s: %s", r->param, drain_errors());
    cr_expect_eq(number, r->number, "%s", r->param);
}

Test(params, what_is_set_comes_back_or_is_refused_with_a_reason)
{
    EVP_PKEY_CTX *pctx[N_SUBJECTS];

    for (enum subject s = 0; s < N_SUBJECTS; s++)
        pctx[s] = begin(s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        const char *value = r->text != NULL ? r->text : "(a number)";
        const bool good = set_row(pctx[r->subject], r);

        cr_expect_eq(good, r->want != NULL, "%s=%s: %s", r->param, value, drain_errors());
        if (r->error != NULL)
            EXPECT_ERROR(r->error);
        drain_errors();
        if (good)
            expect_row(pctx[r->subject], r);
        drain_errors();
    }
    for (enum subject s = 0; s < N_SUBJECTS; s++)
        EVP_PKEY_CTX_free(pctx[s]);
}

Test(params, the_digest_cannot_change_once_hashing_has_begun)
{
    EVP_PKEY *key = load_key(ctx.lib, RSA_KEY);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    const struct row same = { RSA_SIGN, "digest", TEXT, "SHA256", 0, "", NULL };
    const struct row other = { RSA_SIGN, "digest", TEXT, "SHA384", 0, NULL, NULL };

    cr_assert_gt(EVP_DigestSignInit_ex(md, &pctx, "SHA256", ctx.lib, NULL, key, NULL), 0);
    cr_expect_gt(EVP_DigestSignUpdate(md, "text", 4), 0);
    cr_expect(set_row(pctx, &same), "%s", drain_errors());
    cr_expect_not(set_row(pctx, &other));
    EXPECT_ERROR("hashing has begun");
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
}

/* ------------------------------------------------------------ what is not there */

Test(params, an_operation_without_its_digest_has_no_identifier)
{
    EVP_PKEY_CTX *pctx = begin(RSA_SIGN);
    unsigned char id[128];
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string("algorithm-id", id, sizeof(id)),
                            OSSL_PARAM_END };
    const struct row pss = { RSA_SIGN, "pad-mode", TEXT, "pss", 0, "", NULL };
    const struct row max = { RSA_SIGN, "saltlen", TEXT, "max", 0, "", NULL };

    cr_expect_leq(EVP_PKEY_CTX_get_params(pctx, params), 0);
    EXPECT_ERROR("no digest was set");
    cr_expect(set_row(pctx, &pss) && set_row(pctx, &max));
    cr_expect_gt(EVP_PKEY_CTX_set_signature_md(pctx, EVP_sha256()), 0);
    cr_expect_leq(EVP_PKEY_CTX_get_params(pctx, params), 0);
    EXPECT_ERROR("a salt of 222 bytes in a certificate");
    EVP_PKEY_CTX_free(pctx);
}

Test(params, an_agreement_that_lacks_something_says_what)
{
    EVP_PKEY_CTX *pctx = begin(AGREE), *copy;
    EVP_PKEY *peer = soft_key(ctx.lib, "EC", "P-256");
    const struct row kdf = { AGREE, "kdf-type", TEXT, "X963KDF", 0, "", NULL };
    const struct row md = { AGREE, "kdf-digest", TEXT, "SHA256", 0, "", NULL };
    const struct row len = { AGREE, "kdf-outlen", NUMBER, NULL, 40, "", NULL };
    unsigned char ukm[] = { 1, 2, 3 }, out[2][40];
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string("kdf-ukm", ukm, sizeof(ukm)),
                            OSSL_PARAM_END };
    size_t n = sizeof(out[0]);

    cr_expect_leq(EVP_PKEY_derive(pctx, out[0], &n), 0);
    EXPECT_ERROR("no peer was set");
    cr_assert_gt(EVP_PKEY_derive_set_peer(pctx, peer), 0, "%s", drain_errors());
    n = 31;
    cr_expect_leq(EVP_PKEY_derive(pctx, out[0], &n), 0);
    EXPECT_ERROR("too short");
    n = sizeof(out[0]);
    cr_expect(set_row(pctx, &kdf) && set_row(pctx, &len));
    cr_expect_leq(EVP_PKEY_derive(pctx, out[0], &n), 0);
    EXPECT_ERROR("lacks a length or a digest");
    cr_expect(set_row(pctx, &md));
    cr_expect_gt(EVP_PKEY_CTX_set_params(pctx, params), 0);
    copy = EVP_PKEY_CTX_dup(pctx);
    cr_assert_not_null(copy, "%s", drain_errors());
    for (int i = 0; i < 2; i++)
        cr_expect_gt(EVP_PKEY_derive(i == 0 ? pctx : copy, out[i], &n), 0, "%s", drain_errors());
    cr_expect_arr_eq(out[0], out[1], sizeof(out[0]), "the copy has all of it");
    EVP_PKEY_free(peer);
    EVP_PKEY_CTX_free(copy);
    EVP_PKEY_CTX_free(pctx);
}

Test(params, keys_without_a_public_key_are_compared_by_their_names)
{
    EVP_PKEY *a, *b, *other;
    EVP_PKEY_CTX *pctx;
    OSSL_PARAM *data = NULL;

    sim_admin(&sim, "delete public client-key");
    a = load_key(ctx.lib, CLIENT_KEY);
    b = load_key(ctx.lib, CLIENT_KEY);
    other = load_key(ctx.lib, RSA_KEY);
    pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, a, NULL);
    cr_expect_eq(EVP_PKEY_eq(a, b), 1, "%s", drain_errors());
    cr_expect_neq(EVP_PKEY_eq(a, other), 1);
    cr_expect_neq(EVP_PKEY_todata(a, EVP_PKEY_PUBLIC_KEY, &data), 1);
    drain_errors();
    cr_expect_leq(EVP_PKEY_public_check(pctx), 0);
    EXPECT_ERROR("no public key is known");
    EVP_PKEY_CTX_free(pctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(b);
    EVP_PKEY_free(a);
}

Test(params, a_public_key_alone_is_no_pair)
{
    EVP_PKEY *key = load_public_key(ctx.lib, CLIENT_KEY);
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_pkey(ctx.lib, key, NULL);

    cr_expect_leq(EVP_PKEY_private_check(pctx), 0);
    EVP_PKEY_CTX_free(pctx);
    EVP_PKEY_free(key);
}

Test(params, an_rsa_key_of_impossible_size_is_refused_with_a_reason)
{
    EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(ctx.lib, "RSA", "provider=iotsafe");
    EVP_PKEY *key = NULL;
    int bits = 1024, primes = 5; /* too many of them */
    OSSL_PARAM params[] = { OSSL_PARAM_construct_int("bits", &bits),
                            OSSL_PARAM_construct_int("primes", &primes), OSSL_PARAM_END };

    cr_assert(pctx != NULL && EVP_PKEY_keygen_init(pctx) > 0, "%s", drain_errors());
    cr_expect(EVP_PKEY_CTX_set_params(pctx, params) <= 0 || EVP_PKEY_generate(pctx, &key) <= 0);
    EXPECT_ERROR("RSA key generation failed");
    cr_expect_null(key);
    EVP_PKEY_CTX_free(pctx);
}

Test(params, what_a_key_derivation_does_not_take_is_refused)
{
    static unsigned char much[5000];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[][2] = {
        { OSSL_PARAM_construct_octet_string("salt", much, sizeof(much)), OSSL_PARAM_END },
        { OSSL_PARAM_construct_int("salt", &mode), OSSL_PARAM_END },
        { OSSL_PARAM_construct_octet_string("mode", much, 4), OSSL_PARAM_END },
        { OSSL_PARAM_construct_int("mode", &mode), OSSL_PARAM_END },
        { OSSL_PARAM_construct_int("digest", &mode), OSSL_PARAM_END },
    };
    EVP_KDF *kdf = EVP_KDF_fetch(ctx.lib, "IOTSAFE-HKDF", NULL);
    EVP_KDF_CTX *kctx = EVP_KDF_CTX_new(kdf);

    for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
        cr_expect(EVP_KDF_CTX_set_params(kctx, params[i]) <= 0, "%zu: %s", i, params[i][0].key);
    drain_errors();
    EVP_KDF_CTX_free(kctx);
    EVP_KDF_free(kdf);
}

/* ---------------------------------------------------------------- RSA as text */

/* Lines and a leading zero differ: from 4.0 on sixteen octets stand in a line. */
static void squeeze(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++)
        if (strchr(" \n:", *from) == NULL) {
            *to++ = *from;
            if (to - text >= 9 && strncmp(to - 9, "Modulus00", 9) == 0)
                to -= 2;
        }
    *to = '\0';
}

Test(params, the_numbers_of_an_rsa_key_are_printed_as_default_prints_them)
{
    EVP_PKEY *key = load_key(ctx.lib, RSA_KEY), *software;
    BIO *bio[2] = { BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()) };
    unsigned char *der = NULL;
    const unsigned char *p;
    int len = i2d_PUBKEY(key, &der);
    char *text[2];

    p = der;
    software = d2i_PUBKEY_ex(NULL, &p, len, ctx.lib, "provider=default");
    cr_assert_not_null(software, "%s", drain_errors());
    for (int i = 0; i < 2; i++) {
        cr_expect_gt(EVP_PKEY_print_public(bio[i], i == 0 ? key : software, 0, NULL), 0);
        cr_expect_eq(BIO_write(bio[i], "", 1), 1);
        (void)BIO_get_mem_data(bio[i], &text[i]);
        squeeze(text[i]);
    }
    cr_expect_str_eq(text[0], text[1]);
    EXPECT_NO_ERRORS();
    for (int i = 0; i < 2; i++)
        BIO_free(bio[i]);
    OPENSSL_free(der);
    EVP_PKEY_free(software);
    EVP_PKEY_free(key);
}
