/* SPDX-License-Identifier: MIT */
/* A set of byte strings ("words") numbered in the order they came: what the vocabulary,
 * its counting and the learning of merges look words up in. Private to model/text.
 *
 * Words of up to 11 bytes, 98 % of running text, lie inside their slot: one load and one
 * comparison decide. Longer ones have a slot of {tag, index} and are compared in the
 * arena. Both tables are open-addressed, probed in line, at most half full; the hash is
 * keyed with random bits, so that no text can be written to make it collide. */
#ifndef FIRTH_MODEL_TEXT_WORD_TABLE_H
#define FIRTH_MODEL_TEXT_WORD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/span.h"

#define WORD_NONE UINT32_MAX
#define WORD_SHORT_MAX 11u

/* A short word: its bytes padded with zeros, its size in the last byte of the twelve. */
struct word_key {
    uint64_t head; /* bytes 0 … 7 */
    uint32_t tail; /* bytes 8 … 10, and the size in the top byte; 0: no word */
};

struct word_slot {
    uint64_t head;
    uint32_t tail;
    uint32_t index;
};

struct word_tag {
    uint32_t tag;   /* high half of the hash */
    uint32_t index; /* WORD_NONE: free */
};

struct word_table {
    uint64_t secret[2];
    struct word_slot *slots; /* [slot_mask + 1], aligned to a cache line */
    struct word_tag *tags;   /* [tag_mask + 1] */
    size_t slot_mask, tag_mask;
    size_t short_count, long_count;

    uint32_t count;          /* words */
    const uint64_t *offsets; /* [count + 1] word i is arena[offsets[i] … offsets[i+1]) */
    const char *arena;
    /* The same two when the table owns them; NULL when they are borrowed. */
    uint64_t *own_offsets;
    char *own_arena;
    size_t offsets_capacity, arena_capacity;
};

/* An empty table. word_table_fini is fine on a zeroed one and on a failed one. */
MUST_CHECK enum err word_table_init(struct word_table *table);
void word_table_fini(struct word_table *table);

/* A table over `count` words that lie in the caller's memory, which must outlive it.
 * ERR_EXISTS, with the word's number in *repeated, when two words are the same. */
MUST_CHECK enum err word_table_borrow(struct word_table *table, uint32_t count,
                                      const uint64_t *offsets, const char *arena,
                                      uint32_t *repeated);

/* The word's number, added when it is new (*index is then the old count). The empty word
 * is ERR_INVALID. */
MUST_CHECK enum err word_table_add(struct word_table *table, struct span word,
                                   uint32_t *index);

/* The word's number or WORD_NONE. */
uint32_t word_table_find(const struct word_table *table, struct span word);
uint32_t word_table_find_long(const struct word_table *table, struct span word);

static inline struct span word_table_word(const struct word_table *table, uint32_t index)
{
    uint64_t start = table->offsets[index];
    return span_of(table->arena + start, (size_t)(table->offsets[index + 1] - start));
}

/* The high and low half of a 128-bit product, folded: the hash's one step. */
static inline uint64_t word_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The key of a word of 1 … WORD_SHORT_MAX bytes of which 16 bytes may be read. */
static inline struct word_key word_key_wide(const char *bytes, size_t size)
{
    uint64_t head, tail;
    memcpy(&head, bytes, 8);
    memcpy(&tail, bytes + 8, 8);
    uint64_t keep = size < 8 ? UINT64_MAX >> (64 - 8 * size) : UINT64_MAX;
    uint64_t rest = size > 8 ? (UINT64_C(1) << 8 * (size - 8)) - 1 : 0;
    return (struct word_key){head & keep, (uint32_t)(tail & rest) | (uint32_t)size << 24};
}

/* The same where no byte after the word may be touched. */
static inline struct word_key word_key_tight(const char *bytes, size_t size)
{
    char padded[16] = {0};
    memcpy(padded, bytes, size);
    return word_key_wide(padded, size);
}

static inline uint64_t word_key_hash(const struct word_table *table, struct word_key key)
{
    return word_mix(key.head ^ table->secret[0], key.tail ^ table->secret[1]);
}

/* Walks from the slot a hash names to the key's slot or to a free one. */
static inline const struct word_slot *word_table_slot(const struct word_table *table,
                                                      struct word_key key, uint64_t hash)
{
    size_t at = (size_t)hash & table->slot_mask;
    for (;; at = (at + 1) & table->slot_mask) {
        const struct word_slot *slot = &table->slots[at];
        if ((slot->head == key.head && slot->tail == key.tail) || slot->tail == 0)
            return slot;
    }
}

#endif
