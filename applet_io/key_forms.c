/* SPDX-License-Identifier: Apache-2.0 */
/* see key_forms.h */
#include "key_forms.h"

#include <stdio.h>
#include <stdlib.h>

#include "util.h"

/* A key under the name that the caller uses: identifier or label. */
static size_t make_key(const struct iotsafe_name *name, uint8_t ret[static 1 + IOTSAFE_LABEL_MAX])
{
    if (name->id_len != 0) {
        ret[0] = 'i';
        memcpy(ret + 1, name->id, name->id_len);
        return 1 + name->id_len;
    }
    ret[0] = 'l';
    memcpy(ret + 1, name->label, name->label_len);
    return 1 + name->label_len;
}

static size_t find(const struct key_forms *forms, const uint8_t *key, size_t len, uint16_t hash)
{
    size_t i = 0;

    while (i < KEY_FORMS_MAX
           && (forms->entries[i].key_len != len || forms->entries[i].hash != hash
               || memcmp(forms->entries[i].key, key, len) != 0))
        i++;
    return i;
}

enum sign_form key_forms_first(const struct key_forms *forms, const struct iotsafe_name *name,
                               uint16_t hash)
{
    uint8_t key[1 + IOTSAFE_LABEL_MAX];
    const size_t len = make_key(name, key);
    const size_t i = find(forms, key, len, hash);

    return i < KEY_FORMS_MAX ? forms->entries[i].form : FORM_DIGEST;
}

bool key_forms_worked(struct key_forms *forms, const struct iotsafe_name *name, uint16_t hash,
                      enum sign_form form)
{
    struct key_form entry = { .hash = hash, .form = FORM_DIGEST, .dearer = FORM_DIGEST };
    const struct key_form *before;
    size_t i;

    entry.key_len = make_key(name, entry.key);
    i = find(forms, entry.key, entry.key_len, hash);
    if (i == KEY_FORMS_MAX && form == FORM_DIGEST)
        return false; /* what is expected of any key needs no entry */
    if (i < KEY_FORMS_MAX)
        entry = forms->entries[i];
    before = i < KEY_FORMS_MAX ? &forms->entries[i] : NULL;
    if (form <= entry.form)
        entry.form = entry.dearer = form;
    else if (form == entry.dearer)
        entry.form = form;
    else
        entry.dearer = form;
    if (before != NULL && before->form == entry.form && before->dearer == entry.dearer)
        return false;
    if (i == KEY_FORMS_MAX)
        i = KEY_FORMS_MAX - 1; /* the one that was used longest ago makes room */
    memmove(forms->entries + 1, forms->entries, i * sizeof(forms->entries[0]));
    forms->entries[0] = entry;
    return true;
}

void key_forms_clear(struct key_forms *forms)
{
    memset(forms, 0, sizeof(*forms));
}

/* ------------------------------------------------------------------- text */

/* key in hex, hash, form, dearer form: "6903:1:2:2;..." */
void key_forms_format(const struct key_forms *forms, char ret_text[static KEY_FORMS_TEXT_MAX])
{
    size_t n = 0;

    ret_text[n] = '\0';
    for (size_t i = 0; i < KEY_FORMS_MAX; i++) {
        const struct key_form *e = &forms->entries[i];

        if (e->key_len == 0)
            continue;
        hex_encode(e->key, e->key_len, ret_text + n);
        n += 2 * e->key_len;
        n += (size_t)snprintf(ret_text + n, KEY_FORMS_TEXT_MAX - n, ":%u:%u:%u;", e->hash & 0x0fu,
                              (unsigned)e->form, (unsigned)e->dearer);
    }
    if (n == 0)
        strcpy(ret_text, "-");
}

/* One entry; NULL if it makes no sense, else what is behind it. */
static const char *parse_entry(const char *p, struct key_form *ret)
{
    size_t digits = strspn(p, "0123456789ABCDEF");
    int n = hex_decode(p, digits, ret->key, sizeof(ret->key));

    if (n < 2 || (ret->key[0] != 'i' && ret->key[0] != 'l')
        || (ret->key[0] == 'i' && n > 1 + IOTSAFE_ID_MAX))
        return NULL;
    ret->key_len = (size_t)n;
    p += digits;
    if (p[0] != ':' || (p[1] != '1' && p[1] != '2' && p[1] != '4') || p[2] != ':' || p[3] < '0'
        || p[3] >= '0' + N_SIGN_FORMS || p[4] != ':' || p[5] < p[3] || p[5] >= '0' + N_SIGN_FORMS
        || p[6] != ';')
        return NULL;
    ret->hash = (uint16_t)(p[1] - '0');
    ret->form = (enum sign_form)(p[3] - '0');
    ret->dearer = (enum sign_form)(p[5] - '0');
    return p + 7;
}

bool key_forms_parse(const char *text, struct key_forms *ret_forms)
{
    struct key_forms forms = { 0 };
    size_t n = 0;

    if (strcmp(text, "-") != 0)
        for (const char *p = text; *p != '\0'; n++) {
            p = n < KEY_FORMS_MAX ? parse_entry(p, &forms.entries[n]) : NULL;
            if (p == NULL)
                return false;
        }
    *ret_forms = forms;
    return true;
}
