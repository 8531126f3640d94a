/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys as DER, PEM and files. Where a key comes from on the SIM is the
 * store's business. */
#include "pubkey.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "report.h"

#define KEY_FILE_MAX 262144 /* room for a chain; a device node would never end */

bool pubkey_encode(const EVP_PKEY *key, unsigned char **ret_der, size_t *ret_der_len)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    if (len <= 0)
        return false;
    *ret_der = der;
    *ret_der_len = (size_t)len;
    return true;
}

BIO *pubkey_to_pem(const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    size_t len = 0;
    BIO *bio = NULL;

    if (!pubkey_encode(key, &der, &len))
        return NULL;
    bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio(bio, PEM_STRING_PUBLIC, "", der, (long)len) <= 0) {
        BIO_free(bio);
        bio = NULL;
    }
    OPENSSL_free(der);
    return bio;
}

void pubkey_report_missing(const char *what, const char *hint)
{
    struct queue_summary why;

    report_drain_queue("", &why);
    if (why.from_provider)
        report_error("%s%s", why.text, hint);
    else /* OpenSSL says nothing sensible here */
        report_error("%s: the SIM gives no public key for it; perhaps its container is still "
                     "empty, see STATE in 'iotsafe list'%s",
                     what, hint);
}

/* Keys that an applet can hold, by OpenSSL's names and by ours. */
static const struct {
    const char *algorithm, *group; /* no group: RSA */
    int bits;
    unsigned key_type;
} key_types[] = {
    { "EC", "prime256v1", 256, IOTSAFE_KEY_P256 },
    { "EC", "brainpoolP256r1", 256, IOTSAFE_KEY_BP256 },
    { "RSA", NULL, 2048, IOTSAFE_KEY_RSA2048 },
};

#define GROUP_MAX 64 /* bytes of a group's name */

/* "" for what is no EC key, and for a curve by its parameters. */
static void group_name(const EVP_PKEY *key, char ret_group[static GROUP_MAX])
{
    size_t len;

    if (!EVP_PKEY_is_a(key, "EC") || !EVP_PKEY_get_group_name(key, ret_group, GROUP_MAX, &len))
        ret_group[0] = '\0';
}

unsigned pubkey_card_type(const EVP_PKEY *key)
{
    char group[GROUP_MAX];

    group_name(key, group);
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
        if (EVP_PKEY_is_a(key, key_types[i].algorithm)
            && EVP_PKEY_get_bits(key) == key_types[i].bits
            && (key_types[i].group == NULL || strcmp(group, key_types[i].group) == 0))
            return key_types[i].key_type;
    return 0;
}

bool pubkey_type(const EVP_PKEY *key, char ret_type[static WORDS_TEXT_MAX])
{
    const char *name = EVP_PKEY_get0_type_name(key);
    unsigned key_type = pubkey_card_type(key);
    char group[GROUP_MAX];

    group_name(key, group);
    if (key_type != 0)
        words_value(&words_key_type, key_type, ret_type);
    else if (group[0] != '\0')
        snprintf(ret_type, WORDS_TEXT_MAX, "%s", group);
    else
        snprintf(ret_type, WORDS_TEXT_MAX, "%.80s-%d", name != NULL ? name : "unknown",
                 EVP_PKEY_get_bits(key));
    return key_type != 0;
}

/* ---- points ---- */

static bool is_valid(OSSL_LIB_CTX *libctx, EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(libctx, key, PUBKEY_SOFTWARE);
    bool valid = ctx != NULL && EVP_PKEY_public_check(ctx) > 0;

    EVP_PKEY_CTX_free(ctx);
    return valid;
}

/* NULL, too, if the point is not one of that group. */
static EVP_PKEY *key_from_point(OSSL_LIB_CTX *libctx, const char *group,
                                const uint8_t point[static IOTSAFE_POINT_SIZE])
{
    char name[GROUP_MAX];
    uint8_t copy[IOTSAFE_POINT_SIZE]; /* OSSL_PARAM takes no const */
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0),
                            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy,
                                                              sizeof(copy)),
                            OSSL_PARAM_END };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(libctx, "EC", PUBKEY_SOFTWARE);
    EVP_PKEY *key = NULL;

    snprintf(name, sizeof(name), "%s", group);
    memcpy(copy, point, sizeof(copy));
    params[0].data_size = strlen(name);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0
        || !is_valid(libctx, key)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

bool pubkey_type_is_curve(unsigned card_type)
{
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
        if (key_types[i].group != NULL
            && words_same(&words_key_type, card_type, key_types[i].key_type))
            return true;
    return false;
}

EVP_PKEY *pubkey_from_point(const struct tool *tool, unsigned key_type,
                            const uint8_t point[static IOTSAFE_POINT_SIZE])
{
    EVP_PKEY *key = NULL;

    for (size_t i = 0; i < ARRAY_LEN(key_types) && key == NULL; i++)
        if (key_types[i].group != NULL
            && (key_type == 0 || words_same(&words_key_type, key_type, key_types[i].key_type)))
            key = key_from_point(tool->libctx, key_types[i].group, point);
    ERR_clear_error();
    return key;
}

static bool coordinate(const EVP_PKEY *key, const char *param, uint8_t *ret_bytes, size_t len)
{
    BIGNUM *number = NULL;
    bool good = EVP_PKEY_get_bn_param(key, param, &number)
                && BN_bn2binpad(number, ret_bytes, (int)len) == (int)len;

    BN_free(number);
    return good;
}

bool pubkey_to_point(const EVP_PKEY *key, uint8_t ret_point[static IOTSAFE_POINT_SIZE])
{
    const size_t len = (IOTSAFE_POINT_SIZE - 1) / 2;

    ret_point[0] = POINT_CONVERSION_UNCOMPRESSED;
    return coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, ret_point + 1, len)
           && coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, ret_point + 1 + len, len);
}

EVP_PKEY *pubkey_to_software(const struct tool *tool, const EVP_PKEY *key)
{
    unsigned char *der = NULL;
    const unsigned char *at;
    size_t len = 0;
    EVP_PKEY *copy;

    if (!pubkey_encode(key, &der, &len))
        return NULL;
    at = der;
    copy = d2i_PUBKEY_ex(NULL, &at, (long)len, tool->libctx, PUBKEY_SOFTWARE);
    OPENSSL_free(der);
    return copy;
}

/* ---- files ---- */

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

/* The first PEM block of the wanted kind, as DER; false if there is none. */
static bool pem_to_der(const unsigned char *data, size_t len, const char *label,
                       unsigned char **ret_der, long *ret_der_len)
{
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    int found = 0;

    if (bio != NULL)
        found = PEM_bytes_read_bio(ret_der, ret_der_len, NULL, label, bio, no_passphrase, NULL);
    BIO_free(bio);
    return found > 0;
}

/* The readers of a kind of file. `ret_unusable`: such a thing it is, but OpenSSL
 * does not take the key in it; set or left alone. */

static EVP_PKEY *key_in_certificate(OSSL_LIB_CTX *libctx, const unsigned char *der, long len,
                                    bool *ret_unusable)
{
    X509 *cert = X509_new_ex(libctx, NULL);
    EVP_PKEY *key = NULL;

    if (cert != NULL && d2i_X509(&cert, &der, len) != NULL) {
        key = X509_get_pubkey(cert);
        *ret_unusable = *ret_unusable || key == NULL;
    }
    X509_free(cert); /* d2i_X509() has set it to NULL on failure */
    return key;
}

static EVP_PKEY *key_alone(OSSL_LIB_CTX *libctx, const unsigned char *der, long len,
                           bool *ret_unusable)
{
    const unsigned char *at = der;
    EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &at, len, libctx, NULL);
    X509_PUBKEY *form = key == NULL ? X509_PUBKEY_new_ex(libctx, NULL) : NULL;

    at = der;
    if (form != NULL && d2i_X509_PUBKEY(&form, &at, len) != NULL)
        *ret_unusable = true;
    X509_PUBKEY_free(form); /* like a certificate */
    return key;
}

/* The kinds of file, and the label of their PEM blocks. */
static const struct {
    enum pubkey_source source;
    const char *label;
    EVP_PKEY *(*read)(OSSL_LIB_CTX *libctx, const unsigned char *der, long len, bool *ret_unusable);
} sources[] = {
    { PUBKEY_ALONE, PEM_STRING_PUBLIC, key_alone },
    { PUBKEY_IN_CERTIFICATE, PEM_STRING_X509, key_in_certificate },
};

static EVP_PKEY *decode(OSSL_LIB_CTX *libctx, size_t row, const unsigned char *data, size_t len,
                        bool *ret_unusable)
{
    unsigned char *der = NULL;
    const unsigned char *at = data;
    long der_len = (long)len;
    EVP_PKEY *key;

    if (pem_to_der(data, len, sources[row].label, &der, &der_len))
        at = der;
    key = sources[row].read(libctx, at, der_len, ret_unusable);
    OPENSSL_free(der);
    return key;
}

static void report_useless(const char *path, unsigned wanted, bool unusable)
{
    if (unusable)
        report_error("%s: OpenSSL does not take the public key in it: it is not a point on its "
                     "curve, or of an unknown type",
                     path);
    else
        report_error("%s: no %s in it that OpenSSL can read (PEM or DER)", path,
                     wanted == PUBKEY_ALONE            ? "public key"
                     : wanted == PUBKEY_IN_CERTIFICATE ? "certificate"
                                                       : "public key or certificate");
}

EVP_PKEY *pubkey_read_file(const struct tool *tool, unsigned wanted, const char *path)
{
    size_t len = 0;
    unsigned char *data = input_read(path, KEY_FILE_MAX, &len);
    bool unusable = false;
    EVP_PKEY *key = NULL;

    if (data == NULL)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(sources) && key == NULL; i++)
        if ((wanted & sources[i].source) != 0)
            key = decode(tool->libctx, i, data, len, &unusable);
    if (key == NULL)
        report_useless(path, wanted, unusable);
    ERR_clear_error();
    free(data);
    return key;
}
