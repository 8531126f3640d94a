/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of what the applet tells: of itself, of its objects, of names that it does not know. */
#include <string.h>

#include "conformance.h"

static const uint8_t nobody[] = { 'z', '~', 'z' };

static enum iotsafe_err get_data(struct inquiry *q, uint8_t p1, uint8_t p2,
                                 const struct tlv_data *data)
{
    return ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_GET_DATA,
                                                   .p1 = p1,
                                                   .p2 = p2,
                                                   .data = data != NULL ? data->bytes : NULL,
                                                   .data_len = data != NULL ? data->len : 0,
                                                   .ne = APDU_NE_MAX,
                                                   .whole = true });
}

/* -------------------------------------------------------- of the applet itself */

/* Length of the identifier, which some applets tell one byte too long: behind it stands B1. */
static size_t applet_id_length(const uint8_t *data, size_t len, bool *ret_wrong)
{
    size_t n = 0;
    const uint8_t *id = tlv_value(data, len, IOTSAFE_TAG_APPLET_ID, &n);
    const uint8_t *last = id != NULL && n >= 2 ? id + n - 1 : NULL;

    *ret_wrong = last != NULL && last[0] == IOTSAFE_TAG_MAX_FILES && last + 2 < data + len
                 && last[1] == 1;
    return id == NULL ? 0 : *ret_wrong ? n - 1 : n;
}

static unsigned number(const uint8_t *data, size_t len, uint8_t tag)
{
    size_t n = 0;
    const uint8_t *value = tlv_value(data, len, tag, &n);

    if (value == NULL || n == 0)
        return 0;
    return n == 1 ? value[0] : (unsigned)value[n - 2] << 8 | value[n - 1];
}

static void set_algorithms(struct inquiry *q, const char *name, unsigned value, unsigned most)
{
    if (value >= 1 && value <= most)
        setting_number(q, name, value);
}

static void describe_applet(struct inquiry *q)
{
    char zeros[2 * 32 + 1] = "";
    size_t hash_len = 0, n = 0, skip, len = q->rsp.len;
    const uint8_t *data = q->rsp.data;
    bool wrong, alt;
    unsigned hashes, algs, derivation, sessions;
    const size_t id_len = applet_id_length(data, len, &wrong);

    skip = id_len != 0 && len > 3 + 2 + id_len ? 3 + 2 + id_len : 0; /* version, identifier */
    data += skip;
    len -= skip;
    alt = tlv_value(data, len, IOTSAFE_TAG_APP_FUNCTIONS_ALT, &n) != NULL;
    if (tlv_value(data, len, IOTSAFE_TAG_HASH, &hash_len) == NULL)
        hash_len = 0;
    hashes = number(data, len, IOTSAFE_TAG_HASH);
    algs = number(data, len, IOTSAFE_TAG_SIGNATURE_ALG);
    derivation = number(data, len, IOTSAFE_TAG_DERIVATION);
    sessions = number(data, len, IOTSAFE_TAG_MAX_SESSIONS);
    found(q, true,
          "%s, hash on %zu bytes, identifier of %zu bytes%s; hashes %04X, algorithms %02X, "
          "derivation %02X, sessions %u",
          alt ? "tags 90 93" : "tags 61 6F", hash_len, id_len, wrong ? " told one longer" : "",
          hashes, algs, derivation, sessions);
    setting(q, "app_tags", alt ? "90+93" : "61+6f");
    set_algorithms(q, "app_hash_len", (unsigned)hash_len, 2);
    setting(q, "app_id_len_bug", wrong ? "on" : "off");
    set_algorithms(q, "hash_algs", hashes, 7);
    set_algorithms(q, "sig_algs", algs, 15);
    if (derivation <= 3)
        setting_number(q, "derivation_algs", derivation);
    q->told_sessions = sessions != 0;
    set_algorithms(q, "session_count", sessions > 8 ? 8 : sessions, 8);
    /* the identifier itself may be this card's alone */
    if (id_len >= 1 && id_len <= 32) {
        memset(zeros, '0', 2 * id_len);
        setting(q, "app_id", zeros);
    }
}

static enum iotsafe_err ask_application(struct inquiry *q)
{
    enum iotsafe_err err = get_data(q, IOTSAFE_P1_APPLICATION, 0, NULL);

    if (err != IOTSAFE_OK)
        return err;
    if (sw_is_success(q->rsp.sw) && q->rsp.len != 0) {
        describe_applet(q);
        setting(q, "getdata", "on");
        return IOTSAFE_OK;
    }
    found(q, true, "%04X", q->rsp.sw);
    if (q->rsp.sw == SW_INS_UNKNOWN)
        setting(q, "getdata", "off");
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------- of its objects */

#define LIST_BYTES_MAX 16384

struct list {
    uint8_t bytes[LIST_BYTES_MAX];
    size_t len, first_page;
    unsigned pages;
};

static enum iotsafe_err read_list(struct inquiry *q, struct list *list)
{
    enum iotsafe_err err;

    *list = (struct list){ .len = 0 };
    do {
        err = get_data(q, IOTSAFE_P1_OBJECT_LIST, list->pages == 0 ? 0 : 1, NULL);
        if (err != IOTSAFE_OK)
            return err;
        if (!sw_is_success(q->rsp.sw) && q->rsp.sw != SW_MORE_DATA)
            return IOTSAFE_OK;
        if (q->rsp.len > sizeof(list->bytes) - list->len)
            return IOTSAFE_ERR_SPACE;
        memcpy(list->bytes + list->len, q->rsp.data, q->rsp.len);
        list->len += q->rsp.len;
        if (list->pages++ == 0)
            list->first_page = q->rsp.len;
    } while (q->rsp.sw == SW_MORE_DATA && q->rsp.len != 0);
    return IOTSAFE_OK;
}

static bool is_template(uint8_t tag)
{
    return tag >= IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE && tag <= IOTSAFE_TAG_SECRET_TEMPLATE;
}

/* Templates a byte of length at a time, or BER: the form whose end is a template or the end. */
struct layout {
    unsigned templates[4]; /* of each kind */
    bool raw, ber;         /* lengths of 128 to 255 are written so */
    bool file_first;       /* before secrets */
};

static bool fits(const struct list *list, size_t at, size_t size)
{
    return size <= list->len - at
           && (at + size == list->len || is_template(list->bytes[at + size]));
}

static void walk(const struct list *list, struct layout *ret)
{
    size_t at = 0;

    *ret = (struct layout){ .raw = false };
    while (at + 4 <= list->len && is_template(list->bytes[at])) {
        const uint8_t *head = list->bytes + at;
        const size_t two = (size_t)head[2] << 8 | head[3];
        size_t kind = head[0] - IOTSAFE_TAG_PRIVATE_KEY_TEMPLATE;

        ret->templates[kind]++;
        if (kind == 2 && ret->templates[3] == 0)
            ret->file_first = true;
        if (head[1] == 0x82 && two > 0xff && fits(list, at + 4, two)) {
            at += 4 + two;
        } else if (head[1] == 0x81 && head[2] >= 0x80 && fits(list, at + 3, head[2])) {
            ret->ber = true;
            at += 3 + (size_t)head[2];
        } else {
            ret->raw = ret->raw || head[1] >= 0x80;
            at += 2 + (size_t)head[1];
        }
    }
}

/* Where a tag stands as the head of an object, by what surrounds it: values are not parsed. */
static size_t position(const struct list *list, uint8_t tag, uint8_t len)
{
    for (size_t at = 0; at + 1 < list->len; at++)
        if (list->bytes[at] == tag && list->bytes[at + 1] == len)
            return at;
    return list->len;
}

static unsigned n_objects_of(const struct inquiry *q, enum iotsafe_kind kind)
{
    unsigned n = 0;

    for (size_t i = 0; i < q->n_objects; i++)
        n += q->objects[i].kind == kind;
    return n;
}

static const char *form_of(const struct inquiry *q, const struct list *list,
                           const struct layout *layout)
{
    if (list->len == 0 || !is_template(list->bytes[0]))
        return "flat";
    return layout->templates[0] == 1 && n_objects_of(q, IOTSAFE_PRIVATE_KEY) > 1 ? "per-kind"
                                                                                 : "per-object";
}

/* 92 01 in the keys, or a length of two before one byte (the next object is 91 02). */
static bool has_tag92_bug(const struct list *list)
{
    const size_t at = position(list, IOTSAFE_TAG_SIGNATURE_ALG, 2);

    return at + 4 < list->len && list->bytes[at + 3] == IOTSAFE_TAG_HASH
           && list->bytes[at + 4] == 2;
}

static bool files_before_secrets(const struct inquiry *q)
{
    for (size_t i = 0; i < q->n_objects; i++)
        if (q->objects[i].kind == IOTSAFE_FILE || q->objects[i].kind == IOTSAFE_SECRET)
            return q->objects[i].kind == IOTSAFE_FILE;
    return true;
}

static void describe_list(struct inquiry *q, const struct list *list)
{
    struct layout layout;
    const bool bug = has_tag92_bug(list);
    const bool files_first = files_before_secrets(q);
    bool usage = false;
    unsigned key_usage = 0;
    const char *form;
    char page[40] = "in one piece";

    walk(list, &layout);
    form = form_of(q, list, &layout);
    for (size_t i = 0; i < q->n_objects; i++) {
        usage = usage || (q->objects[i].told & IOTSAFE_TOLD_FILE_USAGE) != 0;
        if (q->objects[i].kind == IOTSAFE_PRIVATE_KEY && key_usage == 0)
            key_usage = q->objects[i].key_usage;
    }
    if (list->pages > 1)
        (void)snprintf(page, sizeof(page), "pages of %zu bytes", list->first_page);
    found(q, q->objects != NULL, "%s, %s, %s, %s%s%s; usage of keys %02X", form, page,
          files_first ? "files before secrets" : "secrets before files",
          usage ? "usage of files" : "no usage of files", bug ? ", 92 told too long" : "",
          layout.ber   ? ", BER lengths"
          : layout.raw ? ", raw lengths"
                       : "",
          key_usage);
    setting(q, "list_form", form);
    if (list->pages > 1 && list->first_page <= 256)
        setting_number(q, "list_page", (unsigned)list->first_page);
    else if (list->len > 256)
        setting_number(q, "list_page", 0);
    setting(q, "list_order",
            files_first ? "private-public-file-secret" : "private-public-secret-file");
    setting(q, "file_usage_tag", usage ? "present" : "absent");
    setting(q, "tag92_bug", bug ? "on" : "off");
    if (layout.ber || layout.raw)
        setting(q, "len_ge_128", layout.ber ? "ber" : "raw");
    if (key_usage >= 1 && key_usage <= 3)
        setting_number(q, "key_usage", key_usage);
}

static enum iotsafe_err ask_list(struct inquiry *q)
{
    struct list list;
    enum iotsafe_err err = read_list(q, &list);

    if (err != IOTSAFE_OK)
        return err;
    if (list.pages != 0) {
        describe_list(q, &list);
        return IOTSAFE_OK;
    }
    found(q, true, "%04X", q->rsp.sw);
    if (q->rsp.sw == SW_WRONG_P1P2)
        setting(q, "getdata", "no-list");
    return IOTSAFE_OK;
}

/* The form of identifiers, not the identifiers. */
static enum iotsafe_err ask_identifiers(struct inquiry *q)
{
    const struct iotsafe_name *name = &q->key;
    const bool same = iotsafe_name_same_id(&q->key, &q->verifier);
    bool ascii = true;

    if (name->id_len == 0) {
        not_asked(q, "the key is known by its label only");
        return IOTSAFE_OK;
    }
    for (size_t i = 0; i < name->id_len; i++)
        ascii = ascii && name->id[i] > 0x20 && name->id[i] < 0x7f;
    found(q, true, "%zu bytes%s%s", name->id_len, ascii ? " of ASCII" : "",
          q->verifier.id_len == 0 ? ""
          : same                  ? ", equal in a pair"
                                  : ", different in a pair");
    if (name->id_len == 1)
        setting(q, "id_style", "byte");
    else if (name->id_len == 2 && !ascii)
        setting(q, "id_style", name->id[0] == 0 ? "be2" : "le2");
    else if (name->id_len == 3 && ascii)
        setting(q, "id_style", "ascii3");
    if (q->verifier.id_len != 0)
        setting(q, "pair_ids", same ? "equal" : "different");
    return IOTSAFE_OK;
}

/* ------------------------------------------------------------- of one object */

static enum iotsafe_err get_file_info(struct inquiry *q, enum iotsafe_kind tags)
{
    struct tlv_data data = { .len = 0 };

    data_put_name(&data, tags, &q->file.name);
    return get_data(q, IOTSAFE_TAG_FILE_TEMPLATE, 0, &data);
}

static enum iotsafe_err ask_single(struct inquiry *q)
{
    bool by_file, by_secret;
    char form[32];
    enum iotsafe_err err = get_file_info(q, IOTSAFE_FILE);
    size_t n;

    by_file = err == IOTSAFE_OK && sw_is_success(q->rsp.sw) && q->rsp.len != 0;
    if (err != IOTSAFE_OK)
        return err;
    if (!by_file)
        err = get_file_info(q, IOTSAFE_SECRET);
    if (err != IOTSAFE_OK)
        return err;
    by_secret = !by_file && sw_is_success(q->rsp.sw) && q->rsp.len != 0;
    if (!by_file && !by_secret) {
        found(q, true, "%04X", q->rsp.sw);
        return IOTSAFE_OK;
    }
    (void)snprintf(form, sizeof(form), "%s",
                   q->rsp.data[0] == IOTSAFE_TAG_FILE_TEMPLATE                          ? "wrapped"
                   : tlv_value(q->rsp.data, q->rsp.len, IOTSAFE_TAG_ACCESS, &n) == NULL ? "minimal"
                                                                                        : "flat");
    if (by_file) {
        err = get_file_info(q, IOTSAFE_SECRET);
        if (err != IOTSAFE_OK)
            return err;
        by_secret = sw_is_success(q->rsp.sw) && q->rsp.len != 0;
    }
    found(q, true, "%s, by %s", form, by_file && by_secret ? "83 and 86" : by_file ? "83" : "86");
    setting(q, "single_form", form);
    setting(q, "info_file_tags", by_file && by_secret ? "both" : by_file ? "73+83" : "76+86");
    return IOTSAFE_OK;
}

static enum iotsafe_err read_key(struct inquiry *q, const struct tlv_data *data)
{
    return ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_READ_PUBLIC_KEY,
                                                   .data = data->bytes,
                                                   .data_len = data->len,
                                                   .ne = APDU_NE_MAX,
                                                   .whole = true });
}

static enum iotsafe_err ask_public_key(struct inquiry *q)
{
    struct tlv_data data = { .len = 0 };
    enum iotsafe_err err;

    data_put_name(&data, IOTSAFE_PUBLIC_KEY, &q->verifier);
    err = read_key(q, &data);
    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw) || q->rsp.len == 0) {
        found(q, true, "%04X", q->rsp.sw);
    } else {
        const bool nested = q->rsp.data[0] == IOTSAFE_TAG_PUBLIC_KEY_DATA;

        found(q, nested || q->rsp.data[0] == 0x04, "%s", nested ? "34 { 49 { 86 } }" : "bare");
        setting(q, "pubkey_form", nested ? "nested" : "bare");
    }
    return IOTSAFE_OK;
}

/* ----------------------------------------------------------------- of files */

static enum iotsafe_err read_at(struct inquiry *q, size_t offset)
{
    struct tlv_data data = { .len = 0 };

    data_put_name(&data, IOTSAFE_FILE, &q->file.name);
    return ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_READ_FILE,
                                                   .p1 = (uint8_t)(offset >> 8),
                                                   .p2 = (uint8_t)offset,
                                                   .data = data.bytes,
                                                   .data_len = data.len,
                                                   .ne = APDU_NE_MAX,
                                                   .whole = true });
}

/* Size of the certificate that begins so; 0: none does. */
static size_t der_size(const uint8_t *data, size_t len)
{
    return len >= 4 && data[0] == 0x30 && data[1] == 0x82 ? 4 + ((size_t)data[2] << 8 | data[3])
                                                          : 0;
}

/* The size that was told, in the order of bytes that fits the content. */
static size_t true_size(const struct inquiry *q, size_t der, bool *ret_swapped)
{
    const size_t told = q->file.file_size;
    const size_t swapped = (told & 0xff) << 8 | told >> 8;
    const size_t least = der != 0 ? der : 1;

    *ret_swapped = swapped >= least && (told < least || told > swapped);
    if (told >= least && told <= 4 * least && der != 0)
        *ret_swapped = false;
    if (der == 0)
        *ret_swapped = told > 16384 && swapped < 16384;
    return *ret_swapped ? swapped : told;
}

static enum iotsafe_err ask_end(struct inquiry *q, size_t size, char *ret_text, size_t text_size)
{
    enum iotsafe_err err = read_at(q, size);
    const uint16_t at_end = q->rsp.sw;
    const size_t n = q->rsp.len;
    const char *value = "6a86";

    if (err == IOTSAFE_OK && n == 0)
        err = read_at(q, size + 1);
    if (err != IOTSAFE_OK)
        return err;
    if (n != 0)
        value = "zeros";
    else if (sw_is_success(at_end))
        value = sw_is_success(q->rsp.sw) ? "empty" : "empty-then-6a86";
    else if (at_end == SW_INCOMPATIBLE_FILE)
        value = "6981";
    (void)snprintf(ret_text, text_size, "%s", value);
    setting(q, "file_end", value);
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_file(struct inquiry *q)
{
    enum iotsafe_err err = read_at(q, 0);
    size_t piece = q->rsp.len, size, der;
    bool swapped, is_der, padded;
    char end[24], pieces[32] = "in one piece";

    if (err != IOTSAFE_OK)
        return err;
    if (!sw_is_success(q->rsp.sw) || piece == 0) {
        found(q, true, "%04X", q->rsp.sw);
        return IOTSAFE_OK;
    }
    is_der = q->rsp.data[0] == 0x30;
    der = der_size(q->rsp.data, piece);
    size = true_size(q, der, &swapped);
    if (size == 0)
        size = der;
    padded = der != 0 && size > der;
    err = ask_end(q, size, end, sizeof(end));
    if (err != IOTSAFE_OK)
        return err;
    if (piece < size && piece <= 256)
        (void)snprintf(pieces, sizeof(pieces), "pieces of %zu bytes", piece);
    found(q, true, "%s, %s, size %s%s; at the end %s", is_der ? "DER" : "PEM", pieces,
          swapped ? "low byte first" : "high byte first", padded ? ", padded" : "", end);
    if (piece < size && piece <= 256)
        setting_number(q, "file_chunk", (unsigned)piece);
    setting(q, "cert_format", is_der ? "der" : "pem");
    setting(q, "file_size_order", swapped ? "little" : "big");
    setting(q, "file_padding", padded ? "zeros" : "none");
    return IOTSAFE_OK;
}

/* --------------------------------------------------- of names it does not know */

static enum iotsafe_err ask_unknown_key(struct inquiry *q)
{
    struct tlv_data data = { .len = 0 };
    enum iotsafe_err err;

    data_put(&data, IOTSAFE_TAG_PUBLIC_KEY_ID, nobody, sizeof(nobody));
    if (json_object_get(q->settings, "id_policy") != NULL
        && strcmp(json_string_value(json_object_get(q->settings, "id_policy")), "2-bytes") == 0)
        data = (struct tlv_data){ .len = 4, .bytes = { IOTSAFE_TAG_PUBLIC_KEY_ID, 2, '~', 'z' } };
    err = read_key(q, &data);
    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X", q->rsp.sw);
    setting(q, "unknown_key", q->rsp.sw == SW_NOT_FOUND ? "6a82" : "6a80");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_malformed(struct inquiry *q)
{
    static const struct tlv_data broken = { .bytes = { IOTSAFE_TAG_PUBLIC_KEY_ID, 5, 1 },
                                            .len = 3 };
    enum iotsafe_err err = read_key(q, &broken);

    if (err != IOTSAFE_OK)
        return err;
    found(q, true, "%04X", q->rsp.sw);
    setting(q, "malformed_sw", q->rsp.sw == SW_CONDITIONS ? "6985" : "6a80");
    return IOTSAFE_OK;
}

static enum iotsafe_err ask_names(struct inquiry *q)
{
    const struct iotsafe_name *name = &q->verifier;
    struct tlv_data both = { .len = 0 }, other = { .len = 0 };
    bool takes_both, takes_other;
    enum iotsafe_err err;

    if (name->id_len == 0 || name->label_len == 0) {
        not_asked(q, "no key with an identifier and a label is known");
        return IOTSAFE_OK;
    }
    data_put(&both, IOTSAFE_TAG_PUBLIC_KEY_ID, name->id, name->id_len);
    data_put(&both, IOTSAFE_TAG_PUBLIC_KEY_LABEL, name->label, name->label_len);
    err = read_key(q, &both);
    if (err != IOTSAFE_OK)
        return err;
    takes_both = sw_is_success(q->rsp.sw);
    data_put(&other, IOTSAFE_TAG_PRIVATE_KEY_ID, name->id, name->id_len);
    err = read_key(q, &other);
    if (err != IOTSAFE_OK)
        return err;
    takes_other = sw_is_success(q->rsp.sw);
    found(q, true, "both at once %s, tag of private keys %s", takes_both ? "taken" : "refused",
          takes_other ? "taken" : "refused");
    setting(q, "both_names", takes_both ? "accept" : "6a80");
    setting(q, "namespace", takes_other ? "single" : "split");
    return IOTSAFE_OK;
}

/* A name of a form that the applet takes is unknown to it; one that it does not take is bad data.
 */
static enum iotsafe_err ask_policy(struct inquiry *q)
{
    static const struct {
        uint8_t id[3];
        size_t len;
    } ids[] = { { { 0xf7 }, 1 }, { { 0xf7, 0xf7 }, 2 }, { { 'z', '~', 'z' }, 3 } };
    bool taken[3];
    const char *policy = "any";

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct tlv_data data = { .len = 0 };
        enum iotsafe_err err;

        data_put(&data, IOTSAFE_TAG_FILE_ID, ids[i].id, ids[i].len);
        err = ask(q, &(struct iotsafe_probe_command){ .ins = IOTSAFE_INS_READ_FILE,
                                                      .data = data.bytes,
                                                      .data_len = data.len,
                                                      .ne = APDU_NE_MAX,
                                                      .whole = true });
        if (err != IOTSAFE_OK)
            return err;
        taken[i] = q->rsp.sw == SW_NOT_FOUND || sw_is_success(q->rsp.sw);
    }
    if (taken[1] && !taken[0] && !taken[2])
        policy = "2-bytes";
    else if (taken[2] && !taken[0] && !taken[1])
        policy = "ascii";
    found(q, true, "%s", policy);
    setting(q, "id_policy", policy);
    return IOTSAFE_OK;
}

const struct rule rules_objects[] = {
    { "application", "tags 61 6F, hash on 2 bytes", ask_application, NEEDS_CARD },
    { "list", "per-object", ask_list, NEEDS_CARD },
    { "identifiers", "1 to 20 bytes", ask_identifiers, NEEDS_KEY },
    { "object", "wrapped, by 83", ask_single, NEEDS_FILE },
    { "public-key", "34 { 49 { 86 } }", ask_public_key, NEEDS_VERIFIER },
    { "file", "DER, size high byte first; at the end 6A86", ask_file, NEEDS_FILE },
    { "name-policy", "any", ask_policy, NEEDS_CARD },
    { "unknown-key", "6A80", ask_unknown_key, NEEDS_CARD },
    { "malformed", "6A80", ask_malformed, NEEDS_CARD },
    { "names", "both at once refused, tag of private keys refused", ask_names, NEEDS_VERIFIER },
    { .name = NULL },
};
