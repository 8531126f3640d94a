/* SPDX-License-Identifier: Apache-2.0 */
/* What main() and the commands of the tool share: a command as a row of data,
 * its parsed arguments, and the provider that it works with.
 *
 * A command file defines one or more `const struct command`; iotsafe.c lists
 * them. A command prints its result only when it has all of it, and reports a
 * failure itself, in one line, with the functions of report.h.
 */
#ifndef TOOL_H
#define TOOL_H

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdbool.h>
#include <stddef.h>

#include "iotsafe.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/** Exit statuses; iotsafe(1) promises them. */
enum tool_status {
    TOOL_OK = 0,
    TOOL_FAILED = 1, /* the operation failed */
    TOOL_USAGE = 2   /* wrong usage, a malformed URI included */
};

/** The tool's own OpenSSL context, with this build's provider in it. */
struct tool {
    bool json;              /* --json was given */
    bool shared;            /* in OpenSSL's default context: libraries that make TLS use no other */
    bool quiet;             /* what is wrong with openssl.cnf is found and said elsewhere */
    OSSL_LIB_CTX *libctx;   /* NULL: the default context */
    OSSL_PROVIDER *iotsafe; /* linked in; an installed module is not looked at */
    OSSL_PROVIDER *base;    /* OpenSSL's default provider */
};

/**
 * Make the context: read openssl.cnf (OPENSSL_CONF or the built-in path) as
 * any program does, then make sure that `default` and `iotsafe` are active.
 * A missing or broken openssl.cnf is no failure; a broken one, or one that leaves the provider out,
 * is warned about. No card is touched.
 *
 * @param tool  all zero but for `json`, `shared` and `quiet`
 * @return false after an error was reported
 */
bool tool_open(struct tool *tool);
void tool_close(struct tool *tool);

/**
 * The card of a SIM, by the configuration of the provider. No I/O.
 *
 * @param sim  name of a SIM in the configuration; NULL or "" is the default
 * @return NULL after an error was reported; else free with iotsafe_card_free()
 */
struct iotsafe_card *tool_card(const struct tool *tool, const char *sim);

/** The same, of which nothing is reported. @see iotsafe_card_new() */
IOTSAFE_NODISCARD enum iotsafe_err tool_card_new(const struct tool *tool, const char *sim,
                                                 struct iotsafe_card **ret_card,
                                                 struct iotsafe_op *op);

/**
 * Begin an operation on a card: it lasts for `timeout-ms` at most, all its calls of
 * iotsafe.h together. A command is one operation, unless it says otherwise; what it
 * tries quietly takes iotsafe_op_within().
 */
struct iotsafe_op tool_op_begin(const struct tool *tool);

/** An option of one command, always in its long form. */
struct command_option {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* how the help calls its value; NULL: it takes none */
    const char *help;  /* one line */
};

#define COMMAND_OPTIONS_MAX 8

struct args {
    /** By index in the command's option table: the value, "" for an option
     *  without one, NULL when not given. */
    const char *option[COMMAND_OPTIONS_MAX];
    char *const *operand;
    size_t n_operands;     /* within the command's bounds */
    const char *transport; /* --transport, which is in the environment, too; NULL: not given */
};

struct command {
    const char *name;
    const char *operands; /* for the synopsis: "URI" */
    const char *summary;  /* one line, for the list of commands */
    const char *details;  /* for its own --help: whole lines */
    size_t operands_min, operands_max;
    bool raw_output;                      /* bytes on stdout: --json is refused */
    bool opens_itself;                    /* tool_open() is the command's business */
    bool passes_on;                       /* options behind it are those of another program */
    const struct command_option *options; /* ends with a NULL name; may be NULL */
    enum tool_status (*run)(struct tool *tool, const struct args *args);
};

extern const struct command command_info;
extern const struct command command_list;
extern const struct command command_cert;
extern const struct command command_pubkey;
extern const struct command command_key_ref;
extern const struct command command_file;
extern const struct command command_random;
extern const struct command command_keygen;
extern const struct command command_put_key;
extern const struct command command_sign;
extern const struct command command_verify;
extern const struct command command_wait_cert;
extern const struct command command_wait_file;
extern const struct command command_doctor;
extern const struct command command_conformance;
extern const struct command command_report;
extern const struct command command_enroll;

/** The settings that the linked-in provider works with. */
const struct iotsafe_config *tool_config(const struct tool *tool);

/* The row that every command without a URI shares: which SIM is meant. */
#define COMMAND_OPTION_SIM                                                    \
    {                                                                         \
        "sim", "NAME", "the SIM of that name in the configuration (sim.NAME)" \
    }

/**
 * Parse a URI that the user gave.
 * @return false after an error was reported that names the wrong attribute;
 *         the command then returns TOOL_USAGE
 */
bool uri_from_operand(const char *text, struct iotsafe_uri *ret_uri);

/** The same for the URI of one key.
 *  @param type  that it must have, or none, which becomes this one;
 *               IOTSAFE_URI_ANY: all types serve */
bool key_uri_from_operand(const char *text, enum iotsafe_uri_type type,
                          struct iotsafe_uri *ret_uri);

#endif
