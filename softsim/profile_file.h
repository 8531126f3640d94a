/* SPDX-License-Identifier: Apache-2.0 */
/* A profile in a file, as `iotsafe conformance --profile` writes it. */
#ifndef SOFTSIM_PROFILE_FILE_H
#define SOFTSIM_PROFILE_FILE_H

#include "store.h"

#define PROFILE_FILE_FORMAT "iotsafe-profile-1"
#define PROFILE_FILE_MAX 65536 /* bytes */

/**
 * Add the settings of the file to the store's, over those that it has. Each is checked;
 * the first that makes no sense is an error that names it.
 */
bool profile_file_add(struct store *s, const char *path, struct err *err);

#endif
