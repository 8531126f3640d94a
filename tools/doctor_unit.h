/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd is told about a service: from systemd itself where it runs, else from the unit
 * file and its drop-ins, without specifiers. */
#ifndef DOCTOR_UNIT_H
#define DOCTOR_UNIT_H

#include <stdbool.h>

enum unit_key {
    UNIT_USER,
    UNIT_GROUP,
    UNIT_SUPPLEMENTARY_GROUPS,
    UNIT_ENVIRONMENT,
    UNIT_ENVIRONMENT_FILE,
    UNIT_PRIVATE_DEVICES,
    UNIT_DEVICE_POLICY,
    UNIT_DEVICE_ALLOW,
    UNIT_RESTRICT_FAMILIES,
    UNIT_PRIVATE_NETWORK,
    UNIT_PRIVATE_TMP,
    UNIT_PROTECT_HOME,
    UNIT_PROTECT_SYSTEM,
    UNIT_READ_WRITE_PATHS,
    UNIT_RUNTIME_DIRECTORY,
    UNIT_ROOT_DIRECTORY,
    UNIT_BIND_PATHS,
    UNIT_BIND_READ_ONLY_PATHS,
    UNIT_KEY_MAX
};

struct unit {
    char name[128];            /* with .service; empty: none */
    char *value[UNIT_KEY_MAX]; /* lists as they came, a line each; NULL: not set */
};

/** @return false if there is no such unit */
bool unit_read(const char *name, struct unit *ret_unit);
void unit_clear(struct unit *unit);

/** "" if it is not set. */
const char *unit_value(const struct unit *unit, enum unit_key key);
bool unit_says_yes(const struct unit *unit, enum unit_key key);

/**
 * The next word of a list, without its quotes.
 * @param at    where to go on; moved behind the word
 * @return allocated; NULL behind the last, or when out of memory
 */
char *unit_word(const char **at);

/** True if a word of the list is that text, or with a * at its end begins it; a - or + in
 *  front, and what stands behind a colon, do not count. */
bool unit_lists(const struct unit *unit, enum unit_key key, const char *text);

/** Set the environment of this process to that of the unit, and nothing else. */
bool unit_set_environment(const struct unit *unit);

#endif
