/* SPDX-License-Identifier: Apache-2.0 */
/* see users.h */
#include "users.h"

static size_t find(const struct users *u, uid_t uid)
{
    size_t i = 0;

    while (i < u->n && u->list[i].uid != uid)
        i++;
    return i;
}

static size_t longest_ago(const struct users *u)
{
    size_t first = 0;

    for (size_t i = 1; i < u->n; i++)
        if (u->list[i].served < u->list[first].served)
            first = i;
    return first;
}

uint64_t users_served(const struct users *u, uid_t uid)
{
    size_t i = find(u, uid);

    return i < u->n ? u->list[i].served : 0;
}

void users_serve(struct users *u, uid_t uid)
{
    size_t i = find(u, uid);

    if (i == USERS_MAX)
        i = longest_ago(u);
    else if (i == u->n)
        u->n++;
    u->list[i].uid = uid;
    u->list[i].served = ++u->turns;
}
