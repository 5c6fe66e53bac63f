/* SPDX-License-Identifier: MIT */
/* GloVe's updates are cheap (three passes over a row) and its rows are met in random
 * order, so what it costs is fetching rows. Four things are done about it:
 *  - float32, and a row's numbers and its AdaGrad sums side by side: one stretch of
 *    memory a side, half of what the GloVe tools move;
 *  - the biases are two more numbers of the row: the word's row ends in (b_i, 1), the
 *    context's in (1, b̃_j), so that one dot product and one update do everything;
 *  - entries are sorted into tiles of words and shuffled inside them (glove_pairs); an
 *    iteration goes through pieces of tiles in a new random order each time, so a piece
 *    of the dense tiles finds its rows in the second-level cache;
 *  - log x and f(x) are computed once, rows are prefetched some entries ahead.
 * Threads take pieces from one counter and share the rows without locks. The order
 * depends on the seed and the iteration alone, so rows, counter and the running loss are
 * the whole state of a training. */
#include "model/vectors/glove.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "model/vectors/glove_pairs.h"
#include "model/vectors/huge_memory.h"
#include "model/vectors/kernels.h"
#include "model/vectors/vectors.h"

enum { AHEAD = 6 };
static const double round_seconds = 0.5;
static const char head_magic[8] = "GLOVE001";

/* What a checkpoint starts with; the rows of words and contexts follow. 128 bytes. */
struct head {
    char magic[8];
    uint64_t iteration, next; /* iterations finished; pieces done in this one */
    double loss_sum, last_loss;
    uint64_t words, width, seed, pairs, data;
    uint64_t unused[6];
};

struct glove {
    const struct glove_settings *settings;
    const struct kernels *kernels;
    struct glove_pairs pairs;
    uint32_t *order;   /* [pieces] of this iteration */
    struct head *head; /* the front of the one allocation */
    size_t size;
    float *rows;     /* [words][2][width] numbers, AdaGrad sums */
    float *contexts; /* the same */
    size_t width;
    atomic_size_t next;
    double started, round_ends;
    double losses[PARALLEL_THREADS_MAX]; /* of the round */
};

/* ---- the parameters ---- */

static void initialise(struct glove *glove, uint32_t words)
{
    struct random random;
    uint32_t dim = glove->settings->dim;
    random_seed(&random, glove->settings->seed, 0);
    for (size_t row = 0; row < 2 * (size_t)words; row++) {
        float *numbers = glove->rows + row * 2 * glove->width;
        for (uint32_t d = 0; d < dim + 2; d++)
            numbers[d] = (float)((random_uniform(&random) - 0.5) / dim);
        numbers[row < words ? dim + 1 : dim] = 1;
        for (size_t d = 0; d < glove->width; d++)
            numbers[glove->width + d] = 1;
    }
}

static enum err make_rows(struct glove *glove, uint32_t words)
{
    size_t floats, bytes;
    glove->width = vectors_stride(glove->settings->dim + 2);
    if (!memory_multiply((size_t)words * 4, glove->width, &floats) ||
        !memory_multiply(floats, sizeof(float), &bytes) ||
        !memory_add(bytes, sizeof *glove->head, &glove->size))
        return ERR_NO_MEMORY;
    glove->head = huge_memory_new(glove->size);
    if (!glove->head)
        return ERR_NO_MEMORY;
    glove->rows = (float *)(glove->head + 1);
    glove->contexts = glove->rows + (size_t)words * 2 * glove->width;
    initialise(glove, words);
    *glove->head = (struct head){
        .words = words,
        .width = glove->width,
        .seed = glove->settings->seed,
        .pairs = glove->pairs.count,
        .data = crc32c(0, glove->pairs.pairs,
                       glove->pairs.count * sizeof *glove->pairs.pairs),
    };
    memcpy(glove->head->magic, head_magic, sizeof head_magic);
    return ERR_OK;
}

static void shuffle_order(struct glove *glove)
{
    struct random random;
    random_seed(&random, glove->settings->seed, 2 + glove->head->iteration);
    for (size_t i = 0; i < glove->pairs.piece_count; i++)
        glove->order[i] = (uint32_t)i;
    random_shuffle(&random, glove->order, glove->pairs.piece_count);
}

enum err glove_new(const struct glove_settings *settings,
                   const struct cooccurrence *counts, struct glove **out)
{
    *out = NULL;
    struct glove *glove = memory_new_array(1, sizeof *glove);
    if (!glove)
        return ERR_NO_MEMORY;
    glove->settings = settings;
    glove->kernels = kernels_best();
    enum err code = glove_pairs_make(&glove->pairs, settings, counts);
    if (!code) {
        glove->order = memory_new_array(glove->pairs.piece_count, sizeof *glove->order);
        code = glove->order ? ERR_OK : ERR_NO_MEMORY;
    }
    if (!code)
        code = make_rows(glove, counts->words);
    if (code) {
        glove_free(glove);
        return code;
    }
    shuffle_order(glove);
    *out = glove;
    return ERR_OK;
}

void glove_free(struct glove *glove)
{
    if (!glove)
        return;
    glove_pairs_fini(&glove->pairs);
    free(glove->order);
    free(glove->head);
    free(glove);
}

enum err glove_restore(struct glove *glove, struct span bytes, struct err_info *info)
{
    struct head head;
    const struct head *mine = glove->head;
    if (bytes.size == glove->size)
        memcpy(&head, bytes.bytes, sizeof head);
    if (bytes.size != glove->size || memcmp(head.magic, head_magic, sizeof head_magic) ||
        head.words != mine->words || head.width != mine->width ||
        head.seed != mine->seed || head.pairs != mine->pairs || head.data != mine->data ||
        head.next > glove->pairs.piece_count)
        return err_set(info, ERR_INVALID, "the checkpoint is of another training");
    memcpy(glove->head, bytes.bytes, bytes.size);
    atomic_store(&glove->next, head.next);
    shuffle_order(glove);
    return ERR_OK;
}

/* ---- training ---- */

static void prefetch_pair(const struct glove *glove, const struct glove_pair *pair)
{
    const float *a = glove->rows + pair->row * 2 * glove->width;
    const float *b = glove->contexts + pair->column * 2 * glove->width;
    for (size_t d = 0; d < 2 * glove->width; d += 16) {
        __builtin_prefetch(a + d, 1, 3);
        __builtin_prefetch(b + d, 1, 3);
    }
}

static double train_piece(struct glove *glove, struct glove_piece piece)
{
    const struct glove_pair *pairs = glove->pairs.pairs + piece.first;
    uint32_t dim = glove->settings->dim;
    double sum = 0;
    for (size_t i = 0; i < piece.count && i < AHEAD; i++)
        prefetch_pair(glove, pairs + i);
    for (size_t i = 0; i < piece.count; i++) {
        if (i + AHEAD < piece.count)
            prefetch_pair(glove, pairs + i + AHEAD);
        float *a = glove->rows + pairs[i].row * 2 * glove->width;
        float *b = glove->contexts + pairs[i].column * 2 * glove->width;
        float error =
            glove->kernels->glove(a, b, glove->width, pairs[i].target,
                                  pairs[i].weight * (float)glove->settings->rate);
        a[dim + 1] = b[dim] = 1;
        sum += 0.5 * (double)(pairs[i].weight * error * error);
    }
    return sum;
}

static enum err train_round(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct glove *glove = context;
    glove->losses[index] = 0;
    while (clock_monotonic() < glove->round_ends) {
        size_t at = atomic_fetch_add(&glove->next, 1);
        if (at >= glove->pairs.piece_count)
            break;
        glove->losses[index] += train_piece(glove, glove->pairs.pieces[glove->order[at]]);
    }
    return ERR_OK;
}

double glove_iterations(const struct glove *glove)
{
    return (double)glove->head->iteration +
           (double)glove->head->next / (double)glove->pairs.piece_count;
}

double glove_loss(const struct glove *glove)
{
    return glove->head->last_loss;
}

static double budget_used(const struct glove *glove)
{
    double used = glove_iterations(glove) / glove->settings->iterations;
    if (glove->settings->seconds > 0)
        used =
            fmax(used, (clock_monotonic() - glove->started) / glove->settings->seconds);
    return fmin(used, 1);
}

/* Takes the round's losses over; at the end of an iteration starts the next. */
static enum err end_round(struct glove *glove, const struct progress *progress)
{
    struct head *head = glove->head;
    size_t next = atomic_load(&glove->next);
    head->next = next < glove->pairs.piece_count ? next : glove->pairs.piece_count;
    for (unsigned i = 0; i < glove->settings->threads; i++)
        head->loss_sum += glove->losses[i];
    if (!isfinite(head->loss_sum))
        return ERR_DIVERGED;
    if (head->next == glove->pairs.piece_count) {
        head->last_loss = head->loss_sum / (double)glove->pairs.count;
        head->loss_sum = 0;
        head->next = 0;
        head->iteration++;
        shuffle_order(glove);
        progress_metric(progress, "train_loss", head->iteration, head->last_loss);
    }
    atomic_store(&glove->next, head->next);
    return ERR_OK;
}

static enum err look_up(struct glove *glove, const struct progress *progress)
{
    double iterations = glove_iterations(glove);
    uint64_t step = glove->head->iteration * glove->pairs.piece_count + glove->head->next;
    struct progress_report report = {
        .fraction = budget_used(glove),
        .epoch = iterations,
        .step = step,
        .steps_total =
            (uint64_t)(glove->settings->iterations * (double)glove->pairs.piece_count),
        .tokens = (uint64_t)(iterations * (double)glove->settings->tokens),
        .phase = "training",
    };
    enum progress_answer answer = progress_report(progress, &report);
    if (answer == PROGRESS_GO_ON)
        return ERR_OK;
    enum err code =
        progress_checkpoint(progress, step, span_of(glove->head, glove->size));
    return code ? code : answer == PROGRESS_STOP ? ERR_CANCELLED : ERR_OK;
}

enum err glove_run(struct glove *glove, const struct progress *progress)
{
    enum err code = ERR_OK;
    glove->started = clock_monotonic();
    while (!code) {
        code = look_up(glove, progress);
        if (code || budget_used(glove) >= 1)
            break;
        glove->round_ends = clock_monotonic() + round_seconds;
        code = parallel_run(glove->settings->threads, train_round, glove);
        if (!code)
            code = end_round(glove, progress);
    }
    return code;
}

enum err glove_vectors(const struct glove *glove, enum glove_output output, uint32_t *dim,
                       float **matrix)
{
    uint32_t one = glove->settings->dim;
    *dim = output == GLOVE_BOTH ? 2 * one : one;
    size_t stride = vectors_stride(*dim), words = glove->head->words;
    *matrix = memory_new_aligned(words, stride * sizeof **matrix);
    if (!*matrix)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < words; i++) {
        const float *row = glove->rows + i * 2 * glove->width;
        const float *context = glove->contexts + i * 2 * glove->width;
        float *to = *matrix + i * stride;
        for (uint32_t d = 0; d < one; d++)
            to[d] = output == GLOVE_CONTEXT ? context[d]
                    : output == GLOVE_SUM   ? row[d] + context[d]
                                            : row[d];
        if (output == GLOVE_BOTH)
            memcpy(to + one, context, one * sizeof *to);
    }
    return ERR_OK;
}
