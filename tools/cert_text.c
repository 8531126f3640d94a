/* SPDX-License-Identifier: Apache-2.0 */
/* see cert_text.h */
#include "cert_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output.h"

#define SUBJECT_CUT 24 /* bytes of it in a table */

int cert_print_name(BIO *bio, const X509_NAME *name)
{
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)
           >= 0;
}

static BIO *subject_of(const X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());

    if (bio != NULL && cert_print_name(bio, X509_get_subject_name(cert)))
        return bio;
    BIO_free(bio);
    return NULL;
}

json_t *cert_subject_json(const X509 *cert)
{
    BIO *bio = subject_of(cert);
    json_t *json = bio != NULL ? json_from_bio(bio) : NULL;

    BIO_free(bio);
    return json;
}

json_t *cert_time_json(const ASN1_TIME *when)
{
    char text[32];
    struct tm tm;

    if (!ASN1_TIME_to_tm(when, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(text);
}

void cert_validity_cell(const X509 *cert, char ret_text[static CERT_CELL_MAX])
{
    const ASN1_TIME *begin = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);
    const time_t now = time(NULL);
    const bool over = ASN1_TIME_cmp_time_t(end, now) == -1;
    const bool early = !over && ASN1_TIME_cmp_time_t(begin, now) == 1;
    struct tm tm;

    if (!ASN1_TIME_to_tm(early ? begin : end, &tm)
        || strftime(ret_text, CERT_CELL_MAX,
                    over    ? "expired %Y-%m-%d"
                    : early ? "from %Y-%m-%d"
                            : "until %Y-%m-%d",
                    &tm)
               == 0)
        ret_text[0] = '\0';
}

void cert_subject_cell(const X509 *cert, char ret_text[static CERT_CELL_MAX])
{
    BIO *bio = subject_of(cert);
    char *bytes = NULL, *text = NULL;
    long len = bio != NULL ? BIO_get_mem_data(bio, &bytes) : 0;
    size_t cut = 0;

    ret_text[0] = '\0';
    if (len > 0)
        text = text_escape(bytes, (size_t)len);
    if (text != NULL) {
        cut = strlen(text);
        if (cut > SUBJECT_CUT)
            for (cut = SUBJECT_CUT - 3; ((unsigned char)text[cut] & 0xc0) == 0x80; cut--)
                ;
        (void)snprintf(ret_text, CERT_CELL_MAX, "%.*s%s", (int)cut, text,
                       text[cut] != '\0' ? "..." : "");
    }
    free(text);
    BIO_free(bio);
}
