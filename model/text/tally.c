/* SPDX-License-Identifier: MIT */
/* Each thread counts one piece of the text in a table of its own; the tables are then
 * added up in order. The order in which words were met differs with the number of
 * threads, so whoever needs one order asks for the ranked words. */
#include "model/text/tally.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/text/vocab.h"
#include "model/text/word_stream.h"

#define BLOCK_WORDS 512u
#define SMALL_TEXT ((size_t)1 << 16) /* no second thread for less */

struct counting {
    const struct tokenizer *tokenizer;
    const struct progress *progress;
    struct span pieces[PARALLEL_THREADS_MAX];
    struct tally tallies[PARALLEL_THREADS_MAX];
    atomic_bool stopped;
};

enum err tally_add(struct tally *tally, struct span word, uint64_t count)
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
    tally->tokens += count;
    return ERR_OK;
}

void tally_fini(struct tally *tally)
{
    word_table_fini(&tally->words);
    free(tally->counts);
    *tally = (struct tally){0};
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

static enum err count_words(struct counting *counting, struct word_stream *stream,
                            unsigned index)
{
    struct tally *tally = &counting->tallies[index];
    struct span words[BLOCK_WORDS];
    size_t got, reported = 0;
    enum err err = ERR_OK;
    while (!err && !atomic_load_explicit(&counting->stopped, memory_order_relaxed) &&
           (got = word_stream_next(stream, words, BLOCK_WORDS)) > 0) {
        for (size_t i = 0; !err && i < got; i++)
            if (words[i].size > 0) /* else the end of a segment */
                err = tally_add(tally, words[i], 1);
        size_t position = word_stream_position(stream);
        if (index == 0 && position - reported >= (size_t)1 << 20) {
            report(counting, position, counting->pieces[0].size);
            reported = position;
        }
    }
    return err;
}

static enum err count_piece(void *context, unsigned index, unsigned threads)
{
    struct counting *counting = context;
    struct word_stream *stream = NULL;
    (void)threads;
    enum err err = word_table_init(&counting->tallies[index].words);
    if (!err)
        err = word_stream_new(counting->tokenizer, counting->pieces[index], &stream);
    if (!err)
        err = count_words(counting, stream, index);
    word_stream_free(stream);
    return err;
}

static enum err add_up(struct tally *into, const struct tally *from)
{
    enum err err = ERR_OK;
    for (uint32_t i = 0; !err && i < from->words.count; i++)
        err = tally_add(into, word_table_word(&from->words, i), from->counts[i]);
    return err;
}

enum err tally_text(struct tally *tally, const struct tokenizer *tokenizer,
                    struct span text, unsigned threads, const struct progress *progress)
{
    *tally = (struct tally){0};
    struct counting *counting = memory_new_array(1, sizeof *counting);
    if (!counting)
        return ERR_NO_MEMORY;
    if (threads == 0)
        threads = parallel_cores();
    if (threads > PARALLEL_THREADS_MAX)
        threads = PARALLEL_THREADS_MAX;
    if (text.size < SMALL_TEXT)
        threads = 1;
    counting->tokenizer = tokenizer;
    counting->progress = progress;
    text_split(tokenizer_get_settings(tokenizer), text, threads, counting->pieces);
    enum err err = parallel_run(threads, count_piece, counting);
    for (unsigned i = 1; !err && i < threads; i++)
        err = add_up(&counting->tallies[0], &counting->tallies[i]);
    if (!err && atomic_load(&counting->stopped))
        err = ERR_CANCELLED;
    for (unsigned i = 1; i < threads; i++)
        tally_fini(&counting->tallies[i]);
    *tally = counting->tallies[0];
    free(counting);
    return err;
}

static int compare(const void *left, const void *right)
{
    const struct tally_word *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    size_t shorter = a->word.size < b->word.size ? a->word.size : b->word.size;
    int order = memcmp(a->word.bytes, b->word.bytes, shorter);
    if (order != 0)
        return order;
    return (a->word.size > b->word.size) - (a->word.size < b->word.size);
}

enum err tally_rank(const struct tally *tally, struct tally_word **out)
{
    *out = memory_new_array(tally->words.count, sizeof **out);
    if (!*out)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < tally->words.count; i++)
        (*out)[i] =
            (struct tally_word){word_table_word(&tally->words, i), tally->counts[i]};
    qsort(*out, tally->words.count, sizeof **out, compare);
    return ERR_OK;
}
