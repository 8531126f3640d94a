/* Public keys as DER, PEM and files. Where a key comes from on the SIM is the
 * store's business. */
#include "pubkey.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
                     "empty, see STATE in 'iotsafe list'%s", what, hint);
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

bool pubkey_type(const EVP_PKEY *key, char ret_type[static WORDS_TEXT_MAX])
{
    const char *name = EVP_PKEY_get0_type_name(key);
    int bits = EVP_PKEY_get_bits(key);
    char group[64] = "";
    size_t len;

    if (EVP_PKEY_is_a(key, "EC") && !EVP_PKEY_get_group_name(key, group, sizeof(group), &len))
        group[0] = '\0'; /* a curve by its parameters */
    for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
        if (EVP_PKEY_is_a(key, key_types[i].algorithm) && bits == key_types[i].bits
            && (key_types[i].group == NULL || strcmp(group, key_types[i].group) == 0)) {
            words_value(&words_key_type, key_types[i].key_type, ret_type);
            return true;
        }
    if (group[0] != '\0')
        snprintf(ret_type, WORDS_TEXT_MAX, "%s", group);
    else
        snprintf(ret_type, WORDS_TEXT_MAX, "%.80s-%d", name != NULL ? name : "unknown", bits);
    return false;
}

/* ---- files ---- */

/* All of a file, 1 byte to KEY_FILE_MAX; NULL after an error was reported. */
static unsigned char *read_file(const char *path, size_t *ret_len)
{
    unsigned char *data = malloc(KEY_FILE_MAX);
    FILE *file = fopen(path, "rbe");
    size_t len = 0;

    if (file == NULL || data == NULL)
        goto fail;
    errno = 0;
    len = fread(data, 1, KEY_FILE_MAX, file);
    if (ferror(file))
        goto fail;
    fclose(file);
    *ret_len = len;
    return data;

fail:
    report_error("%s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    free(data);
    return NULL;
}

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

static EVP_PKEY *key_in_certificate(OSSL_LIB_CTX *libctx, const unsigned char *der, long len)
{
    X509 *cert = X509_new_ex(libctx, NULL);
    EVP_PKEY *key = NULL;

    if (cert != NULL && d2i_X509(&cert, &der, len) != NULL)
        key = X509_get_pubkey(cert);
    X509_free(cert); /* d2i_X509() has set it to NULL on failure */
    return key;
}

static EVP_PKEY *decode(OSSL_LIB_CTX *libctx, enum pubkey_source source, const unsigned char *data,
                        size_t len)
{
    bool in_cert = source == PUBKEY_IN_CERTIFICATE;
    unsigned char *der = NULL;
    const unsigned char *at = data;
    long der_len = (long)len;
    EVP_PKEY *key;

    if (pem_to_der(data, len, in_cert ? PEM_STRING_X509 : PEM_STRING_PUBLIC, &der, &der_len))
        at = der;
    key = in_cert ? key_in_certificate(libctx, at, der_len)
                  : d2i_PUBKEY_ex(NULL, &at, der_len, libctx, NULL);
    OPENSSL_free(der);
    return key;
}

EVP_PKEY *pubkey_read_file(const struct tool *tool, enum pubkey_source source, const char *path)
{
    size_t len = 0;
    unsigned char *data = read_file(path, &len);
    EVP_PKEY *key;

    if (data == NULL)
        return NULL;
    key = decode(tool->libctx, source, data, len);
    if (key == NULL)
        report_error("%s: no %s in it that OpenSSL can read (PEM or DER)", path,
                     source == PUBKEY_IN_CERTIFICATE ? "certificate" : "public key");
    ERR_clear_error();
    free(data);
    return key;
}
