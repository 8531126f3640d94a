/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one JSON object a line, one line an exchange or event. */
#ifndef SOFTSIM_LOG_H
#define SOFTSIM_LOG_H

#include "util.h"

struct log {
    int fd;          /* -1: no log */
    unsigned long n; /* exchanges written */
};

/** Append to this file (made with 0600); NULL for no log. */
bool log_open(struct log *log, const char *path, struct err *err);
void log_close(struct log *log);

struct log_exchange {
    const char *front;
    unsigned client;
    const char *ins;
    const uint8_t *cmd;
    size_t cmd_len;
    const uint8_t *rsp; /* as sent; NULL when nothing was sent */
    size_t rsp_len;
    uint64_t us; /* from the command's arrival to the answer */
};

void log_exchange(struct log *log, const struct log_exchange *e);
/** An event such as "reset"; detail (may be NULL) is plain text without quotes. */
void log_event(struct log *log, const char *event, const char *detail);

#endif
