/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn was when: turns go round by user, so that one who opens many
 * connections costs the others no more than one turn. No I/O. */
#ifndef BRIDGE_USERS_H
#define BRIDGE_USERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USERS_MAX 128

/** Also of users who have no connection now: who connects for each command anew is
 *  not served first for that. */
struct users {
    struct {
        uid_t uid;
        uint64_t served; /* order of turns */
    } list[USERS_MAX];
    size_t n;
    uint64_t turns;
};

/** When the user had a turn last: the smaller, the longer ago; 0: not that we know. */
uint64_t users_served(const struct users *u, uid_t uid);

/** The user has a turn now. */
void users_serve(struct users *u, uid_t uid);

#endif
