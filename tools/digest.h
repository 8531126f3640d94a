/* SPDX-License-Identifier: Apache-2.0 */
/* The digests that applets sign. */
#ifndef DIGEST_H
#define DIGEST_H

#include "tool.h"

struct digest {
    const char *name;     /* OpenSSL's */
    unsigned hash;        /* IOTSAFE_HASH_..., one bit */
    const char *spelling; /* how we write it: as words_hash does */
};

/* The row of the commands that sign and verify. */
#define COMMAND_OPTION_DIGEST                                          \
    {                                                                  \
        "digest", "NAME", "SHA-256 (if not given), SHA-384 or SHA-512" \
    }

/**
 * @param name  in any of OpenSSL's spellings; NULL: SHA-256
 * @return static storage; NULL after a wrong name was reported: wrong usage
 */
const struct digest *digest_by_name(const struct tool *tool, const char *name);

#endif
