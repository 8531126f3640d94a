/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe conformance: what a card does, rule by rule. */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "outfile.h"
#include "output.h"
#include "report.h"

enum { OPTION_WRITE, OPTION_NO_SIGN, OPTION_KEY, OPTION_PROFILE, OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_WRITE] = { "write", NULL, "also change the containers that are named" },
    [OPTION_NO_SIGN] = { "no-sign", NULL, "sign nothing" },
    [OPTION_KEY] = { "key", "URI", "the private key that signs; if not given, the first" },
    [OPTION_PROFILE] = { "profile", "FILE", "write a profile for iotsafe-softsim" },
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

/* The containers on the command line. */
struct containers {
    struct iotsafe_uri pair, public_key;
};

static bool take_containers(const struct args *args, struct inquiry *q, struct containers *c)
{
    if ((args->option[OPTION_WRITE] != NULL) != (args->n_operands != 0)) {
        report_error("conformance: --write and the containers that may be changed belong together");
        return false;
    }
    for (size_t i = 0; i < args->n_operands; i++) {
        struct iotsafe_uri uri;

        if (!key_uri_from_operand(args->operand[i], IOTSAFE_URI_ANY, &uri))
            return false;
        if (uri.type == IOTSAFE_URI_PRIVATE && q->write_pair == NULL) {
            c->pair = uri;
            q->write_pair = &c->pair.name;
        } else if (uri.type == IOTSAFE_URI_PUBLIC && q->write_public == NULL) {
            c->public_key = uri;
            q->write_public = &c->public_key.name;
        } else {
            report_error("%s: name one container with type=private for a pair to be generated, "
                         "and one with type=public for a key to be put",
                         args->operand[i]);
            return false;
        }
    }
    q->may_write = args->n_operands != 0;
    return true;
}

static bool take_key(const struct args *args, struct inquiry *q)
{
    struct iotsafe_uri uri;

    if (args->option[OPTION_KEY] == NULL)
        return true;
    if (!key_uri_from_operand(args->option[OPTION_KEY], IOTSAFE_URI_PRIVATE, &uri))
        return false;
    q->key = uri.name;
    return true;
}

static bool write_profile(const char *path, json_t *settings)
{
    return outfile_write_json(path, json_pack("{s:s, s:O}", "format", "iotsafe-profile-1",
                                              "settings", settings));
}

static bool print_table(const struct rule *const *rules, const struct finding *findings, size_t n)
{
    struct table *table = table_new(5);
    char ms[16];
    bool ok;

    if (table == NULL)
        return false;
    table_add(table, "RULE");
    table_add(table, "EXPECTED");
    table_add(table, "SEEN");
    table_add(table, "COPES");
    table_add(table, "MS");
    for (size_t i = 0; i < n; i++) {
        table_add(table, rules[i]->name);
        table_add(table, rules[i]->expected);
        table_add(table, findings[i].seen);
        table_add(table, !findings[i].asked ? "-" : findings[i].copes ? "yes" : "no");
        (void)snprintf(ms, sizeof(ms), "%u", findings[i].ms);
        table_add(table, ms);
    }
    ok = table_print(table);
    table_free(table);
    return ok;
}

/* The way that the profile was asked in is not in it: a software SIM has all of them. */
static enum tool_status conform(struct tool *tool, const struct args *args, struct inquiry *q)
{
    const struct rule *rules[RULES_MAX];
    struct finding findings[RULES_MAX] = { { .asked = false } };
    size_t n;

    q->op = tool_op_begin(tool);
    q->op.deadline_ms = 0; /* each rule has the time of an operation */
    q->settings = json_object();
    if (!conformance_ask(q, rules, findings, &n)) {
        report_library(NULL, IOTSAFE_ERR_TRANSPORT, &q->op);
        return TOOL_FAILED;
    }
    if (args->option[OPTION_PROFILE] != NULL
        && !write_profile(args->option[OPTION_PROFILE], q->settings))
        return TOOL_FAILED;
    return (tool->json ? output_json(conformance_json(rules, findings, n))
                       : print_table(rules, findings, n))
               ? TOOL_OK
               : TOOL_FAILED;
}

static enum tool_status conformance_run(struct tool *tool, const struct args *args)
{
    struct containers containers;
    struct inquiry *q = OPENSSL_zalloc(sizeof(*q));
    enum tool_status status = TOOL_USAGE;

    if (q == NULL) {
        report_error("conformance: out of memory");
        return TOOL_FAILED;
    }
    q->may_sign = args->option[OPTION_NO_SIGN] == NULL;
    if (take_containers(args, q, &containers) && take_key(args, q)) {
        status = TOOL_FAILED;
        q->card = tool_card(tool, args->option[OPTION_SIM]);
        if (q->card != NULL)
            status = conform(tool, args, q);
        iotsafe_card_free(q->card);
    }
    conformance_clear(q);
    OPENSSL_free(q);
    return status;
}

const struct command command_conformance = {
    .name = "conformance",
    .operands = "[URI...]",
    .summary = "ask what the SIM does, rule by rule",
    .details = "Asks the SIM all that can be asked without changing it, and prints one line a\n"
               "rule: what is expected, what this SIM does, whether our programs cope, and how\n"
               "long it took. A fixed text is signed, unless --no-sign. With --write the\n"
               "containers that are named are changed: type=private gets a new pair,\n"
               "type=public another key. Exits with 0 when all was asked.",
    .operands_max = 2,
    .options = options,
    .run = conformance_run,
};
