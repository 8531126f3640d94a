/* SPDX-License-Identifier: Apache-2.0 */
/* Failures, warnings and progress, for people: one line each on stderr. A failure
 * names the thing and the way out. Text from cards and files is printed with its
 * control characters escaped. */
#ifndef REPORT_H
#define REPORT_H

#include "iotsafe.h"

/** The name in front of each line, instead of `iotsafe`; kept, not copied. */
void report_as(const char *program);

/** `iotsafe: ...` */
void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** `iotsafe: warning: ...` */
void report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** What goes on, while nothing is wrong: `iotsafe: ...` */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * A failure of the library.
 * @param what  the thing that failed, e.g. the command; NULL: nothing to add
 * @param op  as the library filled it; an empty text is replaced by
 *              iotsafe_strerror()
 */
void report_library(const char *what, enum iotsafe_err err, const struct iotsafe_op *op);

/** What OpenSSL's error queue tells about a failure. */
struct queue_summary {
    char text[600];       /* the most telling text; never empty */
    bool from_provider;   /* it came from our provider, ... */
    enum iotsafe_err err; /* ... with this reason; else IOTSAFE_OK */
};

/**
 * Empty OpenSSL's error queue and keep the entry that helps most: our
 * provider's own words before OpenSSL's, the first cause before what followed
 * from it, and never the noise of libcrypto trying other ways first.
 * @param fallback  text for an empty queue
 */
void report_drain_queue(const char *fallback, struct queue_summary *ret_summary);

/** Report such a summary. @param what  the thing that failed; said where the
 *  text is not our provider's, which names it itself */
void report_queue(const char *what, const struct queue_summary *summary);

#endif
