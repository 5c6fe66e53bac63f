/* SPDX-License-Identifier: MIT */
/* Encoding with learned merges, and their file form: {merges u32, zero u32}, then
 * {left u32, right u32} for each merge in the order of learning.
 *
 * Token 256 + r is what merge number r makes; every token has bytes of its own, so tokens
 * can be told apart by their bytes alone. A piece is encoded by merging, again and again,
 * the neighbours with the lowest rank, the leftmost first. Pieces are short
 * (BPE_PIECE_MAX), so that a plain search for the lowest rank beats any cleverer queue.
 * The rank of a pair is found in an open-addressed table at most half full. */
#include "model/text/bpe.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/text/bpe_int.h"
#include "model/text/lower.h"

#define NO_RANK UINT32_MAX
#define SYMBOLS_MAX LOWER_SIZE(BPE_PIECE_MAX)

struct pair_slot {
    uint32_t left, right;
    uint32_t rank; /* NO_RANK: free */
};

struct bpe {
    struct word_table tokens;
    struct bpe_merge *merges; /* [merge_count] in the order of rank */
    size_t merges_capacity;
    uint32_t merge_count;
    struct pair_slot *pairs; /* [pair_mask + 1] */
    size_t pair_mask;
};

void bpe_free(struct bpe *bpe)
{
    if (!bpe)
        return;
    word_table_fini(&bpe->tokens);
    free(bpe->merges);
    free(bpe->pairs);
    free(bpe);
}

static struct pair_slot *new_pairs(size_t count)
{
    struct pair_slot *pairs = memory_new_array(count, sizeof *pairs);
    for (size_t i = 0; pairs && i < count; i++)
        pairs[i].rank = NO_RANK;
    return pairs;
}

static struct pair_slot *find_pair(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    size_t at = (size_t)word_mix(key ^ bpe->tokens.secret[0], bpe->tokens.secret[1] | 1);
    for (;; at++) {
        struct pair_slot *slot = &bpe->pairs[at & bpe->pair_mask];
        if (slot->rank == NO_RANK || (slot->left == left && slot->right == right))
            return slot;
    }
}

enum err bpe_new(struct bpe **out)
{
    struct bpe *bpe = *out = memory_new_array(1, sizeof *bpe);
    uint32_t index;
    if (!bpe)
        return ERR_NO_MEMORY;
    enum err err = word_table_init(&bpe->tokens);
    for (unsigned byte = 0; !err && byte < BPE_BYTES; byte++) {
        char c = (char)byte;
        err = word_table_add(&bpe->tokens, span_of(&c, 1), &index);
    }
    bpe->pair_mask = 63;
    bpe->pairs = new_pairs(bpe->pair_mask + 1);
    if (!err && !bpe->pairs)
        err = ERR_NO_MEMORY;
    if (err) {
        bpe_free(bpe);
        *out = NULL;
    }
    return err;
}

static enum err widen_pairs(struct bpe *bpe)
{
    struct pair_slot *old = bpe->pairs, *wider = new_pairs((bpe->pair_mask + 1) * 2);
    size_t old_count = bpe->pair_mask + 1;
    if (!wider)
        return ERR_NO_MEMORY;
    bpe->pairs = wider;
    bpe->pair_mask = old_count * 2 - 1;
    for (size_t i = 0; i < old_count; i++)
        if (old[i].rank != NO_RANK)
            *find_pair(bpe, old[i].left, old[i].right) = old[i];
    free(old);
    return ERR_OK;
}

/* Adds the token that two others make; ERR_EXISTS, ERR_LIMIT as bpe_add_merge. */
static enum err add_token(struct bpe *bpe, struct bpe_merge merge)
{
    char bytes[BPE_TOKEN_SIZE_MAX];
    struct span left = bpe_token(bpe, merge.left), right = bpe_token(bpe, merge.right);
    uint32_t index, next = bpe->tokens.count;
    if (left.size + right.size > BPE_TOKEN_SIZE_MAX || next >= BPE_TOKENS_MAX)
        return ERR_LIMIT;
    memcpy(bytes, left.bytes, left.size);
    memcpy(bytes + left.size, right.bytes, right.size);
    enum err err =
        word_table_add(&bpe->tokens, span_of(bytes, left.size + right.size), &index);
    return err ? err : index < next ? ERR_EXISTS : ERR_OK;
}

enum err bpe_add_merge(struct bpe *bpe, struct bpe_merge merge)
{
    enum err err = memory_grow(&bpe->merges, &bpe->merges_capacity,
                               (size_t)bpe->merge_count + 1, sizeof *bpe->merges);
    if (!err && ((size_t)bpe->merge_count + 1) * 2 > bpe->pair_mask + 1)
        err = widen_pairs(bpe);
    if (!err)
        err = add_token(bpe, merge);
    if (err)
        return err;
    *find_pair(bpe, merge.left, merge.right) =
        (struct pair_slot){merge.left, merge.right, bpe->merge_count};
    bpe->merges[bpe->merge_count++] = merge;
    return ERR_OK;
}

uint32_t bpe_token_count(const struct bpe *bpe)
{
    return bpe->tokens.count;
}

struct span bpe_token(const struct bpe *bpe, uint32_t token)
{
    return word_table_word(&bpe->tokens, token);
}

enum err bpe_save(const struct bpe *bpe, struct buffer *bytes)
{
    uint32_t head[2] = {bpe->merge_count, 0};
    enum err err = buffer_append(bytes, head, sizeof head);
    if (!err && bpe->merge_count > 0)
        err = buffer_append(bytes, bpe->merges, bpe->merge_count * sizeof *bpe->merges);
    return err;
}

static enum err bad_file(struct err_info *info, const char *what)
{
    return err_set(info, ERR_BAD_MODEL_FILE, "The merges in the model file %s", what);
}

static enum err load_merges(struct bpe *bpe, const char *bytes, uint32_t count,
                            struct err_info *info)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; !err && i < count; i++) {
        struct bpe_merge merge;
        memcpy(&merge, bytes + i * sizeof merge, sizeof merge);
        if (merge.left >= bpe->tokens.count || merge.right >= bpe->tokens.count)
            return bad_file(info, "name a token that is not there yet");
        err = bpe_add_merge(bpe, merge);
    }
    if (err == ERR_EXISTS)
        return bad_file(info, "make a token twice");
    if (err == ERR_LIMIT)
        return bad_file(info, "make too long a token");
    return err;
}

enum err bpe_load(struct span bytes, struct bpe **out, struct err_info *info)
{
    uint32_t head[2];
    *out = NULL;
    if (bytes.size < sizeof head)
        return bad_file(info, "are cut off");
    memcpy(head, bytes.bytes, sizeof head);
    if (head[1] != 0 || head[0] > BPE_TOKENS_MAX - BPE_BYTES ||
        bytes.size - sizeof head != head[0] * sizeof(struct bpe_merge))
        return bad_file(info, "are not as many as they say");
    enum err err = bpe_new(out);
    if (!err)
        err = load_merges(*out, bytes.bytes + sizeof head, head[0], info);
    if (err) {
        bpe_free(*out);
        *out = NULL;
    }
    return err ? err_finish(info, err) : ERR_OK;
}

/* A piece on its way: its symbols and the rank of each with the one after it. */
struct symbols {
    size_t count;
    uint32_t tokens[SYMBOLS_MAX];
    uint32_t ranks[SYMBOLS_MAX]; /* the last is NO_RANK */
    uint8_t sizes[SYMBOLS_MAX];
};

static size_t lowest_rank(const struct symbols *symbols)
{
    size_t best = 0;
    uint32_t rank = symbols->ranks[0];
    for (size_t i = 1; i + 1 < symbols->count; i++)
        if (symbols->ranks[i] < rank) {
            rank = symbols->ranks[i];
            best = i;
        }
    return best;
}

static uint32_t rank_of(const struct bpe *bpe, const struct symbols *symbols, size_t at)
{
    if (at + 1 >= symbols->count)
        return NO_RANK;
    return find_pair(bpe, symbols->tokens[at], symbols->tokens[at + 1])->rank;
}

/* Makes one of the symbols at `at` and the one after it. */
static void merge_at(const struct bpe *bpe, struct symbols *symbols, size_t at)
{
    size_t after = symbols->count - at - 2;
    symbols->tokens[at] = BPE_BYTES + symbols->ranks[at];
    symbols->sizes[at] = (uint8_t)(symbols->sizes[at] + symbols->sizes[at + 1]);
    memmove(symbols->tokens + at + 1, symbols->tokens + at + 2,
            after * sizeof *symbols->tokens);
    memmove(symbols->ranks + at + 1, symbols->ranks + at + 2,
            after * sizeof *symbols->ranks);
    memmove(symbols->sizes + at + 1, symbols->sizes + at + 2,
            after * sizeof *symbols->sizes);
    symbols->count--;
    symbols->ranks[at] = rank_of(bpe, symbols, at);
    if (at > 0)
        symbols->ranks[at - 1] = rank_of(bpe, symbols, at - 1);
}

size_t bpe_encode(const struct bpe *bpe, struct span piece, uint8_t *sizes)
{
    struct symbols symbols;
    symbols.count = piece.size;
    for (size_t i = 0; i < piece.size; i++) {
        symbols.tokens[i] = (unsigned char)piece.bytes[i];
        symbols.sizes[i] = 1;
    }
    for (size_t i = 0; i < piece.size; i++)
        symbols.ranks[i] = rank_of(bpe, &symbols, i);
    while (symbols.count > 1) {
        size_t best = lowest_rank(&symbols);
        if (symbols.ranks[best] == NO_RANK)
            break;
        merge_at(bpe, &symbols, best);
    }
    memcpy(sizes, symbols.sizes, symbols.count);
    return symbols.count;
}
