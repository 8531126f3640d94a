/* SPDX-License-Identifier: Apache-2.0 */
/* The store file's text. */
#ifndef SOFTSIM_STORE_JSON_H
#define SOFTSIM_STORE_JSON_H

#include "store.h"

#define STORE_FORMAT "iotsafe-softsim-1"

/** Text of the whole store, to be freed (after wiping) by the caller; NULL on failure. */
char *store_to_json(const struct store *s);
/** Fill an empty store from a file; what does not make sense is an error that names it. */
bool store_from_json_file(struct store *s, const char *path, struct err *err);

#endif
