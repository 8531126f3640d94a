/* SPDX-License-Identifier: Apache-2.0 */
/* see cache.h */
#include "cache.h"

#include <stdlib.h>

const uint8_t *cache_get(const struct cache *cache, const uint8_t *key, size_t key_len,
                         size_t *ret_len)
{
    int64_t now = now_ms();

    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        const struct cache_entry *e = &cache->entries[i];

        if (e->key_len != key_len || key_len == 0 || memcmp(e->key, key, key_len) != 0
            || e->until_ms < now)
            continue;
        *ret_len = e->len;
        return e->data;
    }
    return NULL;
}

static void entry_free(struct cache_entry *e)
{
    free(e->data);
    memset(e, 0, sizeof(*e));
}

void cache_put(struct cache *cache, const uint8_t *key, size_t key_len, const uint8_t *data,
               size_t len)
{
    struct cache_entry *slot = &cache->entries[0];
    uint8_t *copy;

    if (key_len == 0 || key_len > CACHE_KEY_MAX)
        return;
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        struct cache_entry *e = &cache->entries[i];

        if (e->key_len == key_len && memcmp(e->key, key, key_len) == 0) {
            slot = e;
            break;
        }
        if (e->until_ms < slot->until_ms)
            slot = e;
    }
    copy = malloc(len != 0 ? len : 1);
    if (copy == NULL)
        return;
    if (len != 0)
        memcpy(copy, data, len);
    entry_free(slot);
    memcpy(slot->key, key, key_len);
    slot->key_len = key_len;
    slot->data = copy;
    slot->len = len;
    slot->until_ms = now_ms() + CACHE_MS;
}

void cache_clear(struct cache *cache)
{
    for (size_t i = 0; i < CACHE_ENTRIES; i++)
        entry_free(&cache->entries[i]);
}

void cache_drop(struct cache *cache, uint8_t ins)
{
    for (size_t i = 0; i < CACHE_ENTRIES; i++)
        if (cache->entries[i].key_len != 0 && cache->entries[i].key[0] == ins)
            entry_free(&cache->entries[i]);
}
