/* SPDX-License-Identifier: Apache-2.0 */
/* A trace without the names, contents and devices in it, for a report. */
#ifndef MASKED_TRACE_H
#define MASKED_TRACE_H

#include <jansson.h>

#define MASKED_TRACE_LINES 400 /* the last ones count */

/**
 * What may be told of a text trace that the setting `trace` wrote (file:PATH): of a command
 * its header, its length and, for SELECT, the AID, of its data the tags that IoT.05 has; of a
 * response its length and status word, and the milliseconds; of an error its reason. Only this
 * is taken out of the file: the rest of a line is not looked at.
 *
 * @param ret_why  if there is none: why. Static storage
 * @return an array, an object for each line; NULL if there is no such trace
 */
json_t *masked_trace(const char *path, const char **ret_why);

#endif
