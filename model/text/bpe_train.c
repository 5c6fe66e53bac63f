/* SPDX-License-Identifier: MIT */
/* Learning merges: count the distinct pieces of the text once, then, as often as tokens
 * are wanted, merge the most frequent pair of neighbours everywhere.
 *
 * Only what a merge changes is counted again. Every pair knows the pieces it has been
 * seen in (a list that may be out of date, never incomplete), so a merge visits those
 * pieces only. The most frequent pair comes from a heap whose counts may be too high but
 * never too low: a pair's count only falls after the merge that brought it up, so what
 * comes off the heap with an old count is put back with the present one. Equal counts are
 * decided by the tokens' numbers; the result depends on nothing but the text.
 *
 * A pair whose bytes together are a token already, or too long for one, is never merged.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "model/text/bpe_int.h"
#include "model/text/tally.h"
#include "model/text/tokenizer_int.h"

#define PIECES_MAX ((size_t)1 << 21) /* the most frequent ones are learned from */
#define NO_PAIR UINT32_MAX

struct pair {
    uint32_t left, right;
    uint64_t count;
    uint32_t *pieces; /* [piece_count] where it may be found */
    size_t piece_count, capacity;
};

struct candidate {
    uint64_t count;
    uint32_t pair;
};

struct learner {
    struct bpe *bpe;
    /* Pieces: symbols[starts[i] … starts[i] + lengths[i]), each counts[i] times. */
    size_t piece_count;
    uint32_t *symbols;
    size_t *starts;
    uint8_t *lengths;
    uint64_t *counts;
    struct pair *pairs;
    size_t pair_count, pairs_capacity;
    uint32_t *index; /* [index_mask + 1] open-addressed, NO_PAIR where free */
    size_t index_mask;
    struct candidate *heap;
    size_t heap_count, heap_capacity;
};

static void learner_fini(struct learner *learner)
{
    for (size_t i = 0; i < learner->pair_count; i++)
        free(learner->pairs[i].pieces);
    free(learner->symbols);
    free(learner->starts);
    free(learner->lengths);
    free(learner->counts);
    free(learner->pairs);
    free(learner->index);
    free(learner->heap);
}

static size_t index_place(const struct learner *learner, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    size_t at = (size_t)word_mix(key, UINT64_C(0x9e3779b97f4a7c15));
    for (;; at++) {
        uint32_t number = learner->index[at & learner->index_mask];
        if (number == NO_PAIR || (learner->pairs[number].left == left &&
                                  learner->pairs[number].right == right))
            return at & learner->index_mask;
    }
}

static enum err widen_index(struct learner *learner, size_t size)
{
    uint32_t *wider = memory_new_array(size, sizeof *wider);
    if (!wider)
        return ERR_NO_MEMORY;
    memset(wider, 0xff, size * sizeof *wider);
    free(learner->index);
    learner->index = wider;
    learner->index_mask = size - 1;
    for (size_t i = 0; i < learner->pair_count; i++) {
        const struct pair *pair = &learner->pairs[i];
        learner->index[index_place(learner, pair->left, pair->right)] = (uint32_t)i;
    }
    return ERR_OK;
}

/* The number of a pair, made when it is new. */
static enum err need_pair(struct learner *learner, uint32_t left, uint32_t right,
                          uint32_t *number)
{
    size_t place = index_place(learner, left, right);
    *number = learner->index[place];
    if (*number != NO_PAIR)
        return ERR_OK;
    if (learner->pair_count >= NO_PAIR)
        return ERR_LIMIT;
    enum err err = memory_grow(&learner->pairs, &learner->pairs_capacity,
                               learner->pair_count + 1, sizeof *learner->pairs);
    if (err)
        return err;
    *number = (uint32_t)learner->pair_count++;
    learner->pairs[*number] = (struct pair){.left = left, .right = right};
    learner->index[place] = *number;
    if (learner->pair_count * 2 > learner->index_mask)
        err = widen_index(learner, (learner->index_mask + 1) * 2);
    return err;
}

/* Counts a pair once more in a piece. */
static enum err count_pair(struct learner *learner, uint32_t left, uint32_t right,
                           uint32_t piece)
{
    uint32_t number;
    enum err err = need_pair(learner, left, right, &number);
    if (err)
        return err;
    struct pair *pair = &learner->pairs[number];
    pair->count += learner->counts[piece];
    if (pair->piece_count > 0 && pair->pieces[pair->piece_count - 1] == piece)
        return ERR_OK;
    err = memory_grow(&pair->pieces, &pair->capacity, pair->piece_count + 1,
                      sizeof *pair->pieces);
    if (!err)
        pair->pieces[pair->piece_count++] = piece;
    return err;
}

static void uncount_pair(struct learner *learner, uint32_t left, uint32_t right,
                         uint32_t piece)
{
    uint32_t number = learner->index[index_place(learner, left, right)];
    learner->pairs[number].count -= learner->counts[piece];
}

/* Does candidate a come before b? */
static bool before(const struct learner *learner, struct candidate a, struct candidate b)
{
    const struct pair *left = &learner->pairs[a.pair], *right = &learner->pairs[b.pair];
    if (a.count != b.count)
        return a.count > b.count;
    if (left->left != right->left)
        return left->left < right->left;
    return left->right < right->right;
}

static enum err heap_push(struct learner *learner, struct candidate candidate)
{
    enum err err = memory_grow(&learner->heap, &learner->heap_capacity,
                               learner->heap_count + 1, sizeof *learner->heap);
    if (err)
        return err;
    size_t at = learner->heap_count++;
    while (at > 0 && before(learner, candidate, learner->heap[(at - 1) / 2])) {
        learner->heap[at] = learner->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    learner->heap[at] = candidate;
    return ERR_OK;
}

/* heap_count > 0. */
static struct candidate heap_pop(struct learner *learner)
{
    struct candidate top = learner->heap[0], last = learner->heap[--learner->heap_count];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < learner->heap_count) {
        if (child + 1 < learner->heap_count &&
            before(learner, learner->heap[child + 1], learner->heap[child]))
            child++;
        if (!before(learner, learner->heap[child], last))
            break;
        learner->heap[at] = learner->heap[child];
        at = child;
    }
    learner->heap[at] = last;
    return top;
}

/* Pushes the pairs from number `first` on. */
static enum err push_pairs(struct learner *learner, size_t first, uint64_t least)
{
    enum err err = ERR_OK;
    for (size_t i = first; !err && i < learner->pair_count; i++)
        if (learner->pairs[i].count >= least)
            err = heap_push(learner,
                            (struct candidate){learner->pairs[i].count, (uint32_t)i});
    return err;
}

static enum err take_pieces(struct learner *learner, const struct tally_word *ranked,
                            size_t count)
{
    size_t symbols = 0;
    for (size_t i = 0; i < count; i++)
        symbols += ranked[i].word.size;
    learner->piece_count = count;
    learner->symbols = memory_new_array(symbols, sizeof *learner->symbols);
    learner->starts = memory_new_array(count, sizeof *learner->starts);
    learner->lengths = memory_new_array(count, sizeof *learner->lengths);
    learner->counts = memory_new_array(count, sizeof *learner->counts);
    if (!learner->symbols || !learner->starts || !learner->lengths || !learner->counts)
        return ERR_NO_MEMORY;
    symbols = 0;
    for (size_t i = 0; i < count; i++) {
        learner->starts[i] = symbols;
        learner->lengths[i] = (uint8_t)ranked[i].word.size;
        learner->counts[i] = ranked[i].count;
        for (size_t j = 0; j < ranked[i].word.size; j++)
            learner->symbols[symbols++] = (unsigned char)ranked[i].word.bytes[j];
    }
    return ERR_OK;
}

static enum err count_all_pairs(struct learner *learner)
{
    enum err err = widen_index(learner, 1u << 12);
    for (size_t i = 0; !err && i < learner->piece_count; i++) {
        const uint32_t *symbols = learner->symbols + learner->starts[i];
        for (size_t j = 0; !err && j + 1 < learner->lengths[i]; j++)
            err = count_pair(learner, symbols[j], symbols[j + 1], (uint32_t)i);
    }
    return err;
}

/* Merges a pair everywhere in one piece, from left to right, and moves the counts of the
 * neighbours from the old pairs to the new ones. */
static enum err merge_in_piece(struct learner *learner, struct bpe_merge merge,
                               uint32_t token, uint32_t piece)
{
    uint32_t *symbols = learner->symbols + learner->starts[piece];
    size_t length = learner->lengths[piece], out = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < length; i++) {
        if (err || i + 1 == length || symbols[i] != merge.left ||
            symbols[i + 1] != merge.right) {
            symbols[out++] = symbols[i];
            continue;
        }
        if (out > 0) {
            uncount_pair(learner, symbols[out - 1], merge.left, piece);
            err = count_pair(learner, symbols[out - 1], token, piece);
        }
        if (!err && i + 2 < length) {
            uncount_pair(learner, merge.right, symbols[i + 2], piece);
            err = count_pair(learner, token, symbols[i + 2], piece);
        }
        symbols[out++] = token;
        i++;
    }
    learner->lengths[piece] = (uint8_t)out;
    return err;
}

/* Makes the pair the next token and merges it everywhere. */
static enum err merge_pair(struct learner *learner, uint32_t number, uint64_t least)
{
    struct bpe_merge merge = {learner->pairs[number].left, learner->pairs[number].right};
    uint32_t token = bpe_token_count(learner->bpe);
    size_t pieces = learner->pairs[number].piece_count, known = learner->pair_count;
    enum err err = bpe_add_merge(learner->bpe, merge);
    if (err == ERR_EXISTS || err == ERR_LIMIT)
        return ERR_OK; /* it came off the heap and is not put back */
    /* No new pair equals this one, so its list stays still while others grow. */
    for (size_t i = 0; !err && i < pieces; i++)
        err = merge_in_piece(learner, merge, token, learner->pairs[number].pieces[i]);
    struct pair *done = &learner->pairs[number];
    free(done->pieces);
    done->pieces = NULL;
    done->piece_count = done->capacity = 0;
    done->count = 0;
    return err ? err : push_pairs(learner, known, least);
}

static enum err tell(const struct progress *progress, uint32_t tokens, uint32_t wanted)
{
    struct progress_report report = {.phase = "merges"};
    report.fraction = (double)tokens / wanted;
    report.step = tokens;
    report.steps_total = wanted;
    return progress_report(progress, &report) == PROGRESS_STOP ? ERR_CANCELLED : ERR_OK;
}

static enum err learn(struct learner *learner, uint32_t wanted, uint64_t least,
                      const struct progress *progress)
{
    uint32_t told = 0, tokens;
    enum err err = count_all_pairs(learner);
    if (!err)
        err = push_pairs(learner, 0, least);
    while (!err && learner->heap_count > 0 &&
           (tokens = bpe_token_count(learner->bpe)) < wanted) {
        struct candidate best = heap_pop(learner);
        uint64_t count = learner->pairs[best.pair].count;
        if (count == best.count)
            err = merge_pair(learner, best.pair, least);
        else if (count >= least)
            err = heap_push(learner, (struct candidate){count, best.pair});
        if (!err && tokens - told >= 100) {
            err = tell(progress, tokens, wanted);
            told = tokens;
        }
    }
    return err;
}

static uint32_t tokens_wanted(const struct tokenizer_settings *settings)
{
    return settings->max_vocab ? settings->max_vocab : BPE_DEFAULT_TOKENS;
}

enum err bpe_check(const struct tokenizer_settings *settings, struct err_info *info)
{
    uint32_t wanted = tokens_wanted(settings);
    if (wanted < BPE_BYTES || wanted > BPE_TOKENS_MAX)
        return err_set_field(
            info, ERR_INVALID, "/tokenizer/max_vocab",
            "A bpe vocabulary has from %u (the bytes alone) to %u tokens, "
            "or 0 for %u",
            BPE_BYTES, BPE_TOKENS_MAX, BPE_DEFAULT_TOKENS);
    return ERR_OK;
}

enum err bpe_train(const struct tokenizer_settings *settings, struct span text,
                   const struct progress *progress, struct bpe **out,
                   struct err_info *info)
{
    const struct tokenizer unlearned = {.settings = *settings};
    struct learner learner = {0};
    struct tally tally = {0};
    struct tally_word *ranked = NULL;
    uint32_t wanted = tokens_wanted(settings);
    *out = NULL;
    enum err err = bpe_check(settings, info);
    if (err)
        return err;
    err = tally_text(&tally, &unlearned, text, 0, progress);
    if (!err)
        err = tally_rank(&tally, &ranked);
    if (!err)
        err =
            take_pieces(&learner, ranked,
                        tally.words.count < PIECES_MAX ? tally.words.count : PIECES_MAX);
    free(ranked);
    tally_fini(&tally);
    if (!err)
        err = bpe_new(&learner.bpe);
    if (!err)
        err = learn(&learner, wanted, settings->min_count > 2 ? settings->min_count : 2,
                    progress);
    learner_fini(&learner);
    if (err) {
        bpe_free(learner.bpe);
        return err_finish(info, err);
    }
    *out = learner.bpe;
    return ERR_OK;
}
