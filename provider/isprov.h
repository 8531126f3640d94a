/* SPDX-License-Identifier: Apache-2.0 */
/* The provider seen from a program that links it statically.
 *
 * Such a program registers OSSL_provider_init (declared in <openssl/core.h>)
 * with OSSL_PROVIDER_add_builtin(), loads the provider, and reaches its
 * configuration through OSSL_PROVIDER_get0_provider_ctx(). The module exports
 * OSSL_provider_init alone.
 */
#ifndef ISPROV_H
#define ISPROV_H

#include <openssl/core.h>

struct iotsafe_config;

/**
 * The configuration that a loaded provider works with.
 *
 * @param provctx  what OSSL_PROVIDER_get0_provider_ctx() gives
 * @return borrowed; valid until the provider is unloaded; not NULL
 */
const struct iotsafe_config *isprov_get0_config(void *provctx);

#endif
