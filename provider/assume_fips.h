/* SPDX-License-Identifier: Apache-2.0 */
/* The setting `assume-fips`: our algorithms under the property fips=yes, on the
 * administrator's word. Nothing here is validated, and without the setting nothing
 * is offered so. */
#ifndef ISPROV_ASSUME_FIPS_H
#define ISPROV_ASSUME_FIPS_H

#include <stdbool.h>

#include "prov.h"

#ifdef HAVE_FIPS
/**
 * The same algorithms with fips=yes added to their properties.
 * @return OPENSSL_free() it, after its last user; NULL when out of memory
 */
OSSL_ALGORITHM *isprov_assume_fips(const OSSL_ALGORITHM *table);

/** Are keys of the application's own imported, and others generated, in software?
 *  Not where we pass for what works by the book, which software here does not. What was
 *  set when the module was loaded counts: libcrypto asks for the tables only once. */
static inline bool isprov_takes_software_keys(const struct isprov *prov)
{
    return !iotsafe_config_assume_fips(prov->environment);
}

/** The same for a generation: if not, that is raised. */
bool isprov_may_generate(const struct isprov *prov);
#else
/* The setting is refused. */
static inline OSSL_ALGORITHM *isprov_assume_fips(const OSSL_ALGORITHM *table)
{
    (void)table;
    return NULL;
}

static inline bool isprov_takes_software_keys(const struct isprov *prov)
{
    (void)prov;
    return true;
}

static inline bool isprov_may_generate(const struct isprov *prov)
{
    (void)prov;
    return true;
}
#endif

#endif
