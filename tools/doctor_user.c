/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor: why a path is closed to the user. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

/* The numbers too: a number that has no name is a common mistake of containers. */
static void user_text(uid_t uid, char *ret_text, size_t size)
{
    const struct passwd *user = getpwuid(uid);

    snprintf(ret_text, size, "%.40s (%u)", user != NULL ? user->pw_name : "without name", uid);
}

static void group_text(gid_t gid, char *ret_text, size_t size)
{
    const struct group *group = getgrgid(gid);

    snprintf(ret_text, size, "%.40s (%u)", group != NULL ? group->gr_name : "without name", gid);
}

static bool in_group(gid_t gid)
{
    gid_t groups[64];
    const int n = getgroups(64, groups);

    for (int i = 0; i < n; i++)
        if (groups[i] == gid)
            return true;
    return getegid() == gid;
}

static void explain(const char *path, char *ret_text, size_t size)
{
    char user[64], owner[64], group[64];
    struct stat st;

    user_text(geteuid(), user, sizeof(user));
    if (stat(path, &st) != 0) {
        snprintf(ret_text, size, "%s, for user %s", strerror(errno), user);
        return;
    }
    user_text(st.st_uid, owner, sizeof(owner));
    group_text(st.st_gid, group, sizeof(group));
    snprintf(ret_text, size, "%.120s has mode %04o, owner %s, group %s; user %s is %sin that group",
             path, st.st_mode & 07777U, owner, group, user, in_group(st.st_gid) ? "" : "not ");
}

void doctor_explain_closed(const char *path, char *ret_text, size_t size)
{
    char *part = strdup(path), *slash = part;

    /* the folders from above, then the thing itself */
    while (slash != NULL && (slash = strchr(slash + 1, '/')) != NULL) {
        *slash = '\0';
        if (access(part, X_OK) != 0) {
            explain(part, ret_text, size);
            free(part);
            return;
        }
        *slash = '/';
    }
    free(part);
    explain(path, ret_text, size);
}
