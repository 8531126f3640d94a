/* SPDX-License-Identifier: Apache-2.0 */
/* see files.h */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "outfile.h"
#include "report.h"

#define CERTS_FILE_MAX 1048576 /* a bundle of all authorities of a system has 200 kB */
#define SECRET_MAX 1024

/* ---- certificates in ---- */

static bool push(STACK_OF(X509) *certs, X509 *cert)
{
    if (cert != NULL && sk_X509_push(certs, cert) > 0)
        return true;
    X509_free(cert);
    return false;
}

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

/* Empty if there is none. NULL when out of memory. */
static STACK_OF(X509) *parse_certs(const unsigned char *data, size_t len)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    const unsigned char *at = data;

    if (certs != NULL && bio != NULL)
        while (push(certs, PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
            ;
    if (certs != NULL && sk_X509_num(certs) == 0)
        (void)push(certs, d2i_X509(NULL, &at, (long)len));
    BIO_free(bio);
    ERR_clear_error();
    return certs;
}

STACK_OF(X509) *files_read_certs(const char *path)
{
    STACK_OF(X509) *certs;
    size_t len = 0;
    unsigned char *data = input_read(path, CERTS_FILE_MAX, &len);

    if (data == NULL)
        return NULL;
    certs = parse_certs(data, len);
    free(data);
    if (certs != NULL && sk_X509_num(certs) > 0)
        return certs;
    report_error("%s: %s", path,
                 certs == NULL ? "out of memory" : "no certificate in it (PEM or DER)");
    sk_X509_free(certs);
    return NULL;
}

bool files_read_present(const char *path, STACK_OF(X509) **ret_certs)
{
    struct stat st;

    *ret_certs = NULL;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT)
            return true;
        report_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        report_error("%s: not a regular file", path); /* a device must not be replaced */
        return false;
    }
    if (st.st_size == 0)
        return true; /* holds nothing that could be lost */
    *ret_certs = files_read_certs(path);
    if (*ret_certs == NULL)
        report_error("%s: is not overwritten; remove it if nobody needs it", path);
    return *ret_certs != NULL;
}

/* ---- the secret ---- */

char *files_read_secret(const char *path)
{
    char *text = OPENSSL_zalloc(SECRET_MAX + 2);
    int fd = text != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, text, SECRET_MAX + 1) : -1;
    size_t len;
    struct stat st;

    if (n < 0) {
        report_error("%s: %s", path, text == NULL ? "out of memory" : strerror(errno));
    } else {
        len = strcspn(text, "\r\n");
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0007) != 0)
            report_warning("%s: every user may read the secret in it (chmod 600)", path);
        OPENSSL_cleanse(text + len, SECRET_MAX + 2 - len);
        if (len == 0 || len > SECRET_MAX) {
            report_error("%s: %s", path,
                         len == 0 ? "its first line is empty" : "its first line is too long");
            n = -1;
        }
    }
    if (fd >= 0)
        (void)close(fd);
    if (n >= 0)
        return text;
    OPENSSL_clear_free(text, SECRET_MAX + 2);
    return NULL;
}

/* ---- certificates out ---- */

bool files_write_certs(const char *path, const STACK_OF(X509) *certs)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL;

    for (int i = 0; good && i < sk_X509_num(certs); i++)
        good = PEM_write_bio_X509(bio, sk_X509_value(certs, i)) > 0;
    if (good)
        good = outfile_write(path, bio, 0644); /* no secret: services of other users read it */
    else
        report_error("cannot write %s: out of memory", path);
    BIO_free(bio);
    return good;
}
