/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe list: the objects of the applet, with the URIs that find them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert.h"
#include "cert_text.h"
#include "object.h"
#include "output.h"
#include "report.h"
#include "tool.h"
#include "words.h"

enum { OPTION_SIM };

static const struct command_option options[] = {
    [OPTION_SIM] = COMMAND_OPTION_SIM,
    { .name = NULL },
};

/* The word of the TYPE column and of the JSON member `type`. */
static const char *type_word(const struct iotsafe_object *object)
{
    switch (object->kind) {
    case IOTSAFE_PRIVATE_KEY:
        return "private";
    case IOTSAFE_PUBLIC_KEY:
        return "public";
    case IOTSAFE_SECRET:
        return "secret";
    default:
        return object_is_certificate(object) ? "cert" : "file";
    }
}

/* ---- certificates ---- */

/* An object, and what was read of it. */
struct entry {
    struct iotsafe_object object;
    X509 *leaf; /* of a file of certificates; NULL: not read, or: */
    char why[sizeof((struct iotsafe_op){ 0 }.text)]; /* no certificate is in it */
};

static enum iotsafe_err read_leaf(const struct tool *tool, struct iotsafe_card *card,
                                  struct entry *entry, struct iotsafe_op *op)
{
    STACK_OF(X509) *certs;
    uint8_t *data;
    size_t len;
    enum iotsafe_err err = iotsafe_read_file(card, &entry->object.name, IOTSAFE_CERTIFICATES,
                                             entry->object.file_size, &data, &len, op);

    if (err != IOTSAFE_OK)
        return err;
    certs = isprov_certs_parse(tool->libctx, data, len);
    free(data);
    if (certs == NULL)
        return IOTSAFE_ERR_MEMORY;
    entry->leaf = sk_X509_shift(certs);
    sk_X509_pop_free(certs, X509_free);
    return entry->leaf != NULL ? IOTSAFE_OK : IOTSAFE_ERR_CERTIFICATE;
}

/* As far as the time of the command allows. What fails is said in JSON and fails nothing:
 * the list itself is there. */
static void read_certificates(const struct tool *tool, struct iotsafe_card *card,
                              struct entry *entries, size_t n, const struct iotsafe_op *op)
{
    enum iotsafe_err err = IOTSAFE_OK;

    for (size_t i = 0; i < n; i++) {
        struct iotsafe_op part = iotsafe_op_within(op);

        if (!object_is_certificate(&entries[i].object))
            continue;
        if (err == IOTSAFE_OK || iotsafe_err_is_refusal(err))
            err = read_leaf(tool, card, &entries[i], &part);
        if (entries[i].leaf == NULL)
            snprintf(entries[i].why, sizeof(entries[i].why), "%s",
                     part.text[0] != '\0' ? part.text : iotsafe_strerror(err));
    }
}

static void add_certificate(json_t *json, const struct entry *entry)
{
    if (entry->leaf != NULL) {
        json_object_set_new(json, "subject", cert_subject_json(entry->leaf));
        json_object_set_new(json, "not_before", cert_time_json(X509_get0_notBefore(entry->leaf)));
        json_object_set_new(json, "not_after", cert_time_json(X509_get0_notAfter(entry->leaf)));
    } else if (entry->why[0] != '\0') {
        json_object_set_new(json, "unread", json_string(entry->why));
    }
}

/* ---- table ---- */

_Static_assert(CERT_CELL_MAX <= WORDS_TEXT_MAX, "fits into a cell");

static void key_cell(const struct entry *entry, char ret_text[static WORDS_TEXT_MAX])
{
    const struct iotsafe_object *object = &entry->object;
    char type[WORDS_TEXT_MAX];

    ret_text[0] = '\0';
    if (entry->leaf != NULL)
        cert_validity_cell(entry->leaf, ret_text);
    if (ret_text[0] != '\0')
        return;
    if (object->kind == IOTSAFE_FILE && (object->told & IOTSAFE_TOLD_FILE_SIZE) != 0) {
        snprintf(ret_text, WORDS_TEXT_MAX, "%u bytes", object->file_size);
    } else if ((object->told & IOTSAFE_TOLD_KEY_TYPE) != 0) {
        words_value(&words_key_type, object->key_type, type);
        snprintf(ret_text, WORDS_TEXT_MAX, "%.60s%s", type,
                 words_key_is_volatile(object->key_type) ? " (volatile)" : "");
    } else {
        snprintf(ret_text, WORDS_TEXT_MAX, "-");
    }
}

static void use_cell(const struct entry *entry, char ret_text[static WORDS_TEXT_MAX])
{
    const struct iotsafe_object *object = &entry->object;

    if (entry->leaf != NULL)
        cert_subject_cell(entry->leaf, ret_text);
    else if (object->kind == IOTSAFE_FILE && (object->told & IOTSAFE_TOLD_FILE_USAGE) != 0)
        words_value(&words_file_usage, object->file_usage, ret_text);
    else
        words_bits(object->kind == IOTSAFE_PUBLIC_KEY ? &words_public_function : &words_function,
                   object->functions, ret_text);
}

static const char *access_cell(const struct iotsafe_object *object)
{
    static const char *const cells[] = { "-", "r", "w", "rw" };
    unsigned access = object->access & (IOTSAFE_ACCESS_READ | IOTSAFE_ACCESS_UPDATE);

    return cells[access]; /* read is 1, update 2 */
}

static void add_row(struct table *table, const struct entry *entry, const char *sim)
{
    const struct iotsafe_object *object = &entry->object;
    char hex[HEX_SIZE(IOTSAFE_ID_MAX)], text[WORDS_TEXT_MAX], uri[IOTSAFE_URI_MAX];
    char *label = text_escape(object->name.label, object->name.label_len);

    table_add(table, type_word(object));
    text_hex(object->name.id, object->name.id_len, hex);
    table_add(table, object->name.id_len != 0 ? hex : "-");
    table_add(table, object->name.label_len != 0 ? label : "-");
    key_cell(entry, text);
    table_add(table, text);
    snprintf(text, sizeof(text), "-");
    if ((object->told & IOTSAFE_TOLD_STATE) != 0)
        words_value(&words_state, object->state, text);
    table_add(table, text);
    table_add(table, access_cell(object));
    use_cell(entry, text);
    table_add(table, text);
    object_uri(object, sim, uri);
    table_add(table, uri);
    free(label);
}

static enum tool_status print_table(const struct entry *entries, size_t n, const char *sim)
{
    static const char *const heads[] = { "TYPE",  "ID",     "LABEL", "KEY/SIZE",
                                         "STATE", "ACCESS", "USE",   "URI" };
    struct table *table = table_new(ARRAY_LEN(heads));
    bool done;

    for (size_t i = 0; table != NULL && i < ARRAY_LEN(heads); i++)
        table_add(table, heads[i]);
    for (size_t i = 0; table != NULL && i < n; i++)
        add_row(table, &entries[i], sim);
    done = table != NULL && table_print(table);
    if (!done)
        report_error("list: out of memory");
    table_free(table);
    return done ? TOOL_OK : TOOL_FAILED;
}

/* ---- JSON ---- */

static void add_names(json_t *json, const struct iotsafe_name *name)
{
    char hex[HEX_SIZE(IOTSAFE_ID_MAX)];

    text_hex(name->id, name->id_len, hex);
    json_object_set_new(json, "id", name->id_len != 0 ? json_string(hex) : json_null());
    json_object_set_new(json, "label",
                        name->label_len != 0 ? json_string(name->label) : json_null());
}

/* An attribute: the bit that says that the applet told it, and how it reads. */
static const struct attribute {
    const char *name;
    uint16_t told;
    const struct words *words;
    bool is_bits;
    size_t offset, size;
} attributes[] = {
#define FIELD(member) \
    offsetof(struct iotsafe_object, member), sizeof(((struct iotsafe_object *)NULL)->member)
    { "state", IOTSAFE_TOLD_STATE, &words_state, false, FIELD(state) },
    { "access", IOTSAFE_TOLD_ACCESS, &words_access, true, FIELD(access) },
    { "key_type", IOTSAFE_TOLD_KEY_TYPE, &words_key_type, false, FIELD(key_type) },
    { "key_usage", IOTSAFE_TOLD_KEY_USAGE, &words_key_usage, false, FIELD(key_usage) },
    { "functions", IOTSAFE_TOLD_FUNCTIONS, &words_function, true, FIELD(functions) },
    { "signature_algorithms", IOTSAFE_TOLD_SIGNATURE_ALGS, &words_signature, true,
      FIELD(signature_algs) },
    { "hashes", IOTSAFE_TOLD_HASHES, &words_hash, true, FIELD(hashes) },
    { "agreement", IOTSAFE_TOLD_AGREEMENT, &words_agreement, true, FIELD(agreement) },
    { "derivation", IOTSAFE_TOLD_DERIVATION, &words_derivation, true, FIELD(derivation) },
    { "file_usage", IOTSAFE_TOLD_FILE_USAGE, &words_file_usage, false, FIELD(file_usage) },
    { "size", IOTSAFE_TOLD_FILE_SIZE, NULL, false, FIELD(file_size) },
#undef FIELD
};

static unsigned attribute_value(const struct iotsafe_object *object,
                                const struct attribute *attribute)
{
    const uint8_t *at = (const uint8_t *)object + attribute->offset;
    uint16_t wide;

    if (attribute->size == sizeof(uint8_t))
        return *at;
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static void add_attribute(json_t *json, const struct iotsafe_object *object,
                          const struct attribute *attribute)
{
    const struct words *words = attribute->words;
    unsigned value = attribute_value(object, attribute);

    if ((object->told & attribute->told) == 0)
        return;
    if (words == &words_function && object->kind == IOTSAFE_PUBLIC_KEY)
        words = &words_public_function;
    json_object_set_new(json, attribute->name,
                        words == NULL        ? json_integer(value)
                        : attribute->is_bits ? words_bits_json(words, value)
                                             : words_value_json(words, value));
    if (words == &words_key_type)
        json_object_set_new(json, "volatile", json_boolean(words_key_is_volatile(value)));
}

static json_t *object_json(const struct entry *entry, const char *sim)
{
    const struct iotsafe_object *object = &entry->object;
    char uri[IOTSAFE_URI_MAX];
    json_t *json = json_object();

    object_uri(object, sim, uri);
    json_object_set_new(json, "uri", json_string(uri));
    json_object_set_new(json, "type", json_string(type_word(object)));
    add_names(json, &object->name);
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
        add_attribute(json, object, &attributes[i]);
    add_certificate(json, entry);
    return json;
}

static enum tool_status print_json(const struct entry *entries, size_t n, const char *sim)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, object_json(&entries[i], sim));
    return output_json(array) ? TOOL_OK : TOOL_FAILED;
}

/* ---- */

static struct entry *entries_new(const struct iotsafe_object *objects, size_t n)
{
    struct entry *entries = calloc(n + 1, sizeof(*entries));

    for (size_t i = 0; entries != NULL && i < n; i++)
        entries[i].object = objects[i];
    return entries;
}

static void entries_free(struct entry *entries, size_t n)
{
    for (size_t i = 0; entries != NULL && i < n; i++)
        X509_free(entries[i].leaf);
    free(entries);
}

static enum tool_status list_run(struct tool *tool, const struct args *args)
{
    const char *sim = args->option[OPTION_SIM];
    struct iotsafe_card *card = tool_card(tool, sim);
    struct iotsafe_object *objects = NULL;
    struct iotsafe_op op = tool_op_begin(tool);
    struct entry *entries = NULL;
    enum tool_status status = TOOL_FAILED;
    enum iotsafe_err err;
    size_t n = 0;

    if (card == NULL)
        return TOOL_FAILED;
    err = iotsafe_list(card, &objects, &n, &op);
    if (err == IOTSAFE_OK && (entries = entries_new(objects, n)) == NULL)
        err = IOTSAFE_ERR_MEMORY;
    if (err != IOTSAFE_OK) {
        report_library(NULL, err, &op);
    } else {
        read_certificates(tool, card, entries, n, &op);
        status = tool->json ? print_json(entries, n, sim) : print_table(entries, n, sim);
    }
    entries_free(entries, n);
    free(objects);
    iotsafe_card_free(card);
    return status;
}

const struct command command_list = {
    .name = "list",
    .summary = "list the objects of the SIM and their URIs",
    .details = "Prints each private key, public key, certificate, file and secret with what the\n"
               "applet tells about it, and the URI that finds it. The URI of a file without a\n"
               "certificate serves 'iotsafe file'; that of a secret, key derivation.",
    .options = options,
    .run = list_run,
};
