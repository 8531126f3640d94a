/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a SIM: finding, adding, and the folder's files and lock.
 * The JSON text itself is store_json.c. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_json.h"

#define LOCK_FILE "lock"

struct store *store_new(const char *dir, const char *profile)
{
    struct store *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->lock_fd = -1;
    s->next_uid = 1;
    snprintf(s->profile, sizeof(s->profile), "%s", profile);
    if (dir != NULL && (s->dir = strdup(dir)) == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_objects; i++)
        object_free(s->objects[i]);
    for (size_t i = 0; i < s->n_settings; i++)
        free(s->settings[i]);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->objects);
    free(s->dir);
    free(s);
}

static bool in_dir(const char *dir, const char *name, char path[static 4096], struct err *err)
{
    if ((size_t)snprintf(path, 4096, "%s/%s", dir, name) >= 4096)
        return err_set(err, "%s: path too long", dir);
    return true;
}

bool store_lock(struct store *s, struct err *err)
{
    char path[4096];

    if (s->dir == NULL)
        return true;
    if (!in_dir(s->dir, LOCK_FILE, path, err))
        return false;
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_set(err, "%s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        close(s->lock_fd);
        s->lock_fd = -1;
        return err_set(err, "%s: in use by another iotsafe-softsim", s->dir);
    }
    return true;
}

static bool write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* The mode is set by hand, so that a wide umask of the caller cannot widen a key file. */
static bool write_synced(const char *path, const void *data, size_t len, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && fchmod(fd, (mode_t)mode) == 0 && write_all(fd, data, len)
              && fsync(fd) == 0;
    int saved = errno;

    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (!ok)
        errno = saved;
    return ok;
}

bool store_write_file(const char *dir, const char *name, const void *data, size_t len,
                      unsigned mode, struct err *err)
{
    char path[4096], temp_name[64], temp[4096];

    snprintf(temp_name, sizeof(temp_name), "%s.new", name);
    if (!in_dir(dir, name, path, err) || !in_dir(dir, temp_name, temp, err))
        return false;
    if (!write_synced(temp, data, len, mode) || rename(temp, path) != 0 || !sync_dir(dir)) {
        err_set(err, "%s: %s", path, strerror(errno));
        unlink(temp);
        return false;
    }
    return true;
}

bool store_save(const struct store *s, struct err *err)
{
    char *text;
    bool ok;

    if (s->dir == NULL)
        return true;
    text = store_to_json(s);
    if (text == NULL)
        return err_set(err, "%s: cannot encode the store", s->dir);
    ok = store_write_file(s->dir, STORE_FILE, text, strlen(text), 0600, err);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    return ok;
}

static struct store *load(const char *dir, bool locked, struct err *err)
{
    char path[4096];
    struct store *s = store_new(dir, "");

    err_set(err, "out of memory");
    if (s == NULL || !in_dir(dir, STORE_FILE, path, err) || (locked && !store_lock(s, err))
        || !store_from_json_file(s, path, err)) {
        store_free(s);
        return NULL;
    }
    return s;
}

struct store *store_load(const char *dir, struct err *err)
{
    return load(dir, false, err);
}

struct store *store_load_locked(const char *dir, struct err *err)
{
    return load(dir, true, err);
}

bool store_add_setting(struct store *s, const char *setting)
{
    if (s->n_settings == STORE_SETTINGS_MAX)
        return false;
    s->settings[s->n_settings] = strdup(setting);
    if (s->settings[s->n_settings] == NULL)
        return false;
    s->n_settings++;
    return true;
}

bool store_profile(const struct store *s, struct profile *ret, struct err *err)
{
    if (!profile_init(ret, s->profile, err))
        return false;
    for (size_t i = 0; i < s->n_settings; i++)
        if (!profile_set(ret, s->settings[i], err))
            return false;
    return true;
}

bool store_add(struct store *s, struct object *o)
{
    struct object **grown;

    if (store_by_id(s, o->kind, o->id, o->id_len) != NULL
        || (o->label[0] != '\0' && store_by_label(s, o->kind, o->label, strlen(o->label)) != NULL)
        || store_count(s, o->kind) >= STORE_OBJECTS_PER_KIND)
        return false;
    grown = realloc(s->objects, (s->n_objects + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    s->objects = grown;
    o->uid = s->next_uid++;
    s->objects[s->n_objects++] = o;
    return true;
}

void store_remove(struct store *s, struct object *o)
{
    for (size_t i = 0; i < s->n_objects; i++) {
        if (s->objects[i] != o)
            continue;
        memmove(&s->objects[i], &s->objects[i + 1], (s->n_objects - i - 1) * sizeof(s->objects[0]));
        s->n_objects--;
        object_free(o);
        return;
    }
}

struct object *store_by_id(const struct store *s, enum kind kind, const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < s->n_objects; i++) {
        struct object *o = s->objects[i];

        if (o->kind == kind && o->id_len == len && memcmp(o->id, id, len) == 0)
            return o;
    }
    return NULL;
}

struct object *store_by_label(const struct store *s, enum kind kind, const char *label, size_t len)
{
    for (size_t i = 0; i < s->n_objects; i++) {
        struct object *o = s->objects[i];

        if (o->kind == kind && len != 0 && strlen(o->label) == len
            && memcmp(o->label, label, len) == 0)
            return o;
    }
    return NULL;
}

struct object *store_by_uid(const struct store *s, unsigned uid)
{
    for (size_t i = 0; i < s->n_objects; i++)
        if (s->objects[i]->uid == uid)
            return s->objects[i];
    return NULL;
}

struct object *store_public_half(const struct store *s, const struct object *private_key)
{
    const struct object *p = private_key;

    if (p->label[0] != '\0')
        return store_by_label(s, KIND_PUBLIC, p->label, strlen(p->label));
    return store_by_id(s, KIND_PUBLIC, p->id, p->id_len);
}

size_t store_count(const struct store *s, enum kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_objects; i++)
        n += s->objects[i]->kind == kind;
    return n;
}
