/* SPDX-License-Identifier: MIT */
/* The vocabulary as an immutable table of words, and its file form:
 * {magic "FVOC", version u32, size u32, zero u32, arena bytes u64}, counts u64[size],
 * offsets u64[size + 1], arena. Everything but the hash table is used where it lies; the
 * table is rebuilt on loading, which costs less than reading it from disk would.
 *
 * The first three words are always "<unk>", "<s>" and "</s>", so an id alone tells what
 * is reserved. */
#include "model/text/vocab.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/text/vocab_int.h"

#define MAGIC "FVOC"
#define VERSION 1u

struct vocab_head {
    char magic[4];
    uint32_t version, size, zero;
    uint64_t arena_size;
};

static const char *const reserved[VOCAB_RESERVED] = {"<unk>", "<s>", "</s>"};

void vocab_free(struct vocab *vocab)
{
    if (!vocab)
        return;
    word_table_fini(&vocab->words);
    free(vocab->own_counts);
    free(vocab);
}

uint32_t vocab_size(const struct vocab *vocab)
{
    return vocab->words.count;
}

uint32_t vocab_id(const struct vocab *vocab, struct span word)
{
    uint32_t index = word_table_find(&vocab->words, word);
    return index == WORD_NONE ? (uint32_t)VOCAB_UNK : index;
}

struct span vocab_word(const struct vocab *vocab, uint32_t id)
{
    return word_table_word(&vocab->words, id);
}

uint64_t vocab_count(const struct vocab *vocab, uint32_t id)
{
    return vocab->counts[id];
}

#define GROUP 32u /* words whose slots are fetched before the first is looked at */

/* Looks up words[count ≤ GROUP]. */
static void look_up(const struct word_table *table, const struct span *words,
                    size_t count, const char *limit, uint32_t *ids)
{
    struct word_key keys[GROUP];
    uint64_t hashes[GROUP];
    for (size_t i = 0; i < count; i++) {
        size_t size = words[i].size;
        if (__builtin_expect(size - 1 >= WORD_SHORT_MAX, 0)) {
            keys[i].tail = 0;
            continue;
        }
        keys[i] = limit && limit - words[i].bytes >= 16
                      ? word_key_wide(words[i].bytes, size)
                      : word_key_tight(words[i].bytes, size);
        hashes[i] = word_key_hash(table, keys[i]);
        __builtin_prefetch(&table->slots[(size_t)hashes[i] & table->slot_mask]);
    }
    for (size_t i = 0; i < count; i++) {
        if (__builtin_expect(keys[i].tail != 0, 1))
            ids[i] = vocab_text_id(word_table_slot(table, keys[i], hashes[i])->index);
        else if (words[i].size == 0)
            ids[i] = VOCAB_EOS;
        else
            ids[i] = vocab_text_id(word_table_find_long(table, words[i]));
    }
}

void vocab_text_ids(const struct vocab *vocab, const struct span *words, size_t count,
                    const char *limit, uint32_t *ids)
{
    for (size_t i = 0; i < count; i += GROUP)
        look_up(&vocab->words, words + i, count - i < GROUP ? count - i : GROUP, limit,
                ids + i);
}

static enum err new_vocab(size_t counts, struct vocab **out)
{
    struct vocab *vocab = memory_new_array(1, sizeof *vocab);
    *out = vocab;
    if (!vocab)
        return ERR_NO_MEMORY;
    vocab->own_counts = memory_new_array(counts, sizeof *vocab->own_counts);
    vocab->counts = vocab->own_counts;
    return vocab->own_counts ? word_table_init(&vocab->words) : ERR_NO_MEMORY;
}

static enum err add_reserved(struct vocab *vocab)
{
    enum err err = ERR_OK;
    uint32_t index;
    for (uint32_t i = 0; !err && i < VOCAB_RESERVED; i++)
        err = word_table_add(&vocab->words, span_of_text(reserved[i]), &index);
    return err;
}

static enum err add_word(struct vocab *vocab, struct span word, uint64_t count,
                         bool *reserved_seen, size_t number, struct err_info *info)
{
    uint32_t before = vocab->words.count, index;
    enum err err = word_table_add(&vocab->words, word, &index);
    if (err == ERR_INVALID)
        return err_set_place(info, ERR_INVALID, 0, number,
                             "An empty word in a vocabulary");
    if (err)
        return err_set(info, err, "%s", err_text(err));
    bool repeated = index < before;
    if (index < VOCAB_RESERVED) {
        repeated = reserved_seen[index];
        reserved_seen[index] = true;
    }
    if (repeated)
        return err_set_place(info, ERR_INVALID, 0, number,
                             "The word \"%.*s\" is in the vocabulary twice",
                             (int)(word.size < 100 ? word.size : 100), word.bytes);
    vocab->own_counts[index] = count;
    return ERR_OK;
}

enum err vocab_from_words(const struct span *words, const uint64_t *counts, size_t count,
                          struct vocab **out, struct err_info *info)
{
    bool reserved_seen[VOCAB_RESERVED] = {false};
    *out = NULL;
    if (count > VOCAB_SIZE_MAX - VOCAB_RESERVED)
        return err_set(info, ERR_LIMIT, "A vocabulary has at most %u words",
                       VOCAB_SIZE_MAX);
    struct vocab *vocab;
    enum err err = new_vocab(count + VOCAB_RESERVED, &vocab);
    if (!err)
        err = add_reserved(vocab);
    for (size_t i = 0; !err && i < count; i++)
        err =
            add_word(vocab, words[i], counts ? counts[i] : 0, reserved_seen, i + 1, info);
    if (err) {
        vocab_free(vocab);
        return err_finish(info, err);
    }
    *out = vocab;
    return ERR_OK;
}

enum err vocab_save(const struct vocab *vocab, struct buffer *bytes)
{
    uint32_t size = vocab_size(vocab);
    struct vocab_head head = {MAGIC, VERSION, size, 0, vocab->words.offsets[size]};
    /* A failure of the first ones stays with the buffer and comes out of the last. */
    (void)buffer_append(bytes, &head, sizeof head);
    (void)buffer_append(bytes, vocab->counts, sizeof *vocab->counts * size);
    (void)buffer_append(bytes, vocab->words.offsets,
                        sizeof *vocab->words.offsets * ((size_t)size + 1));
    return buffer_append(bytes, vocab->words.arena, (size_t)head.arena_size);
}

static enum err bad_file(struct err_info *info, const char *what)
{
    return err_set(info, ERR_BAD_MODEL_FILE, "The vocabulary in the model file %s", what);
}

/* Checks the header and that the sizes it names fill `bytes` exactly. */
static enum err read_head(struct span bytes, struct vocab_head *head,
                          struct err_info *info)
{
    if (bytes.size < sizeof *head)
        return bad_file(info, "is cut off");
    memcpy(head, bytes.bytes, sizeof *head);
    if (memcmp(head->magic, MAGIC, sizeof head->magic) != 0 || head->version != VERSION)
        return bad_file(info, "is of an unknown form");
    if (head->size < VOCAB_RESERVED || head->size > VOCAB_SIZE_MAX || head->zero != 0)
        return bad_file(info, "has an impossible size");
    size_t left = bytes.size - sizeof *head, fixed = (2 * (size_t)head->size + 1) * 8;
    if (left < fixed || left - fixed != head->arena_size)
        return bad_file(info, "is not as long as it says");
    return ERR_OK;
}

/* Copies count numbers from wherever they lie. */
static uint64_t *copy_numbers(const char *from, size_t count)
{
    uint64_t *copy = memory_new_array(count, sizeof *copy);
    if (copy)
        memcpy(copy, from, count * sizeof *copy);
    return copy;
}

/* Points the counts and offsets at the file, or at copies where it is not aligned. */
static enum err place_numbers(struct vocab *vocab, const char *counts, uint32_t size,
                              const uint64_t **offsets)
{
    const char *after = counts + sizeof *vocab->counts * size;
    if ((uintptr_t)counts % sizeof(uint64_t) == 0) {
        vocab->counts = (const uint64_t *)(const void *)counts;
        *offsets = (const uint64_t *)(const void *)after;
        return ERR_OK;
    }
    vocab->counts = vocab->own_counts = copy_numbers(counts, size);
    *offsets = vocab->words.own_offsets = copy_numbers(after, (size_t)size + 1);
    return vocab->counts && *offsets ? ERR_OK : ERR_NO_MEMORY;
}

static enum err check_offsets(const uint64_t *offsets, const struct vocab_head *head,
                              struct err_info *info)
{
    if (offsets[0] != 0 || offsets[head->size] != head->arena_size)
        return bad_file(info, "has words outside its text");
    for (uint32_t i = 0; i < head->size; i++)
        if (offsets[i + 1] <= offsets[i])
            return bad_file(info, "has an empty word");
    return ERR_OK;
}

static enum err check_reserved(const struct vocab *vocab, struct err_info *info)
{
    for (uint32_t i = 0; i < VOCAB_RESERVED; i++)
        if (!span_equal(vocab_word(vocab, i), span_of_text(reserved[i])))
            return bad_file(info, "does not begin with <unk>, <s> and </s>");
    return ERR_OK;
}

static enum err load_words(struct vocab *vocab, struct span bytes,
                           const struct vocab_head *head, struct err_info *info)
{
    const uint64_t *offsets;
    uint32_t repeated;
    enum err err = place_numbers(vocab, bytes.bytes + sizeof *head, head->size, &offsets);
    if (!err)
        err = check_offsets(offsets, head, info);
    if (err)
        return err;
    /* The table is made anew around the offsets, which it must keep if it owns them. */
    uint64_t *own = vocab->words.own_offsets;
    const char *arena = bytes.bytes + bytes.size - head->arena_size;
    err = word_table_borrow(&vocab->words, head->size, offsets, arena, &repeated);
    vocab->words.own_offsets = own;
    if (err == ERR_EXISTS)
        return bad_file(info, "has a word twice");
    return err ? err : check_reserved(vocab, info);
}

enum err vocab_load(struct span bytes, struct vocab **out, struct err_info *info)
{
    struct vocab_head head;
    *out = NULL;
    enum err err = read_head(bytes, &head, info);
    if (err)
        return err;
    struct vocab *vocab = memory_new_array(1, sizeof *vocab);
    err = vocab ? load_words(vocab, bytes, &head, info) : ERR_NO_MEMORY;
    if (err) {
        vocab_free(vocab);
        return err_finish(info, err);
    }
    *out = vocab;
    return ERR_OK;
}
