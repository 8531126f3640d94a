/* SPDX-License-Identifier: Apache-2.0 */
/* see object.h */
#include "object.h"

#include <stddef.h>

#include "util.h"

/* Tags of the names of a kind. */
struct kind_tags {
    uint8_t label, id;
};

static const struct kind_tags tags_of_kind[] = {
    [IOTSAFE_PRIVATE_KEY] = { IOTSAFE_TAG_PRIVATE_KEY_LABEL, IOTSAFE_TAG_PRIVATE_KEY_ID },
    [IOTSAFE_PUBLIC_KEY] = { IOTSAFE_TAG_PUBLIC_KEY_LABEL, IOTSAFE_TAG_PUBLIC_KEY_ID },
    [IOTSAFE_FILE] = { IOTSAFE_TAG_FILE_LABEL, IOTSAFE_TAG_FILE_ID },
    [IOTSAFE_SECRET] = { IOTSAFE_TAG_SECRET_LABEL, IOTSAFE_TAG_SECRET_ID },
};

static const struct kind_tags *kind_tags(enum iotsafe_kind kind)
{
    return &tags_of_kind[kind];
}

const char *iotsafe_kind_name(enum iotsafe_kind kind)
{
    static const char *const names[] = {
        [IOTSAFE_PRIVATE_KEY] = "private key",
        [IOTSAFE_PUBLIC_KEY] = "public key",
        [IOTSAFE_FILE] = "file",
        [IOTSAFE_SECRET] = "secret",
    };

    return names[kind];
}

void name_put(struct tlv_writer *w, enum iotsafe_kind kind, const struct iotsafe_name *name)
{
    if (name->id_len != 0)
        tlv_put(w, kind_tags(kind)->id, name->id, name->id_len);
    else
        tlv_put(w, kind_tags(kind)->label, (const uint8_t *)name->label, name->label_len);
}

/* ------------------------------------------------------------- attributes */

/* Where an attribute goes; `width` is the size of the field there. */
static const struct attribute {
    uint8_t tag;
    uint8_t width;
    uint16_t told;
    size_t offset;
} attributes[] = {
    { IOTSAFE_TAG_ACCESS, 1, IOTSAFE_TOLD_ACCESS, offsetof(struct iotsafe_object, access) },
    { IOTSAFE_TAG_STATE, 1, IOTSAFE_TOLD_STATE, offsetof(struct iotsafe_object, state) },
    { IOTSAFE_TAG_KEY_TYPE, 1, IOTSAFE_TOLD_KEY_TYPE, offsetof(struct iotsafe_object, key_type) },
    { IOTSAFE_TAG_KEY_USAGE, 1, IOTSAFE_TOLD_KEY_USAGE,
      offsetof(struct iotsafe_object, key_usage) },
    { IOTSAFE_TAG_FUNCTIONS, 1, IOTSAFE_TOLD_FUNCTIONS,
      offsetof(struct iotsafe_object, functions) },
    { IOTSAFE_TAG_SIGNATURE_ALG, 1, IOTSAFE_TOLD_SIGNATURE_ALGS,
      offsetof(struct iotsafe_object, signature_algs) },
    { IOTSAFE_TAG_AGREEMENT, 1, IOTSAFE_TOLD_AGREEMENT,
      offsetof(struct iotsafe_object, agreement) },
    { IOTSAFE_TAG_DERIVATION, 1, IOTSAFE_TOLD_DERIVATION,
      offsetof(struct iotsafe_object, derivation) },
    { IOTSAFE_TAG_HASH, 2, IOTSAFE_TOLD_HASHES, offsetof(struct iotsafe_object, hashes) },
    { IOTSAFE_TAG_FILE_USAGE, 1, IOTSAFE_TOLD_FILE_USAGE,
      offsetof(struct iotsafe_object, file_usage) },
    { IOTSAFE_TAG_FILE_SIZE, 2, IOTSAFE_TOLD_FILE_SIZE,
      offsetof(struct iotsafe_object, file_size) },
};

static void set_attribute(struct iotsafe_object *object, const struct tlv *tlv)
{
    uint16_t number = tlv_number(tlv);

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const struct attribute *a = &attributes[i];
        uint8_t *field = (uint8_t *)object + a->offset;

        if (a->tag != tlv->tag)
            continue;
        if (a->width == 1)
            *field = (uint8_t)number;
        else
            memcpy(field, &number, sizeof(number));
        object->told |= a->told;
        return;
    }
}

/* What puts another key in the place of one: how the list tells of it. */
static const struct {
    uint16_t told;
    uint8_t bit;
    size_t offset;
    const char *yes, *unknown;
} ways_to_replace[] = {
    { IOTSAFE_TOLD_ACCESS, IOTSAFE_ACCESS_UPDATE, offsetof(struct iotsafe_object, access),
      "has update access", "does not tell its access" },
    { IOTSAFE_TOLD_FUNCTIONS, IOTSAFE_FUNCTION_GENERATE, offsetof(struct iotsafe_object, functions),
      "can be generated again", "does not tell its functions" },
};

enum iotsafe_replaceable iotsafe_key_replaceable(const struct iotsafe_object *key,
                                                 const char **ret_why)
{
    enum iotsafe_replaceable found = IOTSAFE_REPLACEABLE_NO;
    const char *why = "";

    for (size_t i = 0; i < ARRAY_LEN(ways_to_replace); i++) {
        const uint8_t *field = (const uint8_t *)key + ways_to_replace[i].offset;
        const bool told = (key->told & ways_to_replace[i].told) != 0;
        enum iotsafe_replaceable way = !told ? IOTSAFE_REPLACEABLE_UNKNOWN
                                       : (*field & ways_to_replace[i].bit) != 0
                                           ? IOTSAFE_REPLACEABLE_YES
                                           : IOTSAFE_REPLACEABLE_NO;

        if (way > found) {
            found = way;
            why = told ? ways_to_replace[i].yes : ways_to_replace[i].unknown;
        }
    }
    if (ret_why != NULL)
        *ret_why = why;
    return found;
}

/* ------------------------------------------------------------------ names */

/* The kind whose label or identifier has this tag; 0 if none. */
static enum iotsafe_kind kind_of_name(uint8_t tag, bool *ret_is_label)
{
    for (enum iotsafe_kind kind = IOTSAFE_PRIVATE_KEY; kind <= IOTSAFE_SECRET; kind++) {
        const struct kind_tags *t = kind_tags(kind);

        *ret_is_label = t->label == tag;
        if (t->label == tag || t->id == tag)
            return kind;
    }
    return 0;
}

static bool set_name(struct iotsafe_name *name, bool is_label, const struct tlv *tlv)
{
    size_t cap = is_label ? IOTSAFE_LABEL_MAX : IOTSAFE_ID_MAX;

    if (tlv->len > cap)
        return false;
    if (is_label && !utf8_valid(tlv->val, tlv->len))
        return true; /* no URI can say it: the identifier must do */
    if (is_label) {
        memcpy(name->label, tlv->val, tlv->len);
        name->label[tlv->len] = '\0';
        name->label_len = tlv->len;
    } else {
        memcpy(name->id, tlv->val, tlv->len);
        name->id_len = tlv->len;
    }
    return true;
}

/* --------------------------------------------------------------- the list */

struct parser {
    struct iotsafe_object *out; /* borrowed, cap objects */
    size_t cap, n;
    struct iotsafe_object current; /* kind 0: none begun */
    bool has_label, has_id, has_attributes;
    bool spoilt; /* the current one makes no sense */
};

static void finish_object(struct parser *p)
{
    const struct iotsafe_name *name = &p->current.name;

    if (p->current.kind != 0 && !p->spoilt && (name->id_len != 0 || name->label_len != 0)
        && p->n < p->cap)
        p->out[p->n++] = p->current;
    memset(&p->current, 0, sizeof(p->current));
    p->has_label = p->has_id = p->has_attributes = p->spoilt = false;
}

/* A name begins a new object unless the current one can still take it. */
static void begin_name(struct parser *p, enum iotsafe_kind kind, bool is_label)
{
    if (p->current.kind != kind || p->has_attributes || (is_label ? p->has_label : p->has_id))
        finish_object(p);
    p->current.kind = kind;
    *(is_label ? &p->has_label : &p->has_id) = true;
}

static void take_name(struct parser *p, enum iotsafe_kind kind, bool is_label,
                      const struct tlv *tlv)
{
    begin_name(p, kind, is_label);
    if (!set_name(&p->current.name, is_label, tlv))
        p->spoilt = true;
}

/* One applet writes "92 02 04 91 02 ...": two bytes announced, one there. */
static void mend_signature_alg(struct tlv_reader *r, struct tlv *tlv)
{
    if (tlv->tag != IOTSAFE_TAG_SIGNATURE_ALG || tlv->len != 2 || tlv->val[1] != IOTSAFE_TAG_HASH
        || r->len == 0 || r->in[0] != 2)
        return;
    tlv_give_back(r, tlv);
}

/* What has this tag breaks off: a name may be the next object's. */
static void break_off(struct parser *p, uint8_t tag)
{
    bool is_label;
    enum iotsafe_kind kind = kind_of_name(tag, &is_label);

    if (kind != 0)
        begin_name(p, kind, is_label);
    p->spoilt = true;
}

static void parse_attributes(struct parser *p, const uint8_t *in, size_t len)
{
    struct tlv_reader r = { .in = in, .len = len };
    struct tlv tlv;
    enum iotsafe_err err;

    while ((err = tlv_next(&r, &tlv)) == IOTSAFE_OK) {
        enum iotsafe_kind kind;
        bool is_label;

        mend_signature_alg(&r, &tlv);
        kind = kind_of_name(tlv.tag, &is_label);
        if (kind != 0) {
            take_name(p, kind, is_label, &tlv);
        } else {
            set_attribute(&p->current, &tlv);
            p->has_attributes = true;
        }
    }
    if (err == IOTSAFE_ERR_PROTOCOL)
        break_off(p, r.in[0]);
}

static bool is_template(uint8_t tag)
{
    return tag >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE && tag <= IOTSAFE_TAG_SECRET_TEMPLATE;
}

/* Length of the bytes up to the next template at this level, all of them if
 * there is none: the flat layout, or what stands between templates. */
static size_t flat_run(const uint8_t *in, size_t len)
{
    struct tlv_reader r = { .in = in, .len = len };
    struct tlv tlv;

    while (r.len != 0 && !is_template(r.in[0])) {
        if (tlv_next(&r, &tlv) != IOTSAFE_OK)
            return len;
        mend_signature_alg(&r, &tlv);
    }
    return len - r.len;
}

size_t objects_parse(const uint8_t *in, size_t len, struct iotsafe_object *ret_objects, size_t cap)
{
    struct parser p = { .out = ret_objects, .cap = cap };

    while (len != 0) {
        struct tlv_reader r = { .in = in, .len = len };
        struct tlv tlv;
        size_t run = flat_run(in, len);

        if (run != 0) {
            parse_attributes(&p, in, run);
        } else if (tlv_next(&r, &tlv) == IOTSAFE_OK) {
            finish_object(&p);
            parse_attributes(&p, tlv.val, tlv.len);
            finish_object(&p);
            run = len - r.len;
        } else {
            break; /* a template that breaks off: the list was cut */
        }
        in += run;
        len -= run;
    }
    finish_object(&p);
    return p.n;
}

/* ------------------------------------------------------------ information */

/* One applet counts its identifier one byte too long: the next tag, B1 01,
 * then shows as its last byte. */
static void mend_applet_id(struct tlv_reader *r, struct tlv *tlv)
{
    if (tlv->tag != IOTSAFE_TAG_APPLET_ID || tlv->len == 0
        || tlv->val[tlv->len - 1] != IOTSAFE_TAG_MAX_FILES || r->len == 0 || r->in[0] != 1)
        return;
    tlv_give_back(r, tlv);
}

static void set_info(struct iotsafe_info *info, const struct tlv *tlv)
{
    const struct {
        uint8_t tag;
        uint8_t *field;
    } bytes[] = {
        { IOTSAFE_TAG_VERSION, &info->version },
        { IOTSAFE_TAG_MAX_FILES, &info->max_files },
        { IOTSAFE_TAG_MAX_PRIVATE_KEYS, &info->max_private_keys },
        { IOTSAFE_TAG_MAX_PUBLIC_KEYS, &info->max_public_keys },
        { IOTSAFE_TAG_MAX_SECRETS, &info->max_secrets },
        { IOTSAFE_TAG_MAX_SESSIONS, &info->max_sessions },
        { IOTSAFE_TAG_FUNCTIONS, &info->functions },
        { IOTSAFE_TAG_APP_FUNCTIONS_ALT, &info->functions },
        { IOTSAFE_TAG_SIGNATURE_ALG, &info->signature_algs },
        { IOTSAFE_TAG_AGREEMENT, &info->agreement },
        { IOTSAFE_TAG_APP_AGREEMENT_ALT, &info->agreement },
        { IOTSAFE_TAG_DERIVATION, &info->derivation },
    };

    if (tlv->tag == IOTSAFE_TAG_HASH)
        info->hashes = tlv_number(tlv);
    if (tlv->tag == IOTSAFE_TAG_APPLET_ID && tlv->len <= sizeof(info->applet_id)) {
        memcpy(info->applet_id, tlv->val, tlv->len);
        info->applet_id_len = tlv->len;
    }
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
        if (bytes[i].tag == tlv->tag)
            *bytes[i].field = (uint8_t)tlv_number(tlv);
}

bool info_parse(const uint8_t *in, size_t len, struct iotsafe_info *ret_info)
{
    struct tlv_reader r = { .in = in, .len = len };
    struct tlv tlv;

    while (tlv_next(&r, &tlv) == IOTSAFE_OK) {
        mend_applet_id(&r, &tlv);
        mend_signature_alg(&r, &tlv);
        set_info(ret_info, &tlv);
    }
    return ret_info->version != 0;
}
