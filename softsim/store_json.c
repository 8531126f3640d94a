/* SPDX-License-Identifier: Apache-2.0 */
/* A store as JSON: an object of format, profile, settings and objects. Numbers of
 * attributes stand under the names of the table below; bytes are hexadecimal. */
#include "store_json.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto.h"

/* One-byte attributes, by their place in the struct. */
static const struct {
    const char *name;
    size_t offset;
} byte_fields[] = {
    { "state", offsetof(struct object, state) },
    { "access", offsetof(struct object, access) },
    { "key_type", offsetof(struct object, key_type) },
    { "usage", offsetof(struct object, usage) },
    { "functions", offsetof(struct object, functions) },
    { "sig_algs", offsetof(struct object, sig_algs) },
    { "agreement", offsetof(struct object, agreement) },
    { "derivation", offsetof(struct object, derivation) },
    { "file_usage", offsetof(struct object, file_usage) },
};

static bool put_hex(json_t *obj, const char *name, const uint8_t *data, size_t len)
{
    char *text = softsim_hex_text(data, len);
    bool ok = text != NULL && json_object_set_new(obj, name, json_string(text)) == 0;

    if (text != NULL)
        OPENSSL_cleanse(text, 2 * len);
    free(text);
    return ok;
}

/* A volatile key lives in the card's memory, not in the store. */
static bool put_content(json_t *obj, const struct object *o)
{
    struct buf der = { 0 };
    bool ok = true;

    if (o->content.len != 0)
        ok = put_hex(obj, "content", o->content.data, o->content.len);
    if (o->key != NULL && !crypto_type_is_volatile(o->key_type))
        ok = ok && crypto_encode(o->key, o->kind == KIND_PRIVATE, &der)
             && put_hex(obj, "key", der.data, der.len);
    buf_clear(&der);
    return ok;
}

static json_t *object_to_json(const struct object *o)
{
    json_t *obj = json_object();
    bool ok = json_object_set_new(obj, "kind", json_string(kind_tags[o->kind].name)) == 0
              && json_object_set_new(obj, "label", json_string(o->label)) == 0
              && put_hex(obj, "id", o->id, o->id_len);

    for (size_t i = 0; ok && i < ARRAY_LEN(byte_fields); i++) {
        const uint8_t *v = (const uint8_t *)o + byte_fields[i].offset;

        ok = *v == 0 || json_object_set_new(obj, byte_fields[i].name, json_integer(*v)) == 0;
    }
    ok = ok && json_object_set_new(obj, "hash_algs", json_integer(o->hash_algs)) == 0
         && json_object_set_new(obj, "size", json_integer((json_int_t)o->size)) == 0
         && put_content(obj, o);
    if (!ok) {
        json_decref(obj);
        return NULL;
    }
    return obj;
}

char *store_to_json(const struct store *s)
{
    json_t *root = json_object();
    json_t *settings = json_array();
    json_t *objects = json_array();
    char *text = NULL;
    bool ok = json_object_set_new(root, "format", json_string(STORE_FORMAT)) == 0
              && json_object_set_new(root, "profile", json_string(s->profile)) == 0;

    for (size_t i = 0; ok && i < s->n_settings; i++)
        ok = json_array_append_new(settings, json_string(s->settings[i])) == 0;
    for (size_t i = 0; ok && i < s->n_objects; i++)
        ok = json_array_append_new(objects, object_to_json(s->objects[i])) == 0;
    ok = json_object_set(root, "settings", settings) == 0
         && json_object_set(root, "objects", objects) == 0 && ok;
    if (ok)
        text = json_dumps(root, JSON_INDENT(1));
    json_decref(settings);
    json_decref(objects);
    json_decref(root);
    return text;
}

static bool get_hex(const json_t *obj, const char *name, struct buf *ret)
{
    const char *text = json_string_value(json_object_get(obj, name));
    size_t n = text == NULL ? 0 : strlen(text) / 2;
    uint8_t *bytes;
    bool ok;

    if (text == NULL)
        return true; /* absent is empty */
    bytes = malloc(n + 1);
    ok = bytes != NULL && softsim_hex_decode(text, bytes, n, &n);
    if (ok)
        buf_put(ret, bytes, n);
    OPENSSL_clear_free(bytes, n);
    return ok && !ret->failed;
}

static bool get_number(const json_t *obj, const char *name, json_int_t max, json_int_t *ret)
{
    const json_t *v = json_object_get(obj, name);

    *ret = 0;
    if (v == NULL)
        return true;
    *ret = json_integer_value(v);
    return json_is_integer(v) && *ret >= 0 && *ret <= max;
}

static bool get_fields(const json_t *obj, struct object *o)
{
    json_int_t v;

    for (size_t i = 0; i < ARRAY_LEN(byte_fields); i++) {
        if (!get_number(obj, byte_fields[i].name, 0xff, &v))
            return false;
        *((uint8_t *)o + byte_fields[i].offset) = (uint8_t)v;
    }
    if (!get_number(obj, "hash_algs", 0xffff, &v))
        return false;
    o->hash_algs = (uint16_t)v;
    if (!get_number(obj, "size", IOTSAFE_FILE_MAX, &v))
        return false;
    o->size = (size_t)v;
    return true;
}

static bool get_content(const json_t *obj, struct object *o)
{
    struct buf der = { 0 };
    bool ok = get_hex(obj, "content", &o->content) && get_hex(obj, "key", &der);

    if (ok && der.len != 0) {
        o->key = crypto_decode(der.data, der.len, o->kind == KIND_PRIVATE);
        ok = o->key != NULL && crypto_key_has_type(o->key, o->key_type);
    }
    buf_clear(&der);
    if (o->kind == KIND_FILE && o->content.len > o->size)
        return false;
    if (crypto_type_is_volatile(o->key_type) && o->kind != KIND_SECRET)
        o->state = IOTSAFE_STATE_DEACTIVATED;
    return ok;
}

static struct object *object_from_json(const json_t *obj)
{
    const char *kind = json_string_value(json_object_get(obj, "kind"));
    const char *label = json_string_value(json_object_get(obj, "label"));
    struct buf id = { 0 };
    struct object *o = NULL;

    if (kind != NULL && label != NULL && kind_by_name(kind) != KIND_COUNT
        && get_hex(obj, "id", &id))
        o = object_new(kind_by_name(kind), label, id.data, id.len);
    buf_clear(&id);
    if (o != NULL && !(get_fields(obj, o) && get_content(obj, o))) {
        object_free(o);
        o = NULL;
    }
    return o;
}

static bool from_root(struct store *s, const json_t *root, const char *path, struct err *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const char *profile = json_string_value(json_object_get(root, "profile"));
    size_t i;
    json_t *item;

    if (format == NULL || strcmp(format, STORE_FORMAT) != 0)
        return err_set(err, "%s: not a store of this version", path);
    if (profile == NULL)
        return err_set(err, "%s: no profile", path);
    snprintf(s->profile, sizeof(s->profile), "%s", profile);
    json_array_foreach(
        json_object_get(root, "settings"), i,
        item) if (!json_is_string(item)
                  || !store_add_setting(s, json_string_value(
                                               item))) return err_set(err, "%s: bad setting %zu",
                                                                      path, i);
    json_array_foreach(json_object_get(root, "objects"), i, item)
    {
        struct object *o = object_from_json(item);

        if (o == NULL || !store_add(s, o)) {
            object_free(o);
            return err_set(err, "%s: object %zu is damaged or exists twice", path, i);
        }
    }
    return true;
}

bool store_from_json_file(struct store *s, const char *path, struct err *err)
{
    json_error_t jerr;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &jerr);
    bool ok;

    if (root == NULL)
        return err_set(err, "%s: %s", path, jerr.text);
    ok = from_root(s, root, path, err);
    json_decref(root);
    return ok;
}
