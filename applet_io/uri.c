/* SPDX-License-Identifier: Apache-2.0 */
/* Object URIs and names: see iotsafe.h and iotsafe-uri(7). */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "util.h"

#define SCHEME "iotsafe:"

bool iotsafe_name_is_empty(const struct iotsafe_name *name)
{
    return name->id_len == 0 && name->label_len == 0;
}

bool iotsafe_name_same_label(const struct iotsafe_name *a, const struct iotsafe_name *b)
{
    return a->label_len != 0 && a->label_len == b->label_len
           && memcmp(a->label, b->label, a->label_len) == 0;
}

bool iotsafe_name_same_id(const struct iotsafe_name *a, const struct iotsafe_name *b)
{
    return a->id_len != 0 && a->id_len == b->id_len && memcmp(a->id, b->id, a->id_len) == 0;
}

bool iotsafe_name_matches(const struct iotsafe_name *want, const struct iotsafe_name *have)
{
    return (want->id_len == 0 || iotsafe_name_same_id(want, have))
           && (want->label_len == 0 || iotsafe_name_same_label(want, have));
}

bool iotsafe_uri_is_ours(const char *text)
{
    return strncasecmp(text, SCHEME, sizeof(SCHEME) - 1) == 0;
}

/* ---------------------------------------------------------------- parsing */

/* A value as it stands between '=' and ';'. */
struct span {
    const char *text;
    size_t len;
};

static const char *parse_id(struct iotsafe_uri *uri, const struct span *v)
{
    int n = hex_decode(v->text, v->len, uri->name.id, IOTSAFE_ID_MAX);

    if (n < 1)
        return "an even number of hex digits, 1 to 20 bytes";
    uri->name.id_len = (size_t)n;
    return NULL;
}

static const char *parse_label(struct iotsafe_uri *uri, const struct span *v)
{
    static const char wanted[] = "percent-encoded UTF-8, 1 to 60 bytes, without NUL";
    uint8_t label[IOTSAFE_LABEL_MAX + 1];
    size_t n = 0;

    for (size_t i = 0; i < v->len; i++) {
        uint8_t byte = (uint8_t)v->text[i];

        if (byte == '%') {
            if (v->len - i < 3 || hex_decode(v->text + i + 1, 2, &byte, 1) != 1)
                return wanted;
            i += 2;
        }
        if (n == IOTSAFE_LABEL_MAX || byte == '\0')
            return wanted;
        label[n++] = byte;
    }
    if (n == 0 || !utf8_valid(label, n))
        return wanted;
    memcpy(uri->name.label, label, n);
    uri->name.label[n] = '\0';
    uri->name.label_len = n;
    return NULL;
}

static const struct {
    const char *word;
    enum iotsafe_uri_type type;
} types[] = {
    { "private", IOTSAFE_URI_PRIVATE },
    { "public", IOTSAFE_URI_PUBLIC },
    { "cert", IOTSAFE_URI_CERT },
};

static const char *parse_type(struct iotsafe_uri *uri, const struct span *v)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strlen(types[i].word) == v->len && memcmp(types[i].word, v->text, v->len) == 0) {
            uri->type = types[i].type;
            return NULL;
        }
    return "private, public or cert";
}

static const char *parse_sim(struct iotsafe_uri *uri, const struct span *v)
{
    for (size_t i = 0; i < v->len; i++)
        if (!isalnum((unsigned char)v->text[i]) && strchr("-_.", v->text[i]) == NULL)
            return "letters, digits, '-', '_' and '.'";
    if (v->len < 1 || v->len > IOTSAFE_SIM_NAME_MAX)
        return "the name of a SIM in the configuration, 1 to 32 characters";
    memcpy(uri->sim, v->text, v->len);
    uri->sim[v->len] = '\0';
    return NULL;
}

static const struct {
    const char *name;
    const char *(*parse)(struct iotsafe_uri *, const struct span *);
} attributes[] = {
    { "id", parse_id },
    { "label", parse_label },
    { "type", parse_type },
    { "sim", parse_sim },
};

static enum iotsafe_err parse_attribute(const char *text, size_t len, struct iotsafe_uri *uri,
                                        unsigned *seen, struct iotsafe_op *op)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        struct span value;
        const char *wanted;

        if (strlen(attributes[i].name) != name_len
            || memcmp(attributes[i].name, text, name_len) != 0)
            continue;
        if ((*seen & 1u << i) != 0) {
            op_set(op, "URI attribute \"%s\" is given twice", attributes[i].name);
            return IOTSAFE_ERR_URI;
        }
        *seen |= 1u << i;
        value.text = equals != NULL ? equals + 1 : "";
        value.len = equals != NULL ? len - name_len - 1 : 0;
        wanted = attributes[i].parse(uri, &value);
        if (wanted == NULL)
            return IOTSAFE_OK;
        op_set(op, "URI attribute \"%s=%.*s\": want %s", attributes[i].name,
               (int)(value.len < 100 ? value.len : 100), value.text, wanted);
        return IOTSAFE_ERR_URI;
    }
    op_set(op, "unknown URI attribute \"%.*s\"; there are id, label, type and sim",
           (int)(name_len < 60 ? name_len : 60), text);
    return IOTSAFE_ERR_URI;
}

enum iotsafe_err iotsafe_uri_parse(const char *text, struct iotsafe_uri *ret_uri,
                                   struct iotsafe_op *op)
{
    struct iotsafe_uri uri = { .type = IOTSAFE_URI_ANY };
    unsigned seen = 0;
    enum iotsafe_err err;

    if (!iotsafe_uri_is_ours(text)) {
        op_set(op, "\"%.60s\" is not an iotsafe: URI", text);
        return IOTSAFE_ERR_URI;
    }
    text += sizeof(SCHEME) - 1;
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    while (*text != '\0') {
        size_t len = strcspn(text, ";");

        err = parse_attribute(text, len, &uri, &seen, op);
        if (err != IOTSAFE_OK)
            return err;
        text += len;
        if (*text == ';' && *++text == '\0') {
            op_set(op, "URI ends with \";\"");
            return IOTSAFE_ERR_URI;
        }
    }
    *ret_uri = uri;
    return IOTSAFE_OK;
}

/* ---------------------------------------------------------------- writing */

static size_t put_encoded(char *out, const char *label, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)label[i];

        if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL)) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            hex_encode((const uint8_t *)&label[i], 1, out + n);
            n += 2;
        }
    }
    out[n] = '\0';
    return n;
}

void iotsafe_uri_format(const struct iotsafe_uri *uri, char ret_text[static IOTSAFE_URI_MAX])
{
    const char *separator = "";
    size_t n = (size_t)sprintf(ret_text, "%s//", SCHEME);

    if (uri->name.id_len != 0) {
        n += (size_t)sprintf(ret_text + n, "id=");
        hex_encode(uri->name.id, uri->name.id_len, ret_text + n);
        for (; ret_text[n] != '\0'; n++)
            ret_text[n] = (char)tolower((unsigned char)ret_text[n]);
        separator = ";";
    }
    if (uri->name.label_len != 0) {
        n += (size_t)sprintf(ret_text + n, "%slabel=", separator);
        n += put_encoded(ret_text + n, uri->name.label, uri->name.label_len);
        separator = ";";
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == uri->type) {
            n += (size_t)sprintf(ret_text + n, "%stype=%s", separator, types[i].word);
            separator = ";";
        }
    if (uri->sim[0] != '\0')
        (void)sprintf(ret_text + n, "%ssim=%s", separator, uri->sim);
}
