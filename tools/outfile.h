/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is written whole or not at all. */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <jansson.h>
#include <openssl/bio.h>
#include <stdbool.h>
#include <sys/stat.h>

/**
 * A file with all of a memory BIO in the place of what is there: whoever reads it meanwhile,
 * or after a power cut, gets the old file or the new one, never a part. Behind a symbolic link
 * the file that it leads to is replaced; its owner stays where that is allowed.
 *
 * @param mode  of the file, 0600 or 0644
 * @return false after an error was reported; what was there is left alone then
 */
bool outfile_write(const char *path, BIO *bio, mode_t mode);

/** The same with a JSON value in ASCII and a newline, mode 0600. Takes over the reference; NULL,
 *  from a failed allocation on the way, is reported. */
bool outfile_write_json(const char *path, json_t *root);

/** Whether such a file could be made; false after an error was reported. */
bool outfile_is_possible(const char *path);

#endif
