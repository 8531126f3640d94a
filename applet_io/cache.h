/* SPDX-License-Identifier: Apache-2.0 */
/* What was read from a card a moment ago, so that a program which opens the
 * same key three times in a row pays once. Entries live CACHE_MS. */
#ifndef APPLET_IO_CACHE_H
#define APPLET_IO_CACHE_H

#include "util.h"

#define CACHE_MS 2000
#define CACHE_ENTRIES 16
#define CACHE_KEY_MAX 96

struct cache {
    struct cache_entry {
        uint8_t key[CACHE_KEY_MAX];
        size_t key_len; /* 0: free */
        uint8_t *data;  /* owned */
        size_t len;
        int64_t until_ms;
    } entries[CACHE_ENTRIES];
};

/** @return the bytes, valid until the next call on this cache, or NULL */
const uint8_t *cache_get(const struct cache *cache, const uint8_t *key, size_t key_len,
                         size_t *ret_len);

/** Keep a copy; the oldest entry makes room. Out of memory keeps nothing. */
void cache_put(struct cache *cache, const uint8_t *key, size_t key_len, const uint8_t *data,
               size_t len);

/** Forget what the commands of one instruction have read: the first byte of their keys. */
void cache_drop(struct cache *cache, uint8_t ins);

/** Forget all. */
void cache_clear(struct cache *cache);

#endif
