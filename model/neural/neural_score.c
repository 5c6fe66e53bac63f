/* SPDX-License-Identifier: MIT */
/* Scoring segments. Those of like length run side by side through a body, in chunks of
 * steps, and the positions they leave are gathered for the output layer until there are
 * enough for its weights to be worth reading: a run of it goes through all of them.
 *
 * The segments, longest first, are cut into tasks. A task is computed by itself, from its
 * own zero state and with its own runs of the output layer, so its result depends neither
 * on who computes it nor on the others; threads take the next one when they have done
 * theirs. A single task has the threads share the tiles of its output layer instead. */
#include "model/neural/neural_score.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/neural/body.h"
#include "model/nn/softmax.h"
#include "model/text/vocab.h"

/* Positions a body computes at once; positions a run of the output layer is put off for.
 */
enum { CHUNK = 256, POSITIONS = 512 };

/* Segments side by side, as many as a product's kernel takes at once, or half as many
 * where there are fewer than MANY positions to share out. A task has an eighth of them,
 * within limits. None of this may hang on the number of threads. */
enum { ROWS = 14, MANY = 8192, TASKS = 8, TASK_MIN = 128, TASK_MAX = POSITIONS };

/* Multiplications for which a thread is worth starting. */
static const double THREAD_WORK = 5e6;

struct job {
    const struct shape *shape;
    const float *values;
    struct lm_segment **order; /* [count] segments with tokens, the longest first */
    size_t count, positions;
    size_t rows;   /* segments side by side */
    size_t *tasks; /* [task_count + 1] where each begins in `order` */
    size_t task_count;
    unsigned softmax_threads;
    atomic_size_t next; /* task to be taken */
};

/* One thread's: positions gathered for a run of the output layer. */
struct worker {
    const struct job *job;
    struct body *body;
    size_t rows, steps; /* of the body */
    struct softmax *softmax;
    uint32_t *ids;     /* [CHUNK][context] */
    float *chunk;      /* [CHUNK][output] from the body */
    float *hidden;     /* [POSITIONS][output] gathered */
    float *logprobs;   /* [POSITIONS] */
    uint32_t *targets; /* [POSITIONS] */
    float **places;    /* [POSITIONS] where each log-probability goes */
    size_t positions;
};

static void worker_fini(struct worker *worker)
{
    body_free(worker->body);
    softmax_free(worker->softmax);
    free(worker->ids);
    free(worker->chunk);
    free(worker->hidden);
    free(worker->logprobs);
    free(worker->targets);
    free(worker->places);
}

static enum err worker_init(struct worker *worker, const struct job *job)
{
    const struct shape *shape = job->shape;
    size_t context = shape->cell ? 1 : shape->context;
    *worker = (struct worker){.job = job};
    worker->ids = memory_new_array((size_t)CHUNK * context, sizeof(uint32_t));
    worker->chunk = memory_new_aligned((size_t)CHUNK * shape->output, sizeof(float));
    worker->hidden = memory_new_aligned((size_t)POSITIONS * shape->output, sizeof(float));
    worker->logprobs = memory_new_aligned(POSITIONS, sizeof(float));
    worker->targets = memory_new_array(POSITIONS, sizeof(uint32_t));
    worker->places = memory_new_array(POSITIONS, sizeof(float *));
    if (!worker->ids || !worker->chunk || !worker->hidden || !worker->logprobs ||
        !worker->targets || !worker->places)
        return ERR_NO_MEMORY;
    return softmax_new(&shape->softmax, POSITIONS, job->softmax_threads, 0,
                       &worker->softmax);
}

static enum err need_body(struct worker *worker, size_t rows, size_t steps)
{
    if (worker->body && worker->rows == rows && worker->steps >= steps)
        return ERR_OK;
    body_free(worker->body);
    worker->rows = rows;
    worker->steps = steps;
    return body_new(worker->job->shape, rows, steps, false, &worker->body);
}

/* Scores the positions gathered so far. */
static enum err flush(struct worker *worker)
{
    struct softmax_batch batch = {.rows = worker->positions,
                                  .size = worker->job->shape->output,
                                  .hidden = worker->hidden,
                                  .targets = worker->targets,
                                  .logprobs = worker->logprobs};
    if (worker->positions == 0)
        return ERR_OK;
    enum err code = softmax_run(worker->softmax, worker->job->values, &batch, NULL);
    for (size_t i = 0; i < worker->positions && !code; i++)
        *worker->places[i] =
            worker->targets[i] == VOCAB_BOS ? -INFINITY : worker->logprobs[i];
    worker->positions = 0;
    return code;
}

/* Gathers a position: the hidden vector in front of token `at` of a segment. */
static enum err gather(struct worker *worker, const float *hidden,
                       const struct lm_segment *segment, size_t at)
{
    size_t size = worker->job->shape->output, to = worker->positions++;
    memcpy(worker->hidden + to * size, hidden, size * sizeof *hidden);
    worker->targets[to] = segment->tokens[at];
    worker->places[to] = &segment->logprobs[at];
    return worker->positions == POSITIONS ? flush(worker) : ERR_OK;
}

/* ---- recurrent models ---- */

/* Token number `at` of a segment, counted with the </s> before it. */
static uint32_t input_token(const struct lm_segment *segment, size_t at)
{
    return at == 0                ? VOCAB_EOS
           : at <= segment->count ? segment->tokens[at - 1]
                                  : VOCAB_EOS;
}

/* Some steps of a group of segments from token `at` on. */
static enum err score_chunk(struct worker *worker, struct lm_segment **group, size_t at,
                            size_t steps)
{
    size_t rows = worker->rows, size = worker->job->shape->output;
    enum err code = ERR_OK;
    for (size_t t = 0; t < steps; t++)
        for (size_t row = 0; row < rows; row++)
            worker->ids[t * rows + row] = input_token(group[row], at + t);
    body_forward(worker->body, worker->job->values, worker->ids, steps, NULL, NULL,
                 worker->chunk);
    for (size_t t = 0; t < steps; t++)
        for (size_t row = 0; row < rows && at + t < group[row]->count && !code; row++)
            code = gather(worker, worker->chunk + (t * rows + row) * size, group[row],
                          at + t);
    return code;
}

/* The first segment of a group is its longest. */
static enum err score_group(struct worker *worker, struct lm_segment **group, size_t rows)
{
    size_t longest = group[0]->count, most = CHUNK / rows;
    enum err code = need_body(worker, rows, longest < most ? longest : most);
    if (!code)
        body_reset(worker->body);
    for (size_t at = 0; at < longest && !code; at += most) {
        size_t steps = longest - at;
        code = score_chunk(worker, group, at, steps < most ? steps : most);
    }
    return code;
}

static enum err score_recurrent(struct worker *worker, size_t first, size_t end)
{
    size_t most = worker->job->rows;
    enum err code = ERR_OK;
    for (; first < end && !code; first += most) {
        size_t left = end - first;
        code = score_group(worker, worker->job->order + first, left < most ? left : most);
    }
    return code ? code : flush(worker);
}

/* ---- feed-forward models ---- */

/* The contexts of CHUNK positions at once; what is left of the last run's is computed in
 * vain. */
static enum err score_feedforward(struct worker *worker, size_t first, size_t end)
{
    const struct job *job = worker->job;
    size_t context = job->shape->context, size = job->shape->output;
    struct lm_segment *segments[CHUNK];
    size_t ats[CHUNK], gathered = 0;
    enum err code = need_body(worker, CHUNK, 1);
    for (; first < end && !code; first++) {
        struct lm_segment *segment = job->order[first];
        for (size_t at = 0; at < segment->count && !code; at++) {
            uint32_t *ids = worker->ids + gathered * context;
            for (size_t k = 0; k < context; k++)
                ids[k] = at + k < context ? VOCAB_BOS : segment->tokens[at + k - context];
            segments[gathered] = segment;
            ats[gathered++] = at;
            if (gathered < CHUNK && (first + 1 < end || at + 1 < segment->count))
                continue;
            body_forward(worker->body, job->values, worker->ids, 1, NULL, NULL,
                         worker->chunk);
            for (size_t i = 0; i < gathered && !code; i++)
                code = gather(worker, worker->chunk + i * size, segments[i], ats[i]);
            gathered = 0;
        }
    }
    return code ? code : flush(worker);
}

/* ---- tasks ---- */

static int longer_first(const void *a, const void *b)
{
    const struct lm_segment *left = *(struct lm_segment *const *)a;
    const struct lm_segment *right = *(struct lm_segment *const *)b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return left < right ? -1 : left > right;
}

/* Whole groups, with enough positions for a run of the output layer to be worth it. */
static void cut_tasks(struct job *job)
{
    size_t size = job->positions / TASKS, positions = SIZE_MAX;
    size = size < TASK_MIN ? TASK_MIN : size > TASK_MAX ? TASK_MAX : size;
    job->rows = job->positions < MANY ? ROWS / 2 : ROWS;
    for (size_t i = 0; i < job->count; i++) {
        if (i % job->rows == 0 && positions >= size) {
            job->tasks[job->task_count++] = i;
            positions = 0;
        }
        positions += job->order[i]->count;
    }
    job->tasks[job->task_count] = job->count;
}

static enum err job_init(struct job *job, struct lm_segment *segments, size_t count)
{
    job->order = memory_new_array(count, sizeof(struct lm_segment *));
    job->tasks = memory_new_array(count + 1, sizeof *job->tasks);
    if (!job->order || !job->tasks)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (segments[i].count > 0 && (segments[i].bos || !job->shape->cell)) {
            job->order[job->count++] = &segments[i];
            job->positions += segments[i].count;
        }
    qsort(job->order, job->count, sizeof(struct lm_segment *), longer_first);
    cut_tasks(job);
    atomic_init(&job->next, 0);
    return ERR_OK;
}

static enum err work(void *context, unsigned index, unsigned count)
{
    struct job *job = context;
    struct worker worker;
    size_t task;
    enum err code = worker_init(&worker, job);
    (void)index;
    (void)count;
    while (!code && (task = atomic_fetch_add(&job->next, 1)) < job->task_count) {
        size_t first = job->tasks[task], end = job->tasks[task + 1];
        code = job->shape->cell ? score_recurrent(&worker, first, end)
                                : score_feedforward(&worker, first, end);
    }
    worker_fini(&worker);
    return code;
}

/* How many threads the job is worth. */
static unsigned threads_for(const struct job *job, unsigned most)
{
    double each = softmax_work(&job->shape->softmax) + (double)job->shape->inner_count;
    double worth = (double)job->positions * each / THREAD_WORK;
    most = most < PARALLEL_THREADS_MAX ? most : PARALLEL_THREADS_MAX;
    most = worth < (double)most ? (unsigned)worth : most;
    return most > 1 ? most : 1;
}

enum err neural_score(const struct shape *shape, const float *values, unsigned threads,
                      struct lm_segment *segments, size_t count)
{
    struct job job = {.shape = shape, .values = values};
    enum err code = job_init(&job, segments, count);
    if (!code && job.count > 0) {
        unsigned worth = threads_for(&job, threads);
        job.softmax_threads = job.task_count == 1 ? worth : 1;
        code = parallel_run(worth < job.task_count ? worth : (unsigned)job.task_count,
                            work, &job);
    }
    free(job.order);
    free(job.tasks);
    return code;
}
