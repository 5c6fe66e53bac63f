/* SPDX-License-Identifier: MIT */
/* What one thread does: thin a sentence, slide the window, move the rows.
 *
 * For a centre word c with context words x₁ … x_m and negatives n₁ … n_k drawn once for
 * all of them, every pair (x_i, c) is a positive example and every (x_i, n_j) a negative
 * one. With X the m input rows and O the 1+k output rows the step is
 *     S = rate · (label − σ(X Oᵀ)),   X += S O,   O += Sᵀ X,
 * three small matrix products on rows that are in the first-level cache, where the
 * word2vec program makes m·(1+k) separate passes. The rows of the next centre's outputs
 * are drawn and prefetched while this one is computed.
 *
 * With subwords an input is the mean of several rows. It is computed when the word enters
 * the window, moves there as if it were one row, and what it has gained is given to all
 * its rows when it leaves (each takes the whole change, as in Bojanowski et al. 2017).
 *
 * Threads share the matrices without locks (Recht et al. 2011): they rarely meet in a row
 * and a lost update is noise. One thread alone is deterministic. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/vectors/negative_int.h"

static void prefetch_row(const float *row, size_t stride)
{
    for (size_t d = 0; d < stride; d += 16)
        __builtin_prefetch(row + d, 1, 3);
}

static size_t subword_count(const struct subwords *subwords, uint32_t word)
{
    return subwords->starts[word + 1] - subwords->starts[word];
}

void negative_worker_vector(const struct negative_trainer *trainer, uint32_t word,
                            float *to)
{
    const struct subwords *subwords = trainer->subwords;
    size_t stride = trainer->stride;
    memmove(to, trainer->input + word * stride, stride * sizeof *to);
    if (!subwords)
        return;
    size_t count = subword_count(subwords, word);
    const uint32_t *ids = subwords->ids + subwords->starts[word];
    const float *rows = trainer->input + trainer->corpus->words * stride;
    for (size_t i = 0; i < count; i++)
        trainer->kernels->add(to, 1, rows + ids[i] * stride, stride);
    float share = 1 / (float)(count + 1);
    for (size_t d = 0; d < stride; d++)
        to[d] *= share;
}

static void enter_window(struct negative_worker *worker, size_t position)
{
    struct negative_trainer *trainer = worker->trainer;
    size_t stride = trainer->stride;
    uint32_t word = worker->words[position];
    if (!trainer->subwords) {
        worker->rows[position] = trainer->input + word * stride;
        prefetch_row(worker->rows[position], stride);
        return;
    }
    worker->rows[position] = worker->hidden + position * stride;
    negative_worker_vector(trainer, word, worker->rows[position]);
    memcpy(worker->entries + position * stride, worker->rows[position],
           stride * sizeof(float));
}

static void leave_window(struct negative_worker *worker, size_t position)
{
    struct negative_trainer *trainer = worker->trainer;
    const struct subwords *subwords = trainer->subwords;
    if (!subwords)
        return;
    size_t stride = trainer->stride;
    uint32_t word = worker->words[position];
    float *change = worker->rows[position];
    trainer->kernels->add(change, -1, worker->entries + position * stride, stride);
    trainer->kernels->add(trainer->input + word * stride, 1, change, stride);
    size_t count = subword_count(subwords, word);
    const uint32_t *ids = subwords->ids + subwords->starts[word];
    float *rows = trainer->input + trainer->corpus->words * stride;
    for (size_t i = 0; i < count; i++)
        trainer->kernels->add(rows + ids[i] * stride, 1, change, stride);
}

static void move_window(struct negative_worker *worker, size_t position)
{
    size_t window = worker->trainer->settings->window;
    size_t ahead = position + window + 2;
    if (ahead > worker->count)
        ahead = worker->count;
    while (worker->entered < ahead)
        enter_window(worker, worker->entered++);
    while (worker->left + window < position)
        leave_window(worker, worker->left++);
}

/* The output rows of the centre at `position`: its own, then the negatives. */
static void draw_outputs(struct negative_worker *worker, size_t position, float **outputs)
{
    struct negative_trainer *trainer = worker->trainer;
    uint32_t centre = worker->words[position];
    uint32_t negatives = trainer->settings->negatives;
    outputs[0] = trainer->output + centre * trainer->stride;
    prefetch_row(outputs[0], trainer->stride);
    for (uint32_t i = 1; i <= negatives; i++) {
        uint32_t word = sampling_draw(&trainer->noise, &worker->random);
        for (int tries = 0; word == centre && tries < 8; tries++)
            word = sampling_draw(&trainer->noise, &worker->random);
        outputs[i] = trainer->output + word * trainer->stride;
        prefetch_row(outputs[i], trainer->stride);
    }
}

/* How far the window reaches this time: uniform from 1 to the window, or at least d with
 * the probability 1/d. */
static size_t draw_reach(struct negative_worker *worker)
{
    const struct negative_settings *settings = worker->trainer->settings;
    uint64_t draw = random_next(&worker->random) >> 32;
    if (!settings->harmonic)
        return 1 + (size_t)((draw * settings->window) >> 32);
    uint64_t reach = ((uint64_t)1 << 32) / (draw + 1);
    return reach < settings->window ? (size_t)reach : settings->window;
}

/* The input rows around `position` within a window of random width. */
static size_t gather_inputs(struct negative_worker *worker, size_t position,
                            float **inputs)
{
    size_t reach = draw_reach(worker);
    size_t first = position > reach ? position - reach : 0, count = 0;
    for (size_t i = first; i <= position + reach && i < worker->count; i++)
        if (i != position)
            inputs[count++] = worker->rows[i];
    return count;
}

/* The mean of the inputs is the one input; each of them takes its whole change. */
static void train_mean(struct negative_worker *worker, float **inputs, size_t count,
                       float **outputs)
{
    struct negative_trainer *trainer = worker->trainer;
    const struct kernels *kernels = trainer->kernels;
    size_t stride = trainer->stride;
    float *mean = worker->hidden + NEGATIVE_SENTENCE_MAX * stride;
    float *before = mean + stride;
    memset(before, 0, stride * sizeof *before);
    for (size_t i = 0; i < count; i++)
        kernels->add(before, 1 / (float)count, inputs[i], stride);
    memcpy(mean, before, stride * sizeof *mean);
    kernels->negative(&mean, 1, outputs, trainer->settings->negatives + 1, stride,
                      worker->rate);
    kernels->add(mean, -1, before, stride);
    for (size_t i = 0; i < count; i++)
        kernels->add(inputs[i], 1, mean, stride);
}

static void train_sentence(struct negative_worker *worker)
{
    const struct negative_trainer *trainer = worker->trainer;
    float *room[2][NEGATIVE_COUNT_MAX + 1], *inputs[2 * NEGATIVE_WINDOW_MAX];
    worker->entered = worker->left = 0;
    if (worker->count > 1)
        draw_outputs(worker, 0, room[0]);
    for (size_t position = 0; worker->count > 1 && position < worker->count; position++) {
        float **outputs = room[position & 1];
        move_window(worker, position);
        if (position + 1 < worker->count)
            draw_outputs(worker, position + 1, room[(position + 1) & 1]);
        size_t count = gather_inputs(worker, position, inputs);
        if (trainer->settings->cbow)
            train_mean(worker, inputs, count, outputs);
        else
            trainer->kernels->negative(inputs, count, outputs,
                                       trainer->settings->negatives + 1, trainer->stride,
                                       worker->rate);
    }
    while (worker->left < worker->entered)
        leave_window(worker, worker->left++);
    worker->count = 0;
}

void negative_worker_chunk(struct negative_worker *worker, uint64_t chunk, float rate)
{
    const struct negative_trainer *trainer = worker->trainer;
    const struct id_corpus *corpus = trainer->corpus;
    struct id_chunk piece = corpus->chunks[chunk % corpus->chunk_count];
    random_seed(&worker->random, trainer->settings->seed, chunk + 1);
    worker->rate = rate;
    worker->count = 0;
    for (size_t i = 0; i < piece.count; i++) {
        uint32_t word = piece.ids[i] - VOCAB_RESERVED;
        if (word < corpus->words) {
            if ((uint32_t)random_next(&worker->random) < trainer->keep[word])
                worker->words[worker->count++] = word;
        }
        if (piece.ids[i] == VOCAB_EOS || worker->count == NEGATIVE_SENTENCE_MAX)
            train_sentence(worker);
    }
    train_sentence(worker);
}

enum err negative_worker_new(struct negative_trainer *trainer,
                             struct negative_worker **out)
{
    struct negative_worker *worker = *out = memory_new_array(1, sizeof *worker);
    if (!worker)
        return ERR_NO_MEMORY;
    worker->trainer = trainer;
    size_t row = trainer->stride * sizeof(float);
    worker->hidden = memory_new_aligned(NEGATIVE_SENTENCE_MAX + 2, row);
    worker->entries = memory_new_aligned(NEGATIVE_SENTENCE_MAX, row);
    if (worker->hidden && worker->entries)
        return ERR_OK;
    negative_worker_free(worker);
    *out = NULL;
    return ERR_NO_MEMORY;
}

void negative_worker_free(struct negative_worker *worker)
{
    if (!worker)
        return;
    free(worker->hidden);
    free(worker->entries);
    free(worker);
}
