/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"

static bool has(const struct cache *c, const char *key, const char *want)
{
    size_t len = 0;
    const uint8_t *data = cache_get(c, (const uint8_t *)key, strlen(key), &len);

    return data != NULL && len == strlen(want) && memcmp(data, want, len) == 0;
}

static void put(struct cache *c, const char *key, const char *value)
{
    cache_put(c, (const uint8_t *)key, strlen(key), (const uint8_t *)value, strlen(value));
}

Test(cache, gives_back_what_was_put_and_replaces_it)
{
    struct cache c = { 0 };

    cr_expect(!has(&c, "a", "1"));
    put(&c, "a", "1");
    put(&c, "b", "");
    cr_expect(has(&c, "a", "1"));
    cr_expect(has(&c, "b", ""));
    put(&c, "a", "22");
    cr_expect(has(&c, "a", "22"));
    cache_clear(&c);
    cr_expect(!has(&c, "a", "22"));
}

Test(cache, forgets_after_its_time)
{
    struct cache c = { 0 };

    put(&c, "a", "1");
    c.entries[0].until_ms = now_ms() - 1;
    cr_expect(!has(&c, "a", "1"));
    cache_clear(&c);
}

Test(cache, makes_room_and_refuses_long_keys)
{
    struct cache c = { 0 };
    char key[CACHE_KEY_MAX + 2];

    for (int i = 0; i < 3 * CACHE_ENTRIES; i++) {
        (void)snprintf(key, sizeof(key), "key %d", i);
        put(&c, key, "value");
    }
    cr_expect(has(&c, key, "value"));
    memset(key, 'x', sizeof(key));
    key[CACHE_KEY_MAX + 1] = '\0';
    put(&c, key, "value");
    cr_expect(!has(&c, key, "value"));
    cache_clear(&c);
}
