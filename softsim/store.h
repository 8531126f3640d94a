/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of one SIM, and the file they live in.
 *
 * A store is a folder (0700) with sim.json (0600). It is written whole at each
 * change: new file, fsync, rename, fsync of the folder; so a crash leaves the old
 * state or the new one. A store without a folder lives in memory only. */
#ifndef SOFTSIM_STORE_H
#define SOFTSIM_STORE_H

#include "object.h"

#define STORE_FILE "sim.json"
#define STORE_OBJECTS_PER_KIND 64 /* what tags B1 to B4 announce */
#define STORE_SETTINGS_MAX 160

struct store {
    char *dir;   /* NULL: in memory */
    int lock_fd; /* -1: not locked */
    char profile[PROFILE_NAME_MAX];
    char *settings[STORE_SETTINGS_MAX]; /* NAME=VALUE over the profile */
    size_t n_settings;
    struct object **objects;
    size_t n_objects;
    unsigned next_uid;
};

/** New empty store; dir may be NULL, else the folder must exist. NULL when out of memory. */
struct store *store_new(const char *dir, const char *profile);
/** Read a store from its folder; NULL with a reason. Volatile keys are empty in it. */
struct store *store_load(const char *dir, struct err *err);
/** Lock it (see store_lock()), then read it, so that nobody changes it in between. */
struct store *store_load_locked(const char *dir, struct err *err);
/** Free objects and lock. Accepts NULL. */
void store_free(struct store *s);

/** Keep every other process from serving or replacing this store until store_free(). */
bool store_lock(struct store *s, struct err *err);
/** Write it, if it has a folder. The file on disk is the old or the new one, never a mixture. */
bool store_save(const struct store *s, struct err *err);
/** Write a file into the folder the same way, with this mode. */
bool store_write_file(const char *dir, const char *name, const void *data, size_t len,
                      unsigned mode, struct err *err);

bool store_add_setting(struct store *s, const char *setting);
/** Profile and settings of the store, ready for use. */
bool store_profile(const struct store *s, struct profile *ret, struct err *err);

/** Take the object over; false (and it stays with the caller) if id or label exists or
 *  the kind is full. */
bool store_add(struct store *s, struct object *o);
void store_remove(struct store *s, struct object *o);

struct object *store_by_id(const struct store *s, enum kind kind, const uint8_t *id, size_t len);
struct object *store_by_label(const struct store *s, enum kind kind, const char *label, size_t len);
struct object *store_by_uid(const struct store *s, unsigned uid);
/** The public half of a private key: equal label; else (no label) equal identifier. */
struct object *store_public_half(const struct store *s, const struct object *private_key);
size_t store_count(const struct store *s, enum kind kind);

#endif
