/* SPDX-License-Identifier: Apache-2.0 */
/* The options of iotsafe-enroll: one table for parsing, for --help and for checks. */
#ifndef ENROLL_OPTIONS_H
#define ENROLL_OPTIONS_H

#include "job.h"

enum parsed {
    PARSED_JOB,  /* there is work to do */
    PARSED_HELP, /* help or version was printed */
    PARSED_WRONG /* an error was reported */
};

/** Parse and check the command line, as far as nothing need be read for that.
 *  @param job  zeroed; `method`, `option`, `key_uri`, `renew_s` and `tool->json` are set */
enum parsed options_parse(struct job *job, int argc, char **argv);

/** `90s`, `45m`, `12h`, `30d`, or seconds alone. @return -1 for anything else */
long options_duration(const char *text);

/** Seconds of --retry-max. */
long options_retry_max(const struct job *job);

#endif
