/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenSSL context of the tool: this build's provider, with the settings that
 * openssl.cnf gives to the installed one. */
#include <openssl/conf.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "isprov.h"
#include "report.h"
#include "tool.h"

/* What CONF_modules_load_file_ex() says about a file, without the attempts to
 * find a module of that name. */
static void warn_about_config(const char *path)
{
    struct queue_summary why;

    report_drain_queue("it cannot be used", &why);
    report_warning("%s: %s; settings in it may be missing here, and in other programs too", path,
                   why.text);
}

/* The provider in here works without: what works here would fail elsewhere. */
static void check_activated(OSSL_LIB_CTX *libctx, const char *path)
{
    if (!OSSL_PROVIDER_available(libctx, "iotsafe"))
        report_warning("%s does not activate iotsafe: other programs do not find keys on the SIM, "
                       "and settings there do not count; see provider-iotsafe(7)",
                       path);
}

/* Loads openssl.cnf as libcrypto does for every program, but looks at the result.
 * If it activates our provider, that happens here, with the settings in it. At most
 * one warning. */
static void load_config(OSSL_LIB_CTX *libctx, bool quiet)
{
    char *path = CONF_get1_default_config_file();
    bool exists = path != NULL && path[0] != '\0' && access(path, F_OK) == 0;
    bool loaded = !exists || CONF_modules_load_file_ex(libctx, path, NULL, 0) > 0;

    if (quiet)
        ; /* the command itself says what is wrong */
    else if (!loaded)
        warn_about_config(path);
    else if (!exists && path != NULL && path[0] != '\0' && getenv("OPENSSL_CONF") != NULL)
        report_warning("OPENSSL_CONF names %s, which does not exist", path);
    else
        check_activated(libctx, path != NULL && path[0] != '\0' ? path : "openssl.cnf");
    ERR_clear_error();
    OPENSSL_free(path);
}

static bool load_providers(struct tool *tool)
{
    /* The default context reads no openssl.cnf by itself: an installed module must not be
     * loaded beside the one in here. */
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL))
        return false;
    tool->libctx = tool->shared ? NULL : OSSL_LIB_CTX_new();
    if ((tool->libctx == NULL && !tool->shared)
        || !OSSL_PROVIDER_add_builtin(tool->libctx, "iotsafe", OSSL_provider_init))
        return false;
    load_config(tool->libctx, tool->quiet);
    tool->base = OSSL_PROVIDER_load(tool->libctx, "default");
    tool->iotsafe = OSSL_PROVIDER_load(tool->libctx, "iotsafe");
    return tool->base != NULL && tool->iotsafe != NULL;
}

bool tool_open(struct tool *tool)
{
    struct queue_summary why;

    if (load_providers(tool))
        return true;
    report_drain_queue("out of memory", &why);
    report_error("cannot start OpenSSL's providers: %s", why.text);
    return false;
}

void tool_close(struct tool *tool)
{
    if (tool->iotsafe != NULL)
        OSSL_PROVIDER_unload(tool->iotsafe);
    if (tool->base != NULL)
        OSSL_PROVIDER_unload(tool->base);
    OSSL_LIB_CTX_free(tool->libctx);
}

const struct iotsafe_config *tool_config(const struct tool *tool)
{
    return isprov_get0_config(OSSL_PROVIDER_get0_provider_ctx(tool->iotsafe));
}

struct iotsafe_op tool_op_begin(const struct tool *tool)
{
    return iotsafe_op_begin(tool_config(tool));
}

enum iotsafe_err tool_card_new(const struct tool *tool, const char *sim,
                               struct iotsafe_card **ret_card, struct iotsafe_op *op)
{
    return iotsafe_card_new(tool_config(tool), sim, ret_card, op);
}

struct iotsafe_card *tool_card(const struct tool *tool, const char *sim)
{
    struct iotsafe_card *card = NULL;
    struct iotsafe_op op = { .text = "" };
    enum iotsafe_err err = tool_card_new(tool, sim, &card, &op);

    if (err == IOTSAFE_OK)
        return card;
    report_library(NULL, err, &op);
    return NULL;
}

bool uri_from_operand(const char *text, struct iotsafe_uri *ret_uri)
{
    struct iotsafe_op op = { .text = "" };
    enum iotsafe_err err;

    if (!iotsafe_uri_is_ours(text)) {
        report_error(
            "%s: not a URI of an object, such as iotsafe://id=01 ('iotsafe list' shows all)", text);
        return false;
    }
    err = iotsafe_uri_parse(text, ret_uri, &op);
    if (err == IOTSAFE_OK)
        return true;
    report_library(NULL, err, &op);
    return false;
}

bool key_uri_from_operand(const char *text, enum iotsafe_uri_type type, struct iotsafe_uri *ret_uri)
{
    if (!uri_from_operand(text, ret_uri))
        return false;
    if (type != IOTSAFE_URI_ANY && ret_uri->type == IOTSAFE_URI_ANY)
        ret_uri->type = type;
    if (type != IOTSAFE_URI_ANY && ret_uri->type != type) {
        report_error("%s: this command is for a %s key; leave the type out", text,
                     type == IOTSAFE_URI_PRIVATE ? "private" : "public");
        return false;
    }
    if (iotsafe_name_is_empty(&ret_uri->name)) {
        report_error("%s: which key? Give an id or a label; 'iotsafe list' shows them", text);
        return false;
    }
    return true;
}
