/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: { "format": "iotsafe-profile-1", "settings": { NAME: VALUE, ... } }. Names and values
 * are those of --set. Files come from strangers: nothing but settings is taken from them. */
#include "profile_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#define SETTING_MAX 192 /* NAME=VALUE; four AIDs are the longest */

/* Devices and pipes could keep us waiting, and a file without end fill the memory. */
static json_t *load(const char *path, struct err *err)
{
    json_error_t why = { .text = "out of memory" };
    json_t *root = NULL;
    struct stat st;
    FILE *in;

    if (stat(path, &st) != 0) {
        err_set(err, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > PROFILE_FILE_MAX) {
        err_set(err, "%s: not a file of at most %d bytes", path, PROFILE_FILE_MAX);
        return NULL;
    }
    in = fopen(path, "re");
    if (in == NULL) {
        err_set(err, "%s: %s", path, strerror(errno));
        return NULL;
    }
    root = json_loadf(in, JSON_REJECT_DUPLICATES, &why);
    fclose(in);
    if (root == NULL)
        err_set(err, "%s: %s", path, why.text);
    return root;
}

/* False for what does not fit, too: no setting is as long. */
static bool format_setting(const char *name, const json_t *value, char ret[static SETTING_MAX])
{
    int n = -1;

    if (json_is_string(value))
        n = snprintf(ret, SETTING_MAX, "%s=%s", name, json_string_value(value));
    else if (json_is_integer(value))
        n = snprintf(ret, SETTING_MAX, "%s=%" JSON_INTEGER_FORMAT, name, json_integer_value(value));
    return n > 0 && n < SETTING_MAX;
}

static bool add_one(struct store *s, const char *path, const char *name, const json_t *value,
                    struct err *err)
{
    char setting[SETTING_MAX];
    struct profile unused = { .n_aids = 0 };
    struct err why;

    if (!format_setting(name, value, setting))
        return err_set(err, "%s: setting '%.32s' has an invalid value", path, name);
    if (!profile_set(&unused, setting, &why))
        return err_set(err, "%s: %s", path, why.text);
    return store_add_setting(s, setting) || err_set(err, "%s: too many settings", path);
}

static bool add_all(struct store *s, const char *path, json_t *root, struct err *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    json_t *settings = json_object_get(root, "settings");

    if (format == NULL || strcmp(format, PROFILE_FILE_FORMAT) != 0 || !json_is_object(settings))
        return err_set(err, "%s: not a profile of the format " PROFILE_FILE_FORMAT, path);
    for (void *at = json_object_iter(settings); at != NULL;
         at = json_object_iter_next(settings, at))
        if (!add_one(s, path, json_object_iter_key(at), json_object_iter_value(at), err))
            return false;
    return true;
}

bool profile_file_add(struct store *s, const char *path, struct err *err)
{
    json_t *root = load(path, err);
    bool ok = root != NULL && add_all(s, path, root, err);

    json_decref(root);
    return ok;
}
