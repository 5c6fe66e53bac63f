/* SPDX-License-Identifier: MIT */
/* The course of a training: rounds of about half a second in which every thread takes
 * chunks of 16 k tokens from one counter, and between the rounds reports, checkpoints and
 * the question whether to go on.
 *
 * The random numbers of a chunk depend on the seed and the chunk's number alone and the
 * learning rate falls linearly with that number, so the state of a training is the two
 * matrices and one counter: with one thread a run resumed from a checkpoint ends in the
 * same bytes as one never interrupted. */
#include "model/vectors/negative_sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "model/vectors/huge_memory.h"
#include "model/vectors/negative_int.h"

static const char head_magic[8] = "NEGSAMP1";
enum { LOSS_PAIRS = 2048 };
static const double round_seconds = 0.5, rate_floor = 1e-4;

static uint64_t corpus_hash(const struct id_corpus *corpus)
{
    uint32_t ids = 0;
    for (size_t i = 0; i < corpus->chunk_count; i++)
        ids = crc32c(ids, corpus->chunks[i].ids,
                     corpus->chunks[i].count * sizeof *corpus->chunks[i].ids);
    return (corpus->tokens << 32) ^ ids;
}

static enum err allocate_block(struct negative_trainer *trainer)
{
    const struct id_corpus *corpus = trainer->corpus;
    size_t buckets = trainer->subwords ? trainer->subwords->buckets : 0;
    size_t rows = 2 * (size_t)corpus->words + buckets, floats, bytes;
    if (!memory_multiply(rows, trainer->stride, &floats) ||
        !memory_multiply(floats, sizeof(float), &bytes) ||
        !memory_add(bytes, sizeof(struct negative_head), &trainer->block_size))
        return ERR_NO_MEMORY;
    trainer->block = huge_memory_new(trainer->block_size);
    if (!trainer->block)
        return ERR_NO_MEMORY;
    trainer->input = (float *)((char *)trainer->block + sizeof(struct negative_head));
    trainer->output = trainer->input + (corpus->words + buckets) * trainer->stride;
    struct negative_head *head = trainer->block;
    *head = (struct negative_head){.words = corpus->words,
                                   .buckets = buckets,
                                   .stride = trainer->stride,
                                   .seed = trainer->settings->seed,
                                   .corpus = corpus_hash(corpus)};
    memcpy(head->magic, head_magic, sizeof head->magic);
    return ERR_OK;
}

/* Inputs uniform in ±1/(2 dim), or ±1/dim with subwords; outputs zero. */
static void initialise(struct negative_trainer *trainer)
{
    const struct negative_head *head = trainer->block;
    uint32_t dim = trainer->settings->dim;
    struct random random;
    random_seed(&random, trainer->settings->seed, 0);
    float scale = (trainer->subwords ? 2.0f : 1.0f) / (float)dim;
    for (size_t row = 0; row < head->words + head->buckets; row++)
        for (uint32_t d = 0; d < dim; d++)
            trainer->input[row * trainer->stride + d] =
                ((float)random_uniform(&random) - 0.5f) * scale;
}

static enum err make_tables(struct negative_trainer *trainer)
{
    const struct id_corpus *corpus = trainer->corpus;
    uint64_t total = 0;
    double *weights = memory_new_array(corpus->words, sizeof *weights);
    trainer->keep = memory_new_array(corpus->words, sizeof *trainer->keep);
    if (!weights || !trainer->keep) {
        free(weights);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < corpus->words; i++) {
        total += corpus->counts[i];
        weights[i] = pow((double)corpus->counts[i], trainer->settings->power);
    }
    sampling_keep(corpus->counts, corpus->words, total, trainer->settings->subsample,
                  trainer->keep);
    enum err code = sampling_alias_init(&trainer->noise, weights, corpus->words);
    free(weights);
    return code;
}

enum err negative_sampling_new(const struct negative_settings *settings,
                               const struct id_corpus *corpus,
                               const struct subwords *subwords,
                               struct negative_trainer **out)
{
    *out = NULL;
    struct negative_trainer *trainer = memory_new_array(1, sizeof *trainer);
    if (!trainer)
        return ERR_NO_MEMORY;
    trainer->settings = settings;
    trainer->corpus = corpus;
    trainer->subwords = subwords;
    trainer->kernels = kernels_best();
    trainer->stride = (settings->dim + KERNELS_WIDTH - 1) / KERNELS_WIDTH * KERNELS_WIDTH;
    trainer->chunks_total =
        (uint64_t)ceil(settings->epochs * (double)corpus->chunk_count);
    enum err code = corpus->chunk_count ? allocate_block(trainer) : ERR_EMPTY_CORPUS;
    if (!code)
        code = make_tables(trainer);
    if (code) {
        negative_sampling_free(trainer);
        return code;
    }
    initialise(trainer);
    *out = trainer;
    return ERR_OK;
}

void negative_sampling_free(struct negative_trainer *trainer)
{
    if (!trainer)
        return;
    sampling_alias_fini(&trainer->noise);
    free(trainer->keep);
    free(trainer->block);
    free(trainer);
}

enum err negative_sampling_restore(struct negative_trainer *trainer, struct span bytes,
                                   struct err_info *info)
{
    struct negative_head head;
    const struct negative_head *mine = trainer->block;
    if (bytes.size != trainer->block_size)
        return err_set(info, ERR_INVALID, "the checkpoint is of another training");
    memcpy(&head, bytes.bytes, sizeof head);
    if (memcmp(head.magic, mine->magic, sizeof head.magic) != 0 ||
        head.words != mine->words || head.buckets != mine->buckets ||
        head.stride != mine->stride || head.seed != mine->seed ||
        head.corpus != mine->corpus || head.next_chunk > trainer->chunks_total)
        return err_set(info, ERR_INVALID, "the checkpoint is of another training");
    memcpy(trainer->block, bytes.bytes, bytes.size);
    atomic_store(&trainer->next_chunk, head.next_chunk);
    return ERR_OK;
}

/* The part of the budget used when `chunk` begins. */
static double budget_used(const struct negative_trainer *trainer, uint64_t chunk)
{
    double used = (double)chunk / (double)trainer->chunks_total;
    double seconds = trainer->settings->seconds;
    if (seconds > 0) {
        double clock = (clock_monotonic() - trainer->started) / seconds;
        used = clock > used ? clock : used;
    }
    return used < 1 ? used : 1;
}

static enum err train_round(void *context, unsigned index, unsigned count)
{
    (void)index;
    (void)count;
    struct negative_trainer *trainer = context;
    struct negative_worker *worker;
    enum err code = negative_worker_new(trainer, &worker);
    while (!code && clock_monotonic() < trainer->round_ends) {
        uint64_t chunk = atomic_fetch_add(&trainer->next_chunk, 1);
        double used = budget_used(trainer, chunk);
        if (chunk >= trainer->chunks_total || used >= 1) {
            atomic_fetch_sub(&trainer->next_chunk, 1);
            break;
        }
        double share = 1 - used > rate_floor ? 1 - used : rate_floor;
        negative_worker_chunk(worker, chunk, (float)(trainer->settings->rate * share));
    }
    negative_worker_free(worker);
    return code;
}

uint64_t negative_sampling_tokens(const struct negative_trainer *trainer)
{
    double epochs =
        (double)atomic_load(&trainer->next_chunk) / (double)trainer->corpus->chunk_count;
    return (uint64_t)(epochs * (double)trainer->corpus->tokens);
}

static double log_sigmoid(double x)
{
    return x > 0 ? -log1p(exp(-x)) : x - log1p(exp(x));
}

/* Of pairs of neighbours and negatives that depend on the seed alone. */
double negative_sampling_loss(const struct negative_trainer *trainer)
{
    const struct id_corpus *corpus = trainer->corpus;
    struct random random;
    random_seed(&random, trainer->settings->seed, UINT64_MAX);
    float *input = memory_new_aligned(trainer->stride, sizeof *input);
    size_t pairs = 0;
    double sum = 0;
    for (size_t i = 0; input && i < LOSS_PAIRS; i++) {
        const struct id_chunk *chunk =
            corpus->chunks + random_below(&random, corpus->chunk_count);
        size_t at = (size_t)random_below(&random, chunk->count);
        if (at + 1 >= chunk->count)
            continue;
        uint32_t centre = chunk->ids[at] - VOCAB_RESERVED;
        uint32_t context = chunk->ids[at + 1] - VOCAB_RESERVED;
        if (centre >= corpus->words || context >= corpus->words)
            continue;
        negative_worker_vector(trainer, context, input);
        for (uint32_t n = 0; n <= trainer->settings->negatives; n++) {
            uint32_t word = n ? sampling_draw(&trainer->noise, &random) : centre;
            float score = trainer->kernels->dot(
                input, trainer->output + word * trainer->stride, trainer->stride);
            sum -= log_sigmoid(n ? -score : score);
        }
        pairs++;
    }
    free(input);
    return pairs ? sum / (double)pairs : 0;
}

static enum err hand_over(struct negative_trainer *trainer, uint64_t chunk,
                          const struct progress *progress)
{
    struct negative_head *head = trainer->block;
    head->next_chunk = chunk;
    head->tokens = negative_sampling_tokens(trainer);
    return progress_checkpoint(progress, chunk,
                               span_of(trainer->block, trainer->block_size));
}

/* Between two rounds: report, measure, and do as told. */
static enum err look_up(struct negative_trainer *trainer, const struct progress *progress,
                        bool measure)
{
    uint64_t chunk = atomic_load(&trainer->next_chunk);
    struct progress_report report = {
        .fraction = budget_used(trainer, chunk),
        .epoch = (double)chunk / (double)trainer->corpus->chunk_count,
        .step = chunk,
        .steps_total = trainer->chunks_total,
        .tokens = negative_sampling_tokens(trainer),
        .phase = "training",
    };
    if (measure) {
        double loss = negative_sampling_loss(trainer);
        if (!isfinite(loss))
            return ERR_DIVERGED;
        progress_metric(progress, "train_loss", chunk, loss);
    }
    enum progress_answer answer = progress_report(progress, &report);
    enum err code =
        answer == PROGRESS_GO_ON ? ERR_OK : hand_over(trainer, chunk, progress);
    return code ? code : answer == PROGRESS_STOP ? ERR_CANCELLED : ERR_OK;
}

enum err negative_sampling_run(struct negative_trainer *trainer,
                               const struct progress *progress)
{
    unsigned threads = trainer->settings->threads;
    enum err code = ERR_OK;
    trainer->started = clock_monotonic();
    for (unsigned round = 0; !code; round++) {
        uint64_t chunk = atomic_load(&trainer->next_chunk);
        bool done = chunk >= trainer->chunks_total || budget_used(trainer, chunk) >= 1;
        code = look_up(trainer, progress, done || round % 8 == 0);
        if (code || done)
            break;
        trainer->round_ends = clock_monotonic() + round_seconds;
        code = parallel_run(threads, train_round, trainer);
    }
    return code;
}

float *negative_sampling_finish(struct negative_trainer *trainer, size_t *stride)
{
    *stride = trainer->stride;
    for (uint32_t word = 0; word < trainer->corpus->words; word++) {
        float *row = trainer->input + word * trainer->stride;
        if (trainer->subwords)
            negative_worker_vector(trainer, word, row);
        else
            trainer->kernels->add(row, (float)trainer->settings->context_share,
                                  trainer->output + word * trainer->stride,
                                  trainer->stride);
    }
    return trainer->input;
}
