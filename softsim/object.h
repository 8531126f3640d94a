/* SPDX-License-Identifier: Apache-2.0 */
/* The four kinds of objects of the applet, their names and attributes. */
#ifndef SOFTSIM_OBJECT_H
#define SOFTSIM_OBJECT_H

#include <openssl/evp.h>

#include "iotsafe_defs.h"
#include "profile.h"
#include "util.h"

enum kind { KIND_PRIVATE, KIND_PUBLIC, KIND_FILE, KIND_SECRET, KIND_COUNT };

struct kind_tags {
    const char *name; /* as in the store file and on the command line */
    uint8_t template_tag;
    uint8_t label_tag;
    uint8_t id_tag;
};

extern const struct kind_tags kind_tags[KIND_COUNT];

/** Kind called `name`; KIND_COUNT if there is none. */
enum kind kind_by_name(const char *name);
/** Kind whose template this tag is; KIND_COUNT if there is none. */
enum kind kind_by_template(uint8_t tag);

struct object {
    unsigned uid;        /* never used twice in one store while it is loaded */
    unsigned generation; /* counts changes by the operator; a session notices them */
    enum kind kind;
    char label[IOTSAFE_LABEL_MAX + 1]; /* "" for none */
    uint8_t id[IOTSAFE_ID_MAX];
    size_t id_len;
    uint8_t state, access, key_type, usage, functions, sig_algs, agreement, derivation;
    uint16_t hash_algs;
    uint8_t file_usage;
    size_t size;        /* of a file's container; the content may be shorter */
    struct buf content; /* of a file or secret */
    EVP_PKEY *key;      /* of a key; NULL while the container is empty */
};

struct object *object_new(enum kind kind, const char *label, const uint8_t *id, size_t id_len);
void object_free(struct object *o);

/** True if there is something to use: a key, or bytes. */
bool object_has_content(const struct object *o);
/** Take the key over (NULL empties the container) and set the state accordingly. */
void object_set_key(struct object *o, EVP_PKEY *key);
/** Replace the bytes; the container grows when they do not fit. False when out of memory. */
bool object_set_content(struct object *o, const uint8_t *data, size_t len);
/** File size as tag 20 gives it. */
size_t object_file_size(const struct object *o, const struct profile *p);

/** Append the attributes as the object list has them, in the order of the specification. */
void object_put_attributes(const struct object *o, const struct profile *p, struct buf *out);

#endif
