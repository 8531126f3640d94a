/* SPDX-License-Identifier: Apache-2.0 */
/* X.509 with libcrypto. */
#include "ca.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto.h"
#include "iotsafe_defs.h"

#define VALID_DAYS (20 * 365 + 5)
#define SERIAL_BITS 159 /* positive, at most 20 bytes (RFC 5280, 4.1.2.2) */

struct extension {
    int nid;
    const char *value;
};

static bool add_extension(X509 *cert, X509 *issuer, struct extension e)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, e.nid, e.value);
    ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool set_serial(X509 *cert)
{
    BIGNUM *n = BN_new();
    bool ok = n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1
              && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;

    BN_free(n);
    return ok;
}

/* The clock of a device that makes its own SIM may be behind: valid since yesterday. */
static bool set_validity(X509 *cert)
{
    return X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL) != NULL
           && X509_time_adj_ex(X509_getm_notAfter(cert), VALID_DAYS, 0, NULL) != NULL;
}

static X509 *make(EVP_PKEY *key, const char *cn)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    bool good = cert != NULL && name != NULL && X509_set_version(cert, X509_VERSION_3) == 1
                && set_serial(cert) && set_validity(cert) && X509_set_pubkey(cert, key) == 1
                && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn,
                                              -1, -1, 0)
                       == 1
                && X509_set_subject_name(cert, name) == 1;

    X509_NAME_free(name);
    if (good)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool complete(X509 *cert, X509 *issuer, EVP_PKEY *issuer_key, const struct extension *ext,
                     size_t n)
{
    if (X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!add_extension(cert, issuer, ext[i]))
            return false;
    return X509_sign(cert, issuer_key, EVP_sha256()) > 0;
}

bool ca_create(struct ca *ret, struct err *err)
{
    static const struct extension ext[] = {
        { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, "keyid:always" },
        { NID_basic_constraints, "critical,CA:TRUE" },
        { NID_key_usage, "critical,keyCertSign,cRLSign" },
    };
    struct ca ca = { .key = crypto_generate(IOTSAFE_KEY_P256) };

    if (ca.key != NULL)
        ca.cert = make(ca.key, "iotsafe-softsim test CA");
    if (ca.cert == NULL || !complete(ca.cert, ca.cert, ca.key, ext, ARRAY_LEN(ext))) {
        ERR_clear_error();
        ca_clear(&ca);
        return err_set(err, "cannot make the test CA");
    }
    *ret = ca;
    return true;
}

void ca_clear(struct ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    *ca = (struct ca){ NULL, NULL };
}

X509 *ca_issue(const struct ca *ca, EVP_PKEY *key, const char *cn, const char *san, struct err *err)
{
    const struct extension ext[] = {
        { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, "keyid:always" },
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "clientAuth,serverAuth" },
        { NID_subject_alt_name, san },
    };
    X509 *cert = make(key, cn);

    if (cert == NULL || !complete(cert, ca->cert, ca->key, ext, ARRAY_LEN(ext))) {
        ERR_clear_error();
        X509_free(cert);
        err_set(err, "cannot issue a certificate for \"%s\" with subjectAltName \"%s\"", cn, san);
        return NULL;
    }
    return cert;
}

bool ca_cert_der(X509 *cert, struct buf *out)
{
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);

    if (len > 0)
        buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0 && !out->failed;
}

static bool take_bio(BIO *bio, bool written, struct buf *out)
{
    char *p;
    long n = bio == NULL ? 0 : BIO_get_mem_data(bio, &p);

    if (written && n > 0)
        buf_put(out, p, (size_t)n);
    BIO_free(bio);
    return written && n > 0 && !out->failed;
}

bool ca_cert_pem(X509 *cert, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());

    return take_bio(bio, bio != NULL && PEM_write_bio_X509(bio, cert) == 1, out);
}

bool ca_key_pem(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem());

    return take_bio(bio,
                    bio != NULL
                        && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1,
                    out);
}
