/* SPDX-License-Identifier: Apache-2.0 */
/* iotsafe doctor --as: another user or a service, as far as this process can be it. */
#ifndef DOCTOR_AS_H
#define DOCTOR_AS_H

#include <sys/types.h>

#include "doctor_unit.h"

#define AS_GROUPS_MAX 64

struct doctor_as {
    struct unit unit; /* without a name: a user alone */
    char user[64];
    uid_t uid;
    gid_t gid;
    gid_t groups[AS_GROUPS_MAX];
    int n_groups;
};

/** @return false after an error was reported: there is no such user or unit */
bool doctor_as_find(const char *name, struct doctor_as *ret_as);
void doctor_as_clear(struct doctor_as *as);

#endif
