/* SPDX-License-Identifier: Apache-2.0 */
/* see doctor_unit.h */
#include "doctor_unit.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT_PATH                                                            \
    "/etc/systemd/system:/run/systemd/system:/usr/local/lib/systemd/system:" \
    "/usr/lib/systemd/system:/lib/systemd/system"
#define SERVICE_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const struct {
    const char *name;
    enum unit_key key;
    bool list; /* a line adds to it, and an empty one empties it; else the last one counts */
} keys[] = {
    { "User", UNIT_USER, false },
    { "Group", UNIT_GROUP, false },
    { "SupplementaryGroups", UNIT_SUPPLEMENTARY_GROUPS, true },
    { "Environment", UNIT_ENVIRONMENT, true },
    { "EnvironmentFile", UNIT_ENVIRONMENT_FILE, true },
    { "EnvironmentFiles", UNIT_ENVIRONMENT_FILE, true }, /* so called by systemctl show */
    { "PrivateDevices", UNIT_PRIVATE_DEVICES, false },
    { "DevicePolicy", UNIT_DEVICE_POLICY, false },
    { "DeviceAllow", UNIT_DEVICE_ALLOW, true },
    { "RestrictAddressFamilies", UNIT_RESTRICT_FAMILIES, true },
    { "PrivateNetwork", UNIT_PRIVATE_NETWORK, false },
    { "PrivateTmp", UNIT_PRIVATE_TMP, false },
    { "ProtectHome", UNIT_PROTECT_HOME, false },
    { "ProtectSystem", UNIT_PROTECT_SYSTEM, false },
    { "ReadWritePaths", UNIT_READ_WRITE_PATHS, true },
    { "RuntimeDirectory", UNIT_RUNTIME_DIRECTORY, true },
    { "RootDirectory", UNIT_ROOT_DIRECTORY, false },
    { "BindPaths", UNIT_BIND_PATHS, true },
    { "BindReadOnlyPaths", UNIT_BIND_READ_ONLY_PATHS, true },
};

/* ---- lines ---- */

static char *trim(char *text)
{
    size_t len;

    while (isspace((unsigned char)*text))
        text++;
    len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

static void put(struct unit *unit, size_t row, const char *value)
{
    char **field = &unit->value[keys[row].key];
    char *joined = NULL;

    if (keys[row].list && value[0] != '\0' && *field != NULL) {
        if (asprintf(&joined, "%s\n%s", *field, value) < 0)
            return;
    } else {
        joined = strdup(value);
    }
    free(*field);
    *field = joined;
}

static void take_line(struct unit *unit, char *line)
{
    char *equals = strchr(line, '=');

    if (equals == NULL)
        return;
    *equals = '\0';
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i].name, trim(line)) == 0) {
            put(unit, i, trim(equals + 1));
            return;
        }
}

/* A line that ends with a backslash goes on in the next. Takes over `before`. */
static char *join(char *before, const char *line, size_t len)
{
    const size_t old = before != NULL ? strlen(before) : 0;
    char *joined = realloc(before, old + len + 2);

    if (joined == NULL) {
        free(before);
        return NULL;
    }
    memcpy(joined + old, line, len);
    strcpy(joined + old + len, line[len] == '\\' ? " " : "");
    return joined;
}

/* @param sections  false: there are none, all lines count */
static void read_lines(struct unit *unit, FILE *file, bool sections)
{
    bool ours = !sections;
    char *line = NULL, *joined = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) >= 0) {
        const char *text = trim(line);
        size_t len = strlen(text);
        const bool goes_on = len > 0 && text[len - 1] == '\\';

        if (text[0] == '#' || text[0] == ';')
            continue;
        joined = join(joined, text, goes_on ? len - 1 : len);
        if (goes_on || joined == NULL)
            continue;
        if (sections && joined[0] == '[')
            ours = strcmp(joined, "[Service]") == 0;
        else if (ours)
            take_line(unit, joined);
        free(joined);
        joined = NULL;
    }
    free(joined);
    free(line);
}

static bool read_file(struct unit *unit, const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return false;
    read_lines(unit, file, true);
    fclose(file);
    return true;
}

/* ---- where units are ---- */

/* "a@b.service" comes from "a@.service". */
static void template_of(const char *name, char ret_name[static 128])
{
    const char *at = strchr(name, '@');

    if (at != NULL)
        snprintf(ret_name, 128, "%.*s@.service", (int)(at - name), name);
    else
        snprintf(ret_name, 128, "%s", name);
}

/* Reads the files of that name and ending (a pattern) in each folder of the path, or in the
 * first that has one. @return true if there was one */
static bool for_folders(struct unit *unit, const char *name, const char *ending, bool all)
{
    const char *path = secure_getenv("SYSTEMD_UNIT_PATH");
    bool found = false;

    if (path == NULL || path[0] == '\0')
        path = UNIT_PATH;
    for (size_t len; *path != '\0' && (all || !found); path += len + (path[len] == ':')) {
        char text[512];
        glob_t files;

        len = strcspn(path, ":");
        snprintf(text, sizeof(text), "%.*s/%s%s", (int)len, path, name, ending);
        if (glob(text, 0, NULL, &files) != 0)
            continue;
        for (size_t i = 0; i < files.gl_pathc; i++)
            found = read_file(unit, files.gl_pathv[i]) || found;
        globfree(&files);
    }
    return found;
}

static bool read_files(struct unit *unit)
{
    char name[128];

    template_of(unit->name, name);
    if (!for_folders(unit, unit->name, "", false) && !for_folders(unit, name, "", false))
        return false;
    (void)for_folders(unit, name, ".d/*.conf", true);
    if (strcmp(name, unit->name) != 0)
        (void)for_folders(unit, unit->name, ".d/*.conf", true);
    return true;
}

/* Of a unit that is not there systemd tells defaults. */
static bool is_loaded(const char *name)
{
    char command[256];

    snprintf(command, sizeof(command),
             "systemctl show --property=LoadState -- '%s' 2>/dev/null | grep -qx LoadState=loaded",
             name);
    return system(command) == 0;
}

static bool ask_systemd(struct unit *unit)
{
    char command[256];
    FILE *pipe;

    if (!is_loaded(unit->name))
        return false;
    snprintf(command, sizeof(command), "systemctl show -- '%s' 2>/dev/null", unit->name);
    pipe = popen(command, "re");
    if (pipe == NULL)
        return false;
    read_lines(unit, pipe, false);
    return pclose(pipe) == 0;
}

/* The name goes to a shell, and into paths. */
static bool is_name(const char *name)
{
    return name[0] != '\0' && strlen(name) < 100
           && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@-")
                  == strlen(name);
}

bool unit_read(const char *name, struct unit *ret_unit)
{
    static const char ending[] = ".service";
    struct unit unit = { .name = "" };
    const size_t len = strlen(name);
    const bool whole = len > strlen(ending) && strcmp(name + len - strlen(ending), ending) == 0;
    bool found;

    if (!is_name(name))
        return false;
    snprintf(unit.name, sizeof(unit.name), "%s%s", name, whole ? "" : ending);
    if (secure_getenv("SYSTEMD_UNIT_PATH") == NULL && access("/run/systemd/system", F_OK) == 0)
        found = ask_systemd(&unit);
    else
        found = read_files(&unit);
    if (!found)
        unit_clear(&unit);
    else
        *ret_unit = unit;
    return found;
}

void unit_clear(struct unit *unit)
{
    for (int i = 0; i < UNIT_KEY_MAX; i++)
        free(unit->value[i]);
    memset(unit, 0, sizeof(*unit));
}

/* ---- values ---- */

const char *unit_value(const struct unit *unit, enum unit_key key)
{
    return unit->value[key] != NULL ? unit->value[key] : "";
}

bool unit_says_yes(const struct unit *unit, enum unit_key key)
{
    const char *value = unit_value(unit, key);

    return strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "on") == 0
           || strcmp(value, "1") == 0;
}

char *unit_word(const char **at)
{
    const char *p = *at + strspn(*at, " \t\n");
    char quote = '\0', *word;
    size_t n = 0;

    if (*p == '\0' || (word = malloc(strlen(p) + 1)) == NULL)
        return NULL;
    for (; *p != '\0' && (quote != '\0' || !isspace((unsigned char)*p)); p++) {
        if (*p == quote)
            quote = '\0';
        else if (quote == '\0' && (*p == '"' || *p == '\''))
            quote = *p;
        else
            word[n++] = *p == '\\' && p[1] != '\0' ? *++p : *p;
    }
    word[n] = '\0';
    *at = p;
    return word;
}

bool unit_lists(const struct unit *unit, enum unit_key key, const char *text)
{
    const char *at = unit_value(unit, key);
    bool listed = false;
    char *word;

    while ((word = unit_word(&at)) != NULL) {
        const char *plain = word + strspn(word, "-+");
        const size_t len = strcspn(plain, ":*");

        listed = listed
                 || (strncmp(plain, text, len) == 0 && (plain[len] == '*' || text[len] == '\0'));
        free(word);
    }
    return listed;
}

/* ---- the environment ---- */

static void put_variable(const char *text)
{
    const char *equals = strchr(text, '=');
    char *name = equals != NULL ? strndup(text, (size_t)(equals - text)) : NULL;

    if (name != NULL)
        (void)setenv(name, equals + 1, 1);
    free(name);
}

static void put_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    while (file != NULL && getline(&line, &size, file) >= 0) {
        char *text = trim(line), *value = strchr(text, '=');
        size_t len;

        if (text[0] == '#' || text[0] == ';' || value == NULL)
            continue;
        len = strlen(++value);
        if (len > 1 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
            value[len - 1] = '\0';
            memmove(value, value + 1, len - 1);
        }
        put_variable(text);
    }
    free(line);
    if (file != NULL)
        fclose(file);
}

bool unit_set_environment(const struct unit *unit)
{
    const char *at = unit_value(unit, UNIT_ENVIRONMENT);
    char *word;

    if (clearenv() != 0 || setenv("PATH", SERVICE_PATH, 1) != 0)
        return false;
    while ((word = unit_word(&at)) != NULL) {
        put_variable(word);
        free(word);
    }
    at = unit_value(unit, UNIT_ENVIRONMENT_FILE);
    while ((word = unit_word(&at)) != NULL) {
        if (word[0] == '/' || word[0] == '-') /* else "(ignore_errors=yes)" of systemctl */
            put_file(word[0] == '-' ? word + 1 : word);
        free(word);
    }
    return true;
}
