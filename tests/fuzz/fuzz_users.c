/* SPDX-License-Identifier: Apache-2.0 */
/* No group is known: looking for one in all the places where groups can be defined costs
 * more than everything else that an input does. */
#include <grp.h>
#include <stddef.h>

int __wrap_getgrnam_r(const char *name, struct group *ret_entry, char *buf, size_t size,
                      struct group **ret_found);

int __wrap_getgrnam_r(const char *name, struct group *ret_entry, char *buf, size_t size,
                      struct group **ret_found)
{
    (void)name, (void)ret_entry, (void)buf, (void)size;
    *ret_found = NULL;
    return 0;
}
