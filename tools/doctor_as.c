/* SPDX-License-Identifier: Apache-2.0 */
/* see doctor_as.h */
#include "doctor_as.h"

#include <errno.h>
#include <grp.h>
#include <openssl/err.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "doctor.h"

/* ---- who ---- */

static void add_group(struct doctor_as *as, gid_t gid)
{
    if (as->n_groups < AS_GROUPS_MAX)
        as->groups[as->n_groups++] = gid;
}

/* By name or number. */
static bool find_user(const char *name, struct doctor_as *as)
{
    const struct passwd *user = getpwnam(name);
    char *end;
    unsigned long uid = strtoul(name, &end, 10);

    if (user == NULL && name[0] >= '0' && name[0] <= '9' && *end == '\0')
        user = getpwuid((uid_t)uid);
    if (user == NULL)
        return false;
    snprintf(as->user, sizeof(as->user), "%s", user->pw_name);
    as->uid = user->pw_uid;
    as->gid = user->pw_gid;
    as->n_groups = AS_GROUPS_MAX;
    if (getgrouplist(user->pw_name, user->pw_gid, as->groups, &as->n_groups) < 0)
        as->n_groups = AS_GROUPS_MAX;
    return true;
}

static bool find_group(const char *name, gid_t *ret_gid)
{
    const struct group *group = getgrnam(name);
    char *end;
    unsigned long gid = strtoul(name, &end, 10);

    if (group != NULL)
        *ret_gid = group->gr_gid;
    else if (name[0] >= '0' && name[0] <= '9' && *end == '\0')
        *ret_gid = (gid_t)gid;
    else
        return false;
    return true;
}

static bool add_unit_groups(struct doctor_as *as)
{
    const char *at = unit_value(&as->unit, UNIT_SUPPLEMENTARY_GROUPS);
    const char *group = unit_value(&as->unit, UNIT_GROUP);
    char *word;
    gid_t gid;

    if (group[0] != '\0' && !find_group(group, &as->gid)) {
        report_error("doctor: %s: there is no group %s", as->unit.name, group);
        return false;
    }
    while ((word = unit_word(&at)) != NULL) {
        const bool known = find_group(word, &gid);

        if (known)
            add_group(as, gid);
        else
            report_error("doctor: %s: there is no group %s", as->unit.name, word);
        free(word);
        if (!known)
            return false;
    }
    return true;
}

/* A service that systemd starts as root often goes on as the user of its name. */
static bool find_unit_user(const char *name, struct doctor_as *as)
{
    const char *user = unit_value(&as->unit, UNIT_USER);
    char bare[128];

    snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@."), name);
    if (user[0] == '\0' ? find_user(bare, as) || find_user("root", as) : find_user(user, as))
        return add_unit_groups(as);
    report_error("doctor: %s: there is no user %s", as->unit.name, user);
    return false;
}

bool doctor_as_find(const char *name, struct doctor_as *ret_as)
{
    struct doctor_as as = { .uid = 0 };
    bool found;

    if (unit_read(name, &as.unit)) {
        found = find_unit_user(name, &as);
    } else {
        found = find_user(name, &as);
        if (!found)
            report_error("doctor: there is neither a service nor a user called %s", name);
    }
    if (found)
        *ret_as = as;
    else
        unit_clear(&as.unit);
    return found;
}

void doctor_as_clear(struct doctor_as *as)
{
    unit_clear(&as->unit);
}

/* ---- to be that user ---- */

static bool set_environment(const struct doctor_as *as, const char *transport)
{
    const struct passwd *user = getpwuid(as->uid);

    if (as->unit.name[0] != '\0' && !unit_set_environment(&as->unit))
        return false;
    if (transport != NULL && setenv("IOTSAFE_TRANSPORT", transport, 1) != 0)
        return false;
    if (as->unit.name[0] == '\0')
        (void)unsetenv("XDG_RUNTIME_DIR"); /* the caller's own */
    return setenv("USER", as->user, 1) == 0 && setenv("LOGNAME", as->user, 1) == 0
           && (user == NULL || setenv("HOME", user->pw_dir, 1) == 0);
}

/* For good: this process does nothing else. */
static bool become(const struct doctor_as *as)
{
    if (geteuid() != 0)
        return getuid() == as->uid;
    if (setgroups((size_t)as->n_groups, as->groups) != 0
        || setresgid(as->gid, as->gid, as->gid) != 0 || setresuid(as->uid, as->uid, as->uid) != 0)
        return false;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* which the kernel has just forgotten */
    return true;
}

bool doctor_user(struct doctor *d)
{
    const struct doctor_as *as = d->as;

    if (as == NULL)
        return true;
    if (!set_environment(as, d->transport)) {
        d->no_memory = true;
        return false;
    }
    if (!become(as)) {
        doctor_find(d, FINDING_AS_REFUSED, "this user cannot become %s (%u)", as->user, as->uid);
        return false;
    }
    doctor_ok(d, "%s%s%s (%u)", as->unit.name, as->unit.name[0] != '\0' ? ", as user " : "user ",
              as->user, as->uid);
    return true;
}

/* ---- what a unit takes away ---- */

enum way { WAY_UNIX = 1, WAY_INET = 2, WAY_DEVICE = 4, WAY_LOCKS = 8 };

/* How the SIM is reached, and by which path: of a socket, or of a port. */
static unsigned way_of(const struct doctor *d, char ret_path[static 256])
{
    const char *transport = iotsafe_card_transport(d->card);
    const char *colon = strchr(transport, ':');
    const char *address = colon != NULL ? colon + 1 : "";
    const char *pcscd = secure_getenv("PCSCLITE_CSOCK_NAME");

    snprintf(ret_path, 256, "%.*s", (int)strcspn(address, "?"), address);
    if (strncmp(transport, "at:", 3) == 0)
        return WAY_DEVICE;
    if (strncmp(transport, "socket:", 7) == 0)
        return address[0] == '/' ? WAY_UNIX : WAY_INET;
    snprintf(ret_path, 256, "%s", pcscd != NULL ? pcscd : DOCTOR_PCSCD_SOCKET);
    return WAY_UNIX | WAY_LOCKS;
}

static bool is_under(const char *path, const char *folder)
{
    const size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* As /proc/devices calls the driver of a node: what DeviceAllow=char-NAME means. */
static bool driver_of(const char *path, char ret_name[static 64])
{
    FILE *devices = fopen("/proc/devices", "re");
    struct stat st;
    char line[128], name[64];
    unsigned number;
    bool found = false;

    if (devices != NULL && stat(path, &st) == 0)
        while (!found && fgets(line, sizeof(line), devices) != NULL
               && strncmp(line, "Block", 5) != 0)
            found = sscanf(line, "%u %63s", &number, name) == 2 && number == major(st.st_rdev);
    if (devices != NULL)
        fclose(devices);
    if (found)
        snprintf(ret_name, 64, "char-%.58s", name);
    return found;
}

static const char *no_device(const struct unit *unit, const char *path)
{
    const char *policy = unit_value(unit, UNIT_DEVICE_POLICY);
    const bool has_list = unit_value(unit, UNIT_DEVICE_ALLOW)[0] != '\0';
    char driver[64];

    if (unit_says_yes(unit, UNIT_PRIVATE_DEVICES))
        return "PrivateDevices=yes";
    if (strcmp(policy, "strict") != 0 && strcmp(policy, "closed") != 0 && !has_list)
        return NULL;
    if (unit_lists(unit, UNIT_DEVICE_ALLOW, path)
        || (driver_of(path, driver) && unit_lists(unit, UNIT_DEVICE_ALLOW, driver)))
        return NULL;
    return "DevicePolicy= and DeviceAllow=";
}

/* A list of what is allowed, or behind ~ of what is not. */
static bool has_family(const struct unit *unit, const char *family)
{
    const char *list = unit_value(unit, UNIT_RESTRICT_FAMILIES);
    struct unit plain = *unit;
    char *copy;
    bool listed;

    if (list[0] == '\0')
        return true;
    copy = strdup(list[0] == '~' ? list + 1 : list);
    plain.value[UNIT_RESTRICT_FAMILIES] = copy;
    listed = copy != NULL && unit_lists(&plain, UNIT_RESTRICT_FAMILIES, family);
    free(copy);
    return listed != (list[0] == '~');
}

static const char *no_unix(const struct unit *unit, const char *path)
{
    (void)path;
    return has_family(unit, "AF_UNIX") ? NULL : "RestrictAddressFamilies= without AF_UNIX";
}

static const char *no_inet(const struct unit *unit, const char *path)
{
    (void)path;
    if (unit_says_yes(unit, UNIT_PRIVATE_NETWORK))
        return "PrivateNetwork=yes";
    return has_family(unit, "AF_INET") || has_family(unit, "AF_INET6")
               ? NULL
               : "RestrictAddressFamilies= without AF_INET and AF_INET6";
}

static const char *other_tmp(const struct unit *unit, const char *path)
{
    const char *home = unit_value(unit, UNIT_PROTECT_HOME);

    if (unit_says_yes(unit, UNIT_PRIVATE_TMP)
        && (is_under(path, "/tmp") || is_under(path, "/var/tmp")))
        return "PrivateTmp=yes";
    if ((unit_says_yes(unit, UNIT_PROTECT_HOME) || strcmp(home, "tmpfs") == 0)
        && (is_under(path, "/home") || is_under(path, "/root") || is_under(path, "/run/user")))
        return "ProtectHome=";
    return NULL;
}

static bool is_bound(const struct unit *unit, enum unit_key key, const char *path)
{
    char folder[256];

    snprintf(folder, sizeof(folder), "%s", path);
    for (;;) {
        char *slash;

        if (unit_lists(unit, key, folder))
            return true;
        slash = strrchr(folder, '/');
        if (slash == NULL || slash == folder)
            return false;
        *slash = '\0';
    }
}

static const char *not_in_root(const struct unit *unit, const char *path)
{
    const char *root = unit_value(unit, UNIT_ROOT_DIRECTORY);
    char inside[512];

    snprintf(inside, sizeof(inside), "%.250s%s", root, path);
    return root[0] == '\0' || strcmp(root, "/") == 0 || access(inside, F_OK) == 0 || errno != ENOENT
                   || is_bound(unit, UNIT_BIND_PATHS, path)
                   || is_bound(unit, UNIT_BIND_READ_ONLY_PATHS, path)
               ? NULL
               : "RootDirectory=";
}

static const char *lock_folder(const struct doctor *d)
{
    const char *folder = secure_getenv("IOTSAFE_LOCK_DIR");

    if (folder != NULL && folder[0] != '\0')
        return folder;
    folder = d->iotsafe_values != NULL ? NCONF_get_string(d->conf, d->iotsafe_values, "lock-dir")
                                       : NULL;
    ERR_clear_error();
    return folder != NULL ? folder : "/run/iotsafe";
}

static const char *no_locks(const struct unit *unit, const char *folder)
{
    return strcmp(unit_value(unit, UNIT_PROTECT_SYSTEM), "strict") != 0
                   || is_bound(unit, UNIT_READ_WRITE_PATHS, folder)
                   || (is_under(folder, "/run")
                       && unit_lists(unit, UNIT_RUNTIME_DIRECTORY, folder + strlen("/run/")))
               ? NULL
               : "ProtectSystem=strict without ReadWritePaths= of the lock folder";
}

static const struct {
    unsigned ways;                                                /* that it bears on */
    const char *(*blocks)(const struct unit *, const char *path); /* by what; NULL: not at all */
    enum finding finding;
    const char *what;
} rules[] = {
    { WAY_DEVICE, no_device, FINDING_SANDBOX_DEVICE, "the modem's port" },
    { WAY_UNIX, no_unix, FINDING_SANDBOX_FAMILY, "the socket" },
    { WAY_INET, no_inet, FINDING_SANDBOX_NETWORK, "the address" },
    { WAY_UNIX | WAY_DEVICE, other_tmp, FINDING_SANDBOX_PATH, "the path" },
    { WAY_UNIX | WAY_DEVICE, not_in_root, FINDING_SANDBOX_ROOT, "in the unit's root, the path" },
    { WAY_LOCKS, no_locks, FINDING_SANDBOX_LOCKS, "the lock folder" },
};

bool doctor_sandbox(struct doctor *d)
{
    const struct unit *unit = d->as != NULL ? &d->as->unit : NULL;
    unsigned way;
    char path[256];

    if (unit == NULL || unit->name[0] == '\0' || d->card == NULL)
        return true;
    way = way_of(d, path);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const char *what = rules[i].ways == WAY_LOCKS ? lock_folder(d) : path;
        const char *by = (rules[i].ways & way) != 0 ? rules[i].blocks(unit, what) : NULL;

        if (by != NULL)
            doctor_find(d, rules[i].finding, "%s keeps %s %s from %s", by, rules[i].what, what,
                        unit->name);
    }
    doctor_ok(d, "%s leaves the way to the SIM open", unit->name);
    return true;
}
