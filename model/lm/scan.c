/* SPDX-License-Identifier: MIT */
/* Walking over a corpus in batches.
 *
 * The text is cut at segment boundaries into one piece a thread. Each thread encodes its
 * piece block by block; a block's whole segments become a batch and an unfinished tail is
 * moved to the front of the next block, which grows when one segment is larger than it.
 * Only the caller's own thread reports progress: hooks need not be safe for several. A
 * slow model gets small blocks, because somebody waits for a sign of life. */
#include "model/lm/scan.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"

#define BLOCK_TOKENS 32768u
#define SLOW_BLOCK_TOKENS 1024u

struct shared {
    const struct scan *scan;
    struct span pieces[PARALLEL_THREADS_MAX];
    atomic_bool stop;
    atomic_int failed; /* the first thread's code that is not OK */
};

struct worker {
    struct encoder *encoder;
    uint32_t *ids;   /* [capacity] */
    float *logprobs; /* [capacity] */
    struct lm_segment *segments;
    size_t count, capacity, segment_capacity;
    uint64_t tokens;
};

static enum err make_room(struct worker *worker, bool slow)
{
    size_t first = slow ? SLOW_BLOCK_TOKENS : BLOCK_TOKENS;
    size_t capacity = worker->capacity;
    if (worker->count < capacity)
        return ERR_OK;
    enum err code = memory_grow(&worker->ids, &capacity, capacity ? capacity + 1 : first,
                                sizeof *worker->ids);
    if (code)
        return code;
    free(worker->logprobs);
    worker->logprobs = memory_new_array(capacity, sizeof *worker->logprobs);
    worker->capacity = worker->logprobs ? capacity : 0;
    return worker->logprobs ? ERR_OK : ERR_NO_MEMORY;
}

/* Lists the whole segments in ids[count]; *used is where the last one ends. */
static enum err list_segments(struct worker *worker, size_t *segments, size_t *used)
{
    *segments = *used = 0;
    for (size_t i = 0; i < worker->count; i++) {
        if (worker->ids[i] != VOCAB_EOS)
            continue;
        enum err code = memory_grow(&worker->segments, &worker->segment_capacity,
                                    *segments + 1, sizeof *worker->segments);
        if (code)
            return code;
        worker->segments[(*segments)++] =
            (struct lm_segment){.tokens = worker->ids + *used,
                                .count = i + 1 - *used,
                                .bos = true,
                                .logprobs = worker->logprobs + *used};
        *used = i + 1;
    }
    return ERR_OK;
}

static enum err visit_block(const struct scan *scan, struct worker *worker,
                            unsigned thread)
{
    size_t segments, used;
    enum err code = list_segments(worker, &segments, &used);
    if (code || segments == 0)
        return code;
    struct scan_batch batch = {.thread = thread,
                               .segments = worker->segments,
                               .segment_count = segments,
                               .ids = worker->ids,
                               .logprobs = worker->logprobs,
                               .token_count = used};
    code = scan->visit(scan->context, &batch);
    worker->tokens += used;
    worker->count -= used;
    memmove(worker->ids, worker->ids + used, worker->count * sizeof *worker->ids);
    return code;
}

static enum err tell_progress(struct shared *shared, const struct worker *worker,
                              unsigned threads)
{
    size_t size = shared->pieces[0].size;
    struct progress_report report = {.phase = shared->scan->phase};
    report.fraction =
        size > 0 ? (double)encoder_position(worker->encoder) / (double)size : 1;
    report.tokens = worker->tokens * threads;
    if (progress_report(shared->scan->progress, &report) == PROGRESS_STOP)
        atomic_store(&shared->stop, true);
    return atomic_load(&shared->stop) ? ERR_CANCELLED : ERR_OK;
}

static enum err scan_piece(struct shared *shared, struct worker *worker, unsigned thread,
                           unsigned threads)
{
    size_t got = 1;
    enum err code = encoder_new(shared->scan->tokenizer, shared->scan->vocab,
                                shared->pieces[thread], &worker->encoder);
    while (!code && got > 0) {
        code = make_room(worker, shared->scan->slow);
        if (!code)
            code = encoder_next(worker->encoder, worker->ids + worker->count,
                                worker->capacity - worker->count, &got);
        if (code)
            break;
        worker->count += got;
        code = visit_block(shared->scan, worker, thread);
        if (!code && thread == 0)
            code = tell_progress(shared, worker, threads);
        else if (!code && atomic_load(&shared->stop))
            code = ERR_CANCELLED;
    }
    return code;
}

static enum err work(void *context, unsigned index, unsigned count)
{
    struct shared *shared = context;
    struct worker worker = {0};
    enum err code = shared->pieces[index].size > 0
                        ? scan_piece(shared, &worker, index, count)
                        : ERR_OK;
    int fine = ERR_OK;
    if (code) {
        atomic_compare_exchange_strong(&shared->failed, &fine, (int)code);
        atomic_store(&shared->stop, true);
    }
    encoder_free(worker.encoder);
    free(worker.ids);
    free(worker.logprobs);
    free(worker.segments);
    return code;
}

enum err scan_run(const struct scan *scan)
{
    struct shared shared = {.scan = scan};
    unsigned threads = scan->threads < 1 ? 1 : scan->threads;
    if (threads > PARALLEL_THREADS_MAX)
        threads = PARALLEL_THREADS_MAX;
    atomic_init(&shared.stop, false);
    atomic_init(&shared.failed, ERR_OK);
    text_split(tokenizer_get_settings(scan->tokenizer), scan->text, threads,
               shared.pieces);
    enum err code = parallel_run(threads, work, &shared);
    int failed = atomic_load(&shared.failed);
    return failed ? (enum err)failed : code;
}
