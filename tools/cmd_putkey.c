/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe put-key: somebody's public key into a container of the SIM. */
#include <string.h>

#include "object.h"
#include "output.h"
#include "pubkey.h"
#include "report.h"
#include "tool.h"

/* The key to store. */
struct offer {
    unsigned key_type; /* IOTSAFE_KEY_... */
    uint8_t point[IOTSAFE_POINT_SIZE];
};

/* Reads the key and looks whether it is one that an applet may be given. */
static bool read_offer(const struct tool *tool, const char *path, struct offer *ret_offer)
{
    EVP_PKEY *key = pubkey_read_file(tool, PUBKEY_ALONE | PUBKEY_IN_CERTIFICATE, path);
    EVP_PKEY *checked = NULL;
    char type[WORDS_TEXT_MAX];
    bool good = false;

    if (key == NULL)
        return false;
    pubkey_type(key, type);
    ret_offer->key_type = pubkey_card_type(key);
    if (!pubkey_type_is_curve(ret_offer->key_type)) {
        report_error("%s: a key of type %s cannot be put into an applet "
                     "(P-256, brainpoolP256r1)",
                     path, type);
    } else {
        if (pubkey_to_point(key, ret_offer->point))
            checked = pubkey_from_point(tool, ret_offer->key_type, ret_offer->point);
        good = checked != NULL;
        if (!good)
            report_error("%s: the public key in it is not valid on %s", path, type);
    }
    EVP_PKEY_free(checked);
    EVP_PKEY_free(key);
    return good;
}

static bool fits(const struct iotsafe_object *container, const char *uri, const struct offer *offer)
{
    char wanted[WORDS_TEXT_MAX], type[WORDS_TEXT_MAX];

    if ((container->told & IOTSAFE_TOLD_KEY_TYPE) == 0
        || words_same(&words_key_type, container->key_type, offer->key_type))
        return true;
    words_value(&words_key_type, container->key_type, wanted);
    words_value(&words_key_type, offer->key_type, type);
    report_error("%s: this container is for a key of type %s; the one in the file is of type %s",
                 uri, wanted, type);
    return false;
}

static void report_refusal(const struct iotsafe_object *container, enum iotsafe_err err,
                           struct iotsafe_op *op)
{
    bool cannot = (container->told & IOTSAFE_TOLD_ACCESS) != 0
                  && (container->access & IOTSAFE_ACCESS_UPDATE) == 0;

    if (iotsafe_err_is_refusal(err) && cannot && op->text[0] != '\0')
        report_error("%s (according to the applet's list, the device may not write this key)",
                     op->text);
    else
        report_library(NULL, err, op);
}

enum confirmation {
    CONFIRMED,
    UNREADABLE,  /* the applet does not give it out */
    CONTRADICTED /* it holds another one, or cannot be asked: reported */
};

static enum confirmation confirm(struct iotsafe_card *card, const struct iotsafe_object *container,
                                 const char *uri, const struct offer *offer, struct iotsafe_op *op)
{
    struct iotsafe_public_key key;
    enum iotsafe_err err = iotsafe_read_public_key(card, &container->name, &key, op);

    if (err == IOTSAFE_OK && key.algorithm == IOTSAFE_EC
        && memcmp(key.point, offer->point, sizeof(key.point)) == 0)
        return CONFIRMED;
    if (err == IOTSAFE_OK)
        report_error("%s: the applet accepted the key, but returns another one", uri);
    else if (iotsafe_err_is_refusal(err))
        return UNREADABLE;
    else
        report_library("the applet accepted the key, but reading it back failed", err, op);
    return CONTRADICTED;
}

static enum tool_status print_result(const struct tool *tool, const char *uri,
                                     const struct offer *offer, bool confirmed)
{
    char type[WORDS_TEXT_MAX];
    json_t *json;

    words_value(&words_key_type, offer->key_type, type);
    if (!tool->json) {
        printf("%s key stored%s: %s\n", type,
               confirmed ? " and read back" : ", but not to be read back", uri);
        return TOOL_OK;
    }
    json = json_object();
    json_object_set_new(json, "uri", json_string(uri));
    json_object_set_new(json, "key_type", json_string(type));
    json_object_set_new(json, "confirmed", json_boolean(confirmed));
    return output_json(json) ? TOOL_OK : TOOL_FAILED;
}

static enum tool_status put(const struct tool *tool, struct iotsafe_card *card,
                            const struct iotsafe_uri *uri, const struct offer *offer)
{
    struct iotsafe_op op = tool_op_begin(tool);
    struct iotsafe_object container;
    enum confirmation confirmation;
    char text[IOTSAFE_URI_MAX];
    enum iotsafe_err err = object_find(card, IOTSAFE_PUBLIC_KEY, &uri->name, &container, &op);

    if (err != IOTSAFE_OK) {
        report_library(NULL, err, &op);
        return TOOL_FAILED;
    }
    object_uri(&container, uri->sim, text);
    if (!fits(&container, text, offer))
        return TOOL_FAILED;
    err = iotsafe_put_public_key(card, &uri->name, offer->point, &op);
    if (err != IOTSAFE_OK) {
        report_refusal(&container, err, &op);
        return TOOL_FAILED;
    }
    confirmation = confirm(card, &container, text, offer, &op);
    if (confirmation == CONTRADICTED)
        return TOOL_FAILED;
    return print_result(tool, text, offer, confirmation == CONFIRMED);
}

static enum tool_status put_key_run(struct tool *tool, const struct args *args)
{
    enum tool_status status;
    struct iotsafe_card *card;
    struct iotsafe_uri uri;
    struct offer offer;

    if (!key_uri_from_operand(args->operand[0], IOTSAFE_URI_PUBLIC, &uri))
        return TOOL_USAGE;
    if (!read_offer(tool, args->operand[1], &offer))
        return TOOL_FAILED;
    card = tool_card(tool, uri.sim);
    if (card == NULL)
        return TOOL_FAILED;
    status = put(tool, card, &uri, &offer);
    iotsafe_card_free(card);
    return status;
}

const struct command command_put_key = {
    .name = "put-key",
    .operands = "URI FILE",
    .summary = "store a public key on the SIM",
    .details = "Stores the public key in a file (- is standard input) in the container that the\n"
               "URI names, one for a public key. The file holds the public key or a certificate,\n"
               "PEM or DER. What was stored is read back where the applet gives it out.",
    .operands_min = 2,
    .operands_max = 2,
    .run = put_key_run,
};
