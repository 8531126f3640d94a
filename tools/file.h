/* SPDX-License-Identifier: Apache-2.0 */
/* File objects by the URIs that name them. */
#ifndef FILE_H
#define FILE_H

#include "tool.h"

/**
 * Parse the URI of one file, or a bare identifier (hex digits), which is short for
 * iotsafe://id=IDENTIFIER.
 * @param command  that it was given to, for messages
 * @param sim  from an option, which then may not be in the URI too; or NULL
 * @param ret_uri  its `sim` is the SIM that is meant
 * @return false after an error was reported; the command then returns TOOL_USAGE
 */
bool file_from_operand(const char *command, const char *text, const char *sim,
                       struct iotsafe_uri *ret_uri);

/**
 * Find a file and read all of it.
 * @param ret_data  on IOTSAFE_OK allocated, free() it
 */
IOTSAFE_NODISCARD enum iotsafe_err file_read(struct iotsafe_card *card,
                                             const struct iotsafe_uri *uri, uint8_t **ret_data,
                                             size_t *ret_len, struct iotsafe_op *op);

#endif
