/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe keygen: a new key pair, made by the SIM in one of its containers. */
#include <openssl/err.h>
#include <string.h>

#include "object.h"
#include "output.h"
#include "pubkey.h"
#include "report.h"
#include "tool.h"

enum { OPTION_FORCE };

static const struct command_option options[] = {
    [OPTION_FORCE] = { "force", NULL, "even if the container holds a key, which is then lost" },
    { .name = NULL },
};

/* Does the container hold a key? Where the applet does not tell the state, a
 * public key that can be read shows it. */
static bool is_occupied(struct iotsafe_card *card, const struct iotsafe_object *container,
                        const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    struct iotsafe_public_key key;
    struct iotsafe_object public_key;

    if ((container->told & IOTSAFE_TOLD_STATE) != 0)
        return container->state != IOTSAFE_STATE_DEACTIVATED;
    return object_public_key(card, container, &public_key, &quiet) == IOTSAFE_OK
           && iotsafe_read_public_key(card, &public_key.name, &key, &quiet) == IOTSAFE_OK;
}

static bool may_generate(struct iotsafe_card *card, const struct iotsafe_object *container,
                         const char *uri, bool force, const struct iotsafe_op *op)
{
    char type[WORDS_TEXT_MAX];

    words_value(&words_key_type, container->key_type, type);
    if ((container->told & IOTSAFE_TOLD_KEY_TYPE) != 0
        && !pubkey_type_is_curve(container->key_type)) {
        report_error("%s: keygen makes keys of 256-bit curves; this container is for %s", uri,
                     type);
        return false;
    }
    if (!force && is_occupied(card, container, op)) {
        report_error(
            "%s: this container holds a key, which would be permanently lost; --force replaces it",
            uri);
        return false;
    }
    return true;
}

/* The object as it is listed from now on: identifiers may be new ones. The list is read for it
 * only where the applet has not told by its answer that the container goes by its old one;
 * who asked by identifier has that one back if the answer tells none. */
static void find_again(struct iotsafe_card *card, const struct iotsafe_name *asked,
                       const struct iotsafe_object *container,
                       const struct iotsafe_generated *generated, struct iotsafe_object *ret_object,
                       const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    struct iotsafe_name label = container->name;

    if (asked->id_len == 0 && generated->private_key.id_len != 0
        && iotsafe_name_same_id(&generated->private_key, &container->name)) {
        *ret_object = *container;
        return;
    }
    label.id_len = 0;
    if (object_find(card, IOTSAFE_PRIVATE_KEY, &generated->private_key, ret_object, &quiet)
            == IOTSAFE_OK
        || (label.label_len != 0
            && object_find(card, IOTSAFE_PRIVATE_KEY, &label, ret_object, &quiet) == IOTSAFE_OK))
        return;
    *ret_object = *container;
    ret_object->name = generated->private_key;
}

static json_t *generated_json(struct iotsafe_card *card, const struct iotsafe_object *object,
                              const char *sim, const EVP_PKEY *key, BIO *pem,
                              const struct iotsafe_op *op)
{
    struct iotsafe_op quiet = iotsafe_op_within(op);
    char uri[IOTSAFE_URI_MAX], type[WORDS_TEXT_MAX];
    struct iotsafe_object public_key;
    json_t *json = json_object();

    object_uri(object, sim, uri);
    json_object_set_new(json, "uri", json_string(uri));
    if (object_public_key(card, object, &public_key, &quiet) == IOTSAFE_OK) {
        object_uri(&public_key, sim, uri);
        json_object_set_new(json, "public_uri", json_string(uri));
    }
    pubkey_type(key, type);
    json_object_set_new(json, "key_type", json_string(type));
    json_object_set_new(json, "pem", json_from_bio(pem));
    return json;
}

static enum tool_status print_generated(const struct tool *tool, struct iotsafe_card *card,
                                        const struct iotsafe_object *object, const char *sim,
                                        const EVP_PKEY *key, const struct iotsafe_op *op)
{
    BIO *pem = pubkey_to_pem(key);
    bool good = pem != NULL;

    if (!good)
        report_error("keygen: out of memory");
    else if (tool->json)
        good = output_json(generated_json(card, object, sim, key, pem, op));
    else
        output_bio(pem);
    BIO_free(pem);
    return good ? TOOL_OK : TOOL_FAILED;
}

/* Whatever comes out of it, the container holds another key now: say so. */
static enum tool_status finish(const struct tool *tool, struct iotsafe_card *card,
                               const struct iotsafe_uri *asked,
                               const struct iotsafe_object *container,
                               const struct iotsafe_generated *generated,
                               const struct iotsafe_op *op)
{
    enum tool_status status = TOOL_FAILED;
    const char *sim = asked->sim;
    char uri[IOTSAFE_URI_MAX], type[WORDS_TEXT_MAX];
    struct iotsafe_object object;
    EVP_PKEY *key = pubkey_from_point(tool, container->key_type, generated->point);

    find_again(card, &asked->name, container, generated, &object, op);
    object_uri(&object, sim, uri);
    if (key == NULL) {
        report_error("%s: a key pair was generated, but the public key that the applet returned is "
                     "not on its curve; do not use it",
                     uri);
        return TOOL_FAILED;
    }
    pubkey_type(key, type);
    report_note("generated a %s key pair: %s", type, uri);
    status = print_generated(tool, card, &object, sim, key, op);
    EVP_PKEY_free(key);
    return status;
}

static void report_refusal(const struct iotsafe_object *container, enum iotsafe_err err,
                           struct iotsafe_op *op)
{
    bool cannot = (container->told & IOTSAFE_TOLD_FUNCTIONS) != 0
                  && (container->functions & IOTSAFE_FUNCTION_GENERATE) == 0;

    if (iotsafe_err_is_refusal(err) && cannot && op->text[0] != '\0')
        report_error("%s (according to the applet's list, it does not generate this key)",
                     op->text);
    else
        report_library(NULL, err, op);
}

static enum tool_status generate(const struct tool *tool, struct iotsafe_card *card,
                                 const struct iotsafe_uri *uri, bool force)
{
    struct iotsafe_op op = tool_op_begin(tool);
    struct iotsafe_generated generated;
    struct iotsafe_object container;
    char text[IOTSAFE_URI_MAX];
    enum iotsafe_err err = object_find(card, IOTSAFE_PRIVATE_KEY, &uri->name, &container, &op);

    if (err != IOTSAFE_OK) {
        report_library(NULL, err, &op);
        return TOOL_FAILED;
    }
    object_uri(&container, uri->sim, text);
    if (!may_generate(card, &container, text, force, &op))
        return TOOL_FAILED;
    report_note("generating a key pair in %s; this may take a while", text);
    err = iotsafe_generate(card, &uri->name, &generated, &op);
    if (err == IOTSAFE_OK)
        return finish(tool, card, uri, &container, &generated, &op);
    report_refusal(&container, err, &op);
    return TOOL_FAILED;
}

static enum tool_status keygen_run(struct tool *tool, const struct args *args)
{
    enum tool_status status;
    struct iotsafe_card *card;
    struct iotsafe_uri uri;

    if (!key_uri_from_operand(args->operand[0], IOTSAFE_URI_PRIVATE, &uri))
        return TOOL_USAGE;
    card = tool_card(tool, uri.sim);
    if (card == NULL)
        return TOOL_FAILED;
    status = generate(tool, card, &uri, args->option[OPTION_FORCE] != NULL);
    iotsafe_card_free(card);
    return status;
}

const struct command command_keygen = {
    .name = "keygen",
    .operands = "URI",
    .summary = "make a new key pair on the SIM, print its public key (PEM)",
    .details = "The SIM makes a key pair in the container that the URI names, one for a private\n"
               "key. Prints the public key; the URI of the new key goes to standard error, since\n"
               "identifiers may change. A container that holds a key is left alone.",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .run = keygen_run,
};
