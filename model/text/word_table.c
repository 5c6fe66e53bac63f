/* SPDX-License-Identifier: MIT */
/* The table behind the vocabulary. The hash multiplies two 64-bit halves, each mixed with
 * a secret, into 128 bits and folds them (the step of wyhash and its kin); long words
 * take sixteen bytes a step. A free short slot has a zero tail, which no word has,
 * because the tail carries the word's size; its index is WORD_NONE, so that a search that
 * ends there already holds its answer. */
#include "model/text/word_table.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

#define FIRST_SLOTS 64u

/* All slots free. NULL when memory is out. */
static struct word_slot *new_slots(size_t count)
{
    struct word_slot *slots = memory_new_aligned(count, sizeof *slots);
    for (size_t i = 0; slots && i < count; i++)
        slots[i].index = WORD_NONE;
    return slots;
}

static struct word_tag *new_tags(size_t count)
{
    struct word_tag *tags = memory_new_aligned(count, sizeof *tags);
    for (size_t i = 0; tags && i < count; i++)
        tags[i].index = WORD_NONE;
    return tags;
}

static uint64_t read_64(const char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Hash of a word of any size above WORD_SHORT_MAX. */
static uint64_t hash_long(const struct word_table *table, struct span word)
{
    uint64_t hash = table->secret[0] ^ word.size;
    const char *next = word.bytes, *end = word.bytes + word.size;
    for (; end - next > 16; next += 16)
        hash = word_mix(read_64(next) ^ table->secret[1], read_64(next + 8) ^ hash);
    if (word.size >= 16)
        return word_mix(read_64(end - 16) ^ table->secret[1], read_64(end - 8) ^ hash);
    return word_mix(read_64(word.bytes) ^ table->secret[1], read_64(end - 8) ^ hash);
}

static enum err start(struct word_table *table)
{
    *table = (struct word_table){0};
    table->secret[0] = random_from_system();
    table->secret[1] = random_from_system();
    table->slots = new_slots(FIRST_SLOTS);
    table->tags = new_tags(FIRST_SLOTS);
    table->slot_mask = table->tag_mask = FIRST_SLOTS - 1;
    return table->slots && table->tags ? ERR_OK : ERR_NO_MEMORY;
}

enum err word_table_init(struct word_table *table)
{
    enum err err = start(table);
    if (!err)
        err = memory_grow(&table->own_offsets, &table->offsets_capacity, 1,
                          sizeof *table->own_offsets);
    if (!err)
        err = memory_grow(&table->own_arena, &table->arena_capacity, 1, 1);
    if (err)
        return err;
    table->own_offsets[0] = 0;
    table->offsets = table->own_offsets;
    table->arena = table->own_arena;
    return ERR_OK;
}

void word_table_fini(struct word_table *table)
{
    free(table->slots);
    free(table->tags);
    free(table->own_offsets);
    free(table->own_arena);
    *table = (struct word_table){0};
}

/* Finds the tag of a long word, or the free place where it belongs. */
static struct word_tag *find_tag(const struct word_table *table, struct span word,
                                 uint64_t hash)
{
    uint32_t mark = (uint32_t)(hash >> 32);
    size_t at = (size_t)hash & table->tag_mask;
    for (;; at = (at + 1) & table->tag_mask) {
        struct word_tag *tag = &table->tags[at];
        if (tag->index == WORD_NONE ||
            (tag->tag == mark && span_equal(word_table_word(table, tag->index), word)))
            return tag;
    }
}

uint32_t word_table_find_long(const struct word_table *table, struct span word)
{
    return find_tag(table, word, hash_long(table, word))->index;
}

uint32_t word_table_find(const struct word_table *table, struct span word)
{
    if (word.size == 0)
        return WORD_NONE;
    if (word.size > WORD_SHORT_MAX)
        return word_table_find_long(table, word);
    struct word_key key = word_key_tight(word.bytes, word.size);
    return word_table_slot(table, key, word_key_hash(table, key))->index;
}

static enum err resize_slots(struct word_table *table, size_t count)
{
    struct word_slot *old = table->slots, *larger = new_slots(count);
    size_t old_count = table->slot_mask + 1;
    if (!larger)
        return ERR_NO_MEMORY;
    table->slots = larger;
    table->slot_mask = count - 1;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].tail == 0)
            continue;
        struct word_key key = {old[i].head, old[i].tail};
        size_t at = (size_t)word_key_hash(table, key) & table->slot_mask;
        while (larger[at].tail != 0)
            at = (at + 1) & table->slot_mask;
        larger[at] = old[i];
    }
    free(old);
    return ERR_OK;
}

static enum err resize_tags(struct word_table *table, size_t count)
{
    struct word_tag *old = table->tags, *larger = new_tags(count);
    size_t old_count = table->tag_mask + 1;
    if (!larger)
        return ERR_NO_MEMORY;
    table->tags = larger;
    table->tag_mask = count - 1;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].index == WORD_NONE)
            continue;
        uint64_t hash = hash_long(table, word_table_word(table, old[i].index));
        size_t at = (size_t)hash & table->tag_mask;
        while (larger[at].index != WORD_NONE)
            at = (at + 1) & table->tag_mask;
        larger[at] = old[i];
    }
    free(old);
    return ERR_OK;
}

/* Makes both tables large enough to stay half empty with one word more. */
static enum err make_room(struct word_table *table)
{
    enum err err = ERR_OK;
    if ((table->short_count + 1) * 2 > table->slot_mask + 1)
        err = resize_slots(table, (table->slot_mask + 1) * 2);
    if (!err && (table->long_count + 1) * 2 > table->tag_mask + 1)
        err = resize_tags(table, (table->tag_mask + 1) * 2);
    return err;
}

/* Puts word number `index` into its table; ERR_EXISTS, and the number it has there in
 * *old, when it is there. There is room for it. */
static enum err enter(struct word_table *table, struct span word, uint32_t index,
                      uint32_t *old)
{
    *old = index;
    if (word.size > WORD_SHORT_MAX) {
        uint64_t hash = hash_long(table, word);
        struct word_tag *tag = find_tag(table, word, hash);
        if (tag->index != WORD_NONE) {
            *old = tag->index;
            return ERR_EXISTS;
        }
        *tag = (struct word_tag){(uint32_t)(hash >> 32), index};
        table->long_count++;
        return ERR_OK;
    }
    struct word_key key = word_key_tight(word.bytes, word.size);
    uint64_t hash = word_key_hash(table, key);
    size_t at = (size_t)(word_table_slot(table, key, hash) - table->slots);
    if (table->slots[at].tail != 0) {
        *old = table->slots[at].index;
        return ERR_EXISTS;
    }
    table->slots[at] = (struct word_slot){key.head, key.tail, index};
    table->short_count++;
    return ERR_OK;
}

enum err word_table_add(struct word_table *table, struct span word, uint32_t *index)
{
    *index = WORD_NONE;
    if (word.size == 0)
        return ERR_INVALID;
    *index = word_table_find(table, word);
    if (*index != WORD_NONE)
        return ERR_OK;
    if (table->count == WORD_NONE - 1)
        return ERR_LIMIT;
    size_t start_at = (size_t)table->own_offsets[table->count], end;
    if (!memory_add(start_at, word.size, &end))
        return ERR_NO_MEMORY;
    enum err err = make_room(table);
    if (!err)
        err = memory_grow(&table->own_arena, &table->arena_capacity, end, 1);
    if (!err)
        err = memory_grow(&table->own_offsets, &table->offsets_capacity,
                          (size_t)table->count + 2, sizeof *table->own_offsets);
    table->arena = table->own_arena;
    table->offsets = table->own_offsets;
    if (err)
        return err;
    memcpy(table->own_arena + start_at, word.bytes, word.size);
    table->own_offsets[table->count + 1] = end;
    err = enter(table, word, table->count, index);
    if (!err)
        table->count++;
    return err;
}

static size_t slots_for(size_t words)
{
    size_t slots = FIRST_SLOTS;
    while (slots < words * 2)
        slots *= 2;
    return slots;
}

enum err word_table_borrow(struct word_table *table, uint32_t count,
                           const uint64_t *offsets, const char *arena, uint32_t *repeated)
{
    size_t long_words = 0;
    uint32_t old;
    *repeated = 0;
    enum err err = start(table);
    for (uint32_t i = 0; i < count; i++)
        long_words += offsets[i + 1] - offsets[i] > WORD_SHORT_MAX;
    if (!err)
        err = resize_slots(table, slots_for(count - long_words));
    if (!err)
        err = resize_tags(table, slots_for(long_words));
    table->offsets = offsets;
    table->arena = arena;
    for (uint32_t i = 0; !err && i < count; i++) {
        err = enter(table, word_table_word(table, i), i, &old);
        table->count = i + 1;
        *repeated = i;
    }
    return err;
}
