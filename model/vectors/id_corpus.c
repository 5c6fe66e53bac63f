/* SPDX-License-Identifier: MIT */
/* From text to ids. Each thread encodes its piece of the text into a spill of its own;
 * the chunks then follow the order of the text. */
#include "model/vectors/id_corpus.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/spill.h"

enum { BLOCK_IDS = 1 << 16 };

struct span id_corpus_text(const struct train_input *input)
{
    struct span text = input->text;
    if (input->valid.size && text.bytes + text.size == input->valid.bytes)
        text.size += input->valid.size;
    return text;
}

unsigned id_corpus_threads(const struct train_spec *spec)
{
    unsigned threads = spec->threads ? spec->threads : parallel_cores();
    return threads > PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX : threads;
}

struct encode_job {
    const struct train_spec *spec;
    struct id_corpus *corpus;
    struct span pieces[PARALLEL_THREADS_MAX];
    const struct progress *progress;
};

static enum err encode_piece(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct encode_job *job = context;
    struct id_corpus *corpus = job->corpus;
    struct span piece = job->pieces[index];
    struct encoder *encoder = NULL;
    uint32_t *ids = memory_new_array(BLOCK_IDS, sizeof *ids);
    enum err code = ids ? ERR_OK : ERR_NO_MEMORY;
    if (!code)
        code = encoder_new(corpus->tokenizer, corpus->vocab, piece, &encoder);
    while (!code) {
        size_t got;
        code = encoder_next(encoder, ids, BLOCK_IDS, &got);
        if (code || got == 0)
            break;
        code = spill_append(corpus->spills[index], ids, got * sizeof *ids);
        struct progress_report report = {.phase = "counting"};
        if (!code && index == 0 &&
            progress_report(job->progress, &report) == PROGRESS_STOP)
            code = ERR_CANCELLED;
    }
    encoder_free(encoder);
    free(ids);
    return code;
}

/* The end of the chunk that begins at `first`. */
static size_t chunk_end(const uint32_t *ids, size_t first, size_t count)
{
    size_t end = first + ID_CHUNK_TOKENS, most = first + 2 * ID_CHUNK_TOKENS;
    while (end < count && end < most && ids[end - 1] != VOCAB_EOS)
        end++;
    return end < count ? end : count;
}

static enum err cut_chunks(struct id_corpus *corpus)
{
    size_t capacity = 0;
    for (unsigned i = 0; i < corpus->spill_count; i++) {
        struct span content;
        enum err code = spill_map(corpus->spills[i], &content);
        if (code)
            return code;
        const uint32_t *ids = (const void *)content.bytes;
        size_t count = content.size / sizeof *ids;
        corpus->tokens += count;
        for (size_t first = 0, end; first < count; first = end) {
            end = chunk_end(ids, first, count);
            code = memory_grow(&corpus->chunks, &capacity, corpus->chunk_count + 1,
                               sizeof *corpus->chunks);
            if (code)
                return code;
            corpus->chunks[corpus->chunk_count++] =
                (struct id_chunk){ids + first, end - first};
        }
    }
    return ERR_OK;
}

static enum err encode_text(struct id_corpus *corpus, const struct train_spec *spec,
                            const struct train_input *input,
                            const struct progress *progress)
{
    unsigned threads = id_corpus_threads(spec);
    struct encode_job *job = memory_new_array(1, sizeof *job);
    corpus->spills = memory_new_array(threads, sizeof *corpus->spills);
    enum err code = job && corpus->spills ? ERR_OK : ERR_NO_MEMORY;
    while (!code && corpus->spill_count < threads) {
        code = spill_open(input->scratch_directory, &corpus->spills[corpus->spill_count]);
        corpus->spill_count += !code;
    }
    if (!code) {
        job->spec = spec;
        job->corpus = corpus;
        job->progress = progress;
        text_split(&spec->tokenizer, id_corpus_text(input), threads, job->pieces);
        code = parallel_run(threads, encode_piece, job);
    }
    free(job);
    return code ? code : cut_chunks(corpus);
}

static enum err count_words(struct id_corpus *corpus, struct err_info *info)
{
    corpus->words = vocab_size(corpus->vocab) - VOCAB_RESERVED;
    if (corpus->words < 2)
        return err_set(info, ERR_CORPUS_TOO_SMALL,
                       "Fewer than two words are frequent enough to have vectors: give "
                       "more text or a smaller min_count");
    corpus->counts = memory_new_array(corpus->words, sizeof *corpus->counts);
    if (!corpus->counts)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < corpus->words; i++)
        corpus->counts[i] = vocab_count(corpus->vocab, VOCAB_RESERVED + i);
    return ERR_OK;
}

static bool has_neighbours(struct id_chunk chunk)
{
    bool before = false; /* a word, in this segment */
    for (size_t i = 0; i < chunk.count; i++) {
        if (before && chunk.ids[i] >= VOCAB_RESERVED)
            return true;
        before = chunk.ids[i] != VOCAB_EOS && (before || chunk.ids[i] >= VOCAB_RESERVED);
    }
    return false;
}

/* A word is known by its company: where none has any there is nothing to learn. */
static enum err check_company(const struct id_corpus *corpus, struct err_info *info)
{
    for (size_t i = 0; i < corpus->chunk_count; i++)
        if (has_neighbours(corpus->chunks[i]))
            return ERR_OK;
    return err_set(
        info, ERR_CORPUS_TOO_SMALL,
        "No segment has two words that have vectors: give more text, a smaller "
        "min_count or the segment \"document\"");
}

enum err id_corpus_new(const struct train_spec *spec, const struct train_input *input,
                       bool encode, const struct progress *progress,
                       struct id_corpus **out, struct err_info *info)
{
    *out = NULL;
    struct span text = id_corpus_text(input);
    struct id_corpus *corpus = memory_new_array(1, sizeof *corpus);
    if (!corpus)
        return ERR_NO_MEMORY;
    enum err code =
        tokenizer_train(&spec->tokenizer, text, progress, &corpus->tokenizer, info);
    if (!code)
        code = vocab_build(corpus->tokenizer, text, id_corpus_threads(spec), progress,
                           &corpus->vocab, info);
    if (!code)
        code = count_words(corpus, info);
    if (!code && encode)
        code = encode_text(corpus, spec, input, progress);
    if (!code && encode)
        code = check_company(corpus, info);
    if (code)
        id_corpus_free(corpus);
    else
        *out = corpus;
    return code;
}

void id_corpus_free(struct id_corpus *corpus)
{
    if (!corpus)
        return;
    for (unsigned i = 0; i < corpus->spill_count; i++)
        spill_close(corpus->spills[i]);
    free(corpus->spills);
    free(corpus->chunks);
    free(corpus->counts);
    vocab_free(corpus->vocab);
    tokenizer_free(corpus->tokenizer);
    free(corpus);
}
