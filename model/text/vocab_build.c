/* SPDX-License-Identifier: MIT */
/* Counting the words of a corpus. Each thread counts a piece of the text in a table of
 * its own; the tables are added up, and the words sorted by falling count, equal counts
 * by their bytes, so the result does not depend on how many threads counted. What the
 * settings do not keep goes to <unk>.
 *
 * Learned (bpe) vocabularies are closed: all their tokens are kept whatever their count,
 * so nothing is ever unknown. */
#include "model/text/vocab.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/text/tokenizer_int.h"
#include "model/text/vocab_int.h"
#include "model/text/word_stream.h"

#define BLOCK_WORDS 512u

/* The words of one piece and how often each came. */
struct tally {
    struct word_table words;
    uint64_t *counts; /* [counts_capacity], the first words.count in use */
    size_t counts_capacity;
    uint64_t tokens;
};

struct counting {
    const struct tokenizer *tokenizer;
    const struct progress *progress;
    struct span pieces[PARALLEL_THREADS_MAX];
    struct tally tallies[PARALLEL_THREADS_MAX];
    atomic_bool stopped;
};

static enum err tally_add(struct tally *tally, struct span word, uint64_t count)
{
    uint32_t index, before = tally->words.count;
    enum err err = word_table_add(&tally->words, word, &index);
    if (err)
        return err;
    if (index == before) {
        err = memory_grow(&tally->counts, &tally->counts_capacity, (size_t)index + 1,
                          sizeof *tally->counts);
        if (err)
            return err;
        tally->counts[index] = 0;
    }
    tally->counts[index] += count;
    return ERR_OK;
}

static void tally_fini(struct tally *tally)
{
    word_table_fini(&tally->words);
    free(tally->counts);
}

/* Tells the world how far this thread, the caller's, is; may set `stopped`. */
static void report(struct counting *counting, size_t position, size_t size)
{
    struct progress_report report = {.phase = "vocabulary"};
    report.fraction = size ? (double)position / (double)size : 1;
    report.tokens = counting->tallies[0].tokens;
    if (progress_report(counting->progress, &report) == PROGRESS_STOP)
        atomic_store(&counting->stopped, true);
}

static enum err count_piece(void *context, unsigned index, unsigned threads)
{
    struct counting *counting = context;
    struct tally *tally = &counting->tallies[index];
    struct span words[BLOCK_WORDS], piece = counting->pieces[index];
    struct word_stream *stream = NULL;
    size_t got = 0, reported = 0;
    (void)threads;
    enum err err = word_table_init(&tally->words);
    if (!err)
        err = word_stream_new(counting->tokenizer, piece, &stream);
    while (!err && !atomic_load_explicit(&counting->stopped, memory_order_relaxed) &&
           (got = word_stream_next(stream, words, BLOCK_WORDS)) > 0) {
        for (size_t i = 0; !err && i < got; i++) {
            if (words[i].size == 0) /* the end of a segment */
                continue;
            err = tally_add(tally, words[i], 1);
            tally->tokens++;
        }
        size_t position = word_stream_position(stream);
        if (index == 0 && position - reported >= 1u << 20) {
            report(counting, position, piece.size);
            reported = position;
        }
    }
    word_stream_free(stream);
    return err;
}

static enum err merge_tallies(struct tally *into, const struct tally *from)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; !err && i < from->words.count; i++)
        err = tally_add(into, word_table_word(&from->words, i), from->counts[i]);
    into->tokens += from->tokens;
    return err;
}

struct ranked {
    struct span word;
    uint64_t count;
};

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    size_t shorter = a->word.size < b->word.size ? a->word.size : b->word.size;
    int order = memcmp(a->word.bytes, b->word.bytes, shorter);
    if (order != 0)
        return order;
    return (a->word.size > b->word.size) - (a->word.size < b->word.size);
}

/* All words of the tally but the reserved ones, sorted; the count of <unk>. */
static enum err rank(const struct tally *tally, struct ranked **out, size_t *size,
                     uint64_t *unknown)
{
    struct ranked *ranked = memory_new_array(tally->words.count, sizeof *ranked);
    *out = ranked;
    *size = 0;
    *unknown = 0;
    if (!ranked)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < tally->words.count; i++) {
        struct span word = word_table_word(&tally->words, i);
        if (span_equal(word, span_of_text("<unk>")) ||
            span_equal(word, span_of_text("<s>")) ||
            span_equal(word, span_of_text("</s>")))
            *unknown += tally->counts[i];
        else
            ranked[(*size)++] = (struct ranked){word, tally->counts[i]};
    }
    qsort(ranked, *size, sizeof *ranked, compare_ranked);
    return ERR_OK;
}

/* How many of the ranked words the settings keep; the rest are added to *unknown. */
static size_t keep(const struct tokenizer_settings *settings, const struct ranked *ranked,
                   size_t size, uint64_t *unknown)
{
    size_t kept = size;
    if (settings->unit == UNIT_BPE)
        return size;
    if (settings->max_vocab > 0 && kept > settings->max_vocab)
        kept = settings->max_vocab;
    while (kept > 0 && ranked[kept - 1].count < settings->min_count)
        kept--;
    for (size_t i = kept; i < size; i++)
        *unknown += ranked[i].count;
    return kept;
}

/* The vocabulary of a whole tally. */
static enum err vocab_from_tally(const struct tokenizer_settings *settings,
                                 const struct tally *tally, struct vocab **out,
                                 struct err_info *info)
{
    struct ranked *ranked;
    struct span *words = NULL;
    uint64_t *counts = NULL, unknown;
    size_t size;
    enum err err = rank(tally, &ranked, &size, &unknown);
    if (err)
        return err_finish(info, err);
    size = keep(settings, ranked, size, &unknown);
    words = memory_new_array(size + 1, sizeof *words);
    counts = memory_new_array(size + 1, sizeof *counts);
    if (!words || !counts) {
        err = err_finish(info, ERR_NO_MEMORY);
        goto done;
    }
    words[0] = span_of_text("<unk>");
    counts[0] = unknown;
    for (size_t i = 0; i < size; i++) {
        words[i + 1] = ranked[i].word;
        counts[i + 1] = ranked[i].count;
    }
    err = vocab_from_words(words, counts, size + 1, out, info);
done:
    free(words);
    free(counts);
    free(ranked);
    return err;
}

/* A closed vocabulary has every token, also those this text does not use. */
static enum err add_closed(const struct tokenizer *tokenizer, struct tally *tally)
{
    enum err err = ERR_OK;
    if (tokenizer->settings.unit != UNIT_BPE)
        return ERR_OK;
    for (uint32_t i = 0; !err && i < bpe_token_count(tokenizer->bpe); i++)
        err = tally_add(tally, bpe_token(tokenizer->bpe, i), 0);
    return err;
}

enum err vocab_build(const struct tokenizer *tokenizer, struct span text,
                     unsigned threads, const struct progress *progress,
                     struct vocab **out, struct err_info *info)
{
    *out = NULL;
    struct counting *counting = memory_new_array(1, sizeof *counting);
    if (!counting)
        return err_finish(info, ERR_NO_MEMORY);
    if (threads == 0)
        threads = parallel_cores();
    if (threads > PARALLEL_THREADS_MAX)
        threads = PARALLEL_THREADS_MAX;
    counting->tokenizer = tokenizer;
    counting->progress = progress;
    text_split(&tokenizer->settings, text, threads, counting->pieces);
    enum err err = parallel_run(threads, count_piece, counting);
    struct tally *total = &counting->tallies[0];
    for (unsigned i = 1; !err && i < threads; i++)
        err = merge_tallies(total, &counting->tallies[i]);
    if (!err && atomic_load(&counting->stopped))
        err = ERR_CANCELLED;
    else if (!err && total->tokens == 0)
        err = ERR_EMPTY_CORPUS;
    if (!err)
        err = add_closed(tokenizer, total);
    if (!err)
        err = vocab_from_tally(&tokenizer->settings, total, out, info);
    for (unsigned i = 0; i < threads; i++)
        tally_fini(&counting->tallies[i]);
    free(counting);
    return err ? err_finish(info, err) : ERR_OK;
}
