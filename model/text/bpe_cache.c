/* SPDX-License-Identifier: MIT */
/* A direct-mapped table: a piece has one place, and whoever comes last keeps it, so that
 * frequent pieces win most of the time and nothing ever grows. An entry is half a cache
 * line: the piece padded with zeros, its size in the sixteenth byte, then the number of
 * its tokens and their sizes. Longer pieces are encoded each time. */
#include "model/text/bpe_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/word_table.h"

#define ENTRIES ((size_t)1 << 13)
#define CACHED_MAX 15u

struct entry {
    uint64_t key[2]; /* size 0: free */
    uint8_t count;
    uint8_t sizes[CACHED_MAX];
};

struct bpe_cache {
    struct entry entries[ENTRIES];
};

struct bpe_cache *bpe_cache_new(void)
{
    return memory_new_aligned(1, sizeof(struct bpe_cache));
}

void bpe_cache_free(struct bpe_cache *cache)
{
    free(cache);
}

static inline void make_key(struct span piece, const char *limit, uint64_t *key)
{
    if (limit - piece.bytes >= 16) {
        memcpy(key, piece.bytes, 16);
        uint64_t keep = (UINT64_C(1) << 8 * (piece.size & 7)) - 1;
        key[1] &= piece.size < 8 ? 0 : keep;
        key[0] &= piece.size < 8 ? keep : UINT64_MAX;
    } else {
        key[0] = key[1] = 0;
        memcpy(key, piece.bytes, piece.size);
    }
    key[1] |= (uint64_t)piece.size << 56;
}

size_t bpe_cache_encode(struct bpe_cache *cache, const struct bpe *bpe, struct span piece,
                        const char *limit, uint8_t *sizes)
{
    uint64_t key[2];
    if (!cache || piece.size > CACHED_MAX)
        return bpe_encode(bpe, piece, sizes);
    make_key(piece, limit, key);
    uint64_t hash = word_mix(key[0] ^ UINT64_C(0x9e3779b97f4a7c15),
                             key[1] ^ UINT64_C(0xd1b54a32d192ed03));
    struct entry *entry = &cache->entries[hash % ENTRIES];
    if (entry->key[0] != key[0] || entry->key[1] != key[1]) {
        uint8_t fresh[CACHED_MAX];
        entry->count = (uint8_t)bpe_encode(bpe, piece, fresh);
        entry->key[0] = key[0];
        entry->key[1] = key[1];
        memcpy(entry->sizes, fresh, entry->count);
    }
    memcpy(sizes, entry->sizes, CACHED_MAX);
    return entry->count;
}
