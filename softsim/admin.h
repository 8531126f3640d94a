/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's over-the-air side and the tester's hand. Requests and replies are
 * JSON objects, one a line, on a unix socket:
 *
 *   {"verb": "put-file", "args": ["notes", "FILE"], "options": {"size": "1024"}, "data": "HEX"}
 *   {"ok": true, "text": "..."}   or   {"ok": false, "text": "why not"}
 *
 * `data` holds the bytes of the file that the last argument names; the client reads
 * it, so that the server reads no files of the caller's choosing but the stores that
 * `insert` and `switch` name. */
#ifndef SOFTSIM_ADMIN_H
#define SOFTSIM_ADMIN_H

#include <jansson.h>

#include "sim.h"

#define ADMIN_LINE_MAX (512 * 1024)

struct admin_request {
    const char *verb;
    const char *arg[2]; /* NULL when absent */
    size_t n_args;
    const json_t *options;
    struct buf data;
};

/** Text of an option; NULL if it was not given. */
const char *admin_option(const struct admin_request *req, const char *name);

typedef bool admin_fn(struct sim *sim, const struct admin_request *req, struct buf *text,
                      struct err *err);

struct admin_verb {
    const char *name;
    const char *usage; /* what follows the name */
    size_t min_args, max_args;
    bool last_is_file;
    const char *options; /* names that take a value, separated by spaces */
    const char *flags;   /* names that do not */
    admin_fn *run;
};

/** Row i of the table of verbs, NULL past the end. */
const struct admin_verb *admin_verb_row(size_t i);
const struct admin_verb *admin_verb_find(const char *name);

/** Execute one request line; returns the reply line without its end, to be freed by the caller. */
char *admin_execute(struct sim *sim, const char *line, size_t len);

/** Serve on a unix socket (mode 0600). */
bool admin_open(struct sim *sim, const char *spec, char ret_where[static 160], struct err *err);

/**
 * The client: `argv` is PATH VERB ARGS...
 * @return exit status: 0 done, 1 refused, 2 wrong usage
 */
int admin_client(int argc, char **argv);

/** True if one of the space-separated names is `name`. */
bool admin_name_in(const char *names, const char *name);

#endif
