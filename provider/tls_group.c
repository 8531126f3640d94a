/* SPDX-License-Identifier: Apache-2.0 */
/* The capability TLS-GROUP, see provider-base(7). libssl keeps an EC group only
 * if the provider that advertises it is the one whose EC keys it would use. So
 * these lines are for processes in which we stand before `default`; they name
 * the EC groups of TLS 1.3, and those of Brainpool of TLS 1.2, for all of which
 * our generation works. */
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/prov_ssl.h>
#include <openssl/ssl.h>

#include "prov.h"

/* RFC 8446, 4.2.7, and RFC 7027; OpenSSL's own name of the group, and those of TLS
 * and NIST, if they have another one. */
struct group {
    const char *group;
    const char *names[2];
    unsigned int id;
    unsigned int security_bits;
    int max_tls, max_dtls; /* 0: no limit */
};

static const struct group groups[] = {
    { "prime256v1", { "secp256r1", "P-256" }, 23, 128, 0, 0 },
    { "secp384r1", { "secp384r1", "P-384" }, 24, 192, 0, 0 },
    { "secp521r1", { "secp521r1", "P-521" }, 25, 256, 0, 0 },
    { "brainpoolP256r1", { "brainpoolP256r1", NULL }, 26, 128, TLS1_2_VERSION, DTLS1_2_VERSION },
    { "brainpoolP384r1", { "brainpoolP384r1", NULL }, 27, 192, TLS1_2_VERSION, DTLS1_2_VERSION },
    { "brainpoolP512r1", { "brainpoolP512r1", NULL }, 28, 256, TLS1_2_VERSION, DTLS1_2_VERSION },
};

static OSSL_PARAM text_param(const char *key, const char *value)
{
    /* OSSL_PARAM has no const; nobody writes through it. */
    return OSSL_PARAM_construct_utf8_string(key, (char *)(uintptr_t)value, 0);
}

static int tell_group(const struct group *group, const char *name, OSSL_CALLBACK *cb, void *arg)
{
    unsigned int id = group->id, security_bits = group->security_bits;
    int min_tls = TLS1_VERSION, min_dtls = DTLS1_VERSION;
    int max_tls = group->max_tls, max_dtls = group->max_dtls;
    OSSL_PARAM params[] = {
        text_param(OSSL_CAPABILITY_TLS_GROUP_NAME, name),
        text_param(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL, group->group),
        text_param(OSSL_CAPABILITY_TLS_GROUP_ALG, "EC"),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &id),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &security_bits),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &min_tls),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &max_tls),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &min_dtls),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &max_dtls),
        OSSL_PARAM_construct_end(),
    };

    return cb(params, arg);
}

int isprov_tls_groups(OSSL_CALLBACK *cb, void *arg)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        for (int n = 0; n < 2 && groups[i].names[n] != NULL; n++)
            if (!tell_group(&groups[i], groups[i].names[n], cb, arg))
                return 0;
    return 1;
}
