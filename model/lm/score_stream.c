/* SPDX-License-Identifier: MIT */
/* Scoring line by line. A block of text is read, its whole lines are encoded into one
 * batch and scored by one call, and what is left of the last line moves to the front.
 * Memory is one block, or the longest line when that is larger. */
#include "model/lm/score_stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/lm/oov.h"
#include "model/lm/score_batch.h"

#define BLOCK_SIZE (256u << 10)

struct streaming {
    const struct reader *from;
    enum err (*each)(void *context, const struct score_line *line);
    void *context;
    struct score_batch batch;
    struct span *lines; /* [batch.inputs] */
    size_t lines_capacity;
    char *block; /* [capacity] */
    size_t size, capacity;
    size_t searched;           /* bytes of the block known to hold no line end */
    uint64_t position, number; /* of the block's start; lines before it */
    bool ended;
    struct score_sums *total;
    struct err_info *info;
};

/* Reads what there is, up to a block: lines that come slowly are scored as they come.
 * Makes the block larger when it is full and holds no whole line. */
static enum err read_block(struct streaming *streaming)
{
    size_t got;
    if (streaming->size == streaming->capacity) {
        if (streaming->size >= SCORE_LINE_MAX)
            return err_set_place(streaming->info, ERR_LIMIT, streaming->position,
                                 streaming->number + 1, "A line is longer than %u bytes",
                                 SCORE_LINE_MAX);
        enum err code = memory_grow(&streaming->block, &streaming->capacity,
                                    streaming->size + BLOCK_SIZE, 1);
        if (code)
            return code;
    }
    size_t room = streaming->capacity - streaming->size;
    enum err code = streaming->from->read(streaming->from->context,
                                          streaming->block + streaming->size, room, &got);
    streaming->size += code ? 0 : got;
    streaming->ended = !code && got == 0;
    return code;
}

/* Refuses the first line with an unknown word. */
static enum err refuse_unknown(struct streaming *streaming)
{
    struct score_batch *batch = &streaming->batch;
    size_t i = 0;
    while (i < batch->inputs && batch->places[i].oov_count == 0)
        i++;
    if (i == batch->inputs)
        return ERR_OK;
    enum err code = token_list_encode(&batch->list, batch->target->tokenizer,
                                      batch->target->vocab, streaming->lines[i]);
    if (!code)
        code = oov_refuse(batch->target, streaming->lines[i], &batch->list, "",
                          streaming->info);
    if (streaming->info) {
        streaming->info->has_line = true;
        streaming->info->line = streaming->number + i + 1;
    }
    return code;
}

/* Where the block's last whole line ends; at the end of the text that is its end. */
static size_t whole_lines(struct streaming *streaming)
{
    if (streaming->ended)
        return streaming->size;
    const char *last = memrchr(streaming->block + streaming->searched, '\n',
                               streaming->size - streaming->searched);
    size_t whole = last ? (size_t)(last - streaming->block) + 1 : 0;
    streaming->searched = streaming->size - whole; /* when `whole` bytes are gone */
    return whole;
}

/* Lists the lines of the first `size` bytes of the block. */
static enum err cut_lines(struct streaming *streaming, size_t size, size_t *count)
{
    *count = 0;
    for (size_t used = 0; used < size;) {
        const char *line = streaming->block + used;
        const char *end = memchr(line, '\n', size - used);
        size_t length = end ? (size_t)(end - line) : size - used;
        enum err code = memory_grow(&streaming->lines, &streaming->lines_capacity,
                                    *count + 1, sizeof *streaming->lines);
        if (code)
            return code;
        used += length + (end ? 1 : 0);
        if (length > 0 && line[length - 1] == '\r')
            length--;
        streaming->lines[(*count)++] = span_of(line, length);
    }
    return ERR_OK;
}

static enum err add_lines(struct streaming *streaming, size_t size)
{
    size_t count;
    enum err code = cut_lines(streaming, size, &count);
    if (!code)
        code = score_batch_add_lines(&streaming->batch, span_of(streaming->block, size),
                                     streaming->lines, count);
    if (!code && streaming->batch.options.oov == SCORE_OOV_ERROR)
        code = refuse_unknown(streaming);
    return code;
}

static enum err check_utf8(const struct streaming *streaming, size_t size)
{
    struct span text = span_of(streaming->block, size);
    size_t bad = utf8_check(text);
    if (bad == size)
        return ERR_OK;
    uint64_t line = streaming->number + utf8_line_ends(span_of(text.bytes, bad)) + 1;
    uint64_t offset = streaming->position + bad;
    return err_set_place(streaming->info, ERR_BAD_UTF8, offset, line,
                         "The text is not valid UTF-8 at byte %" PRIu64 " (line %" PRIu64
                         ")",
                         offset, line);
}

static enum err tell_line(struct streaming *streaming, const struct score_answer *answer,
                          size_t input)
{
    struct score_line line = {.number = streaming->number + input + 1,
                              .text = streaming->lines[input],
                              .result = &answer->results[input]};
    return streaming->each(streaming->context, &line);
}

static enum err tell_lines(struct streaming *streaming)
{
    struct score_answer answer = {0};
    enum err code = score_batch_answer(&streaming->batch, streaming->lines, &answer);
    if (!code)
        score_sums_add(streaming->total, &answer.total);
    for (size_t i = 0; i < answer.count && !code; i++)
        code = tell_line(streaming, &answer, i);
    score_answer_fini(&answer);
    return code;
}

static void add_totals(struct streaming *streaming)
{
    for (size_t i = 0; i < streaming->batch.inputs; i++) {
        struct score_sums sums;
        score_batch_sums(&streaming->batch, i, &sums);
        score_sums_add(streaming->total, &sums);
    }
}

static enum err score_block(struct streaming *streaming)
{
    size_t used = whole_lines(streaming);
    if (used == 0)
        return ERR_OK;
    score_batch_clear(&streaming->batch);
    enum err code = check_utf8(streaming, used);
    if (!code)
        code = add_lines(streaming, used);
    if (!code)
        code = score_batch_run(&streaming->batch);
    if (!code && streaming->each)
        code = tell_lines(streaming);
    else if (!code)
        add_totals(streaming);
    if (code)
        return code;
    streaming->size -= used;
    streaming->position += used;
    streaming->number += streaming->batch.inputs;
    memmove(streaming->block, streaming->block + used, streaming->size);
    return ERR_OK;
}

enum err score_stream(const struct target *target, const struct score_options *options,
                      const struct reader *from,
                      enum err (*each)(void *context, const struct score_line *line),
                      void *context, struct score_sums *total, struct err_info *info)
{
    struct streaming streaming = {
        .from = from, .each = each, .context = context, .total = total, .info = info};
    memset(total, 0, sizeof *total);
    enum err code = score_batch_init(&streaming.batch, target, options);
    while (!code && !(streaming.ended && streaming.size == 0)) {
        code = streaming.ended ? ERR_OK : read_block(&streaming);
        if (!code)
            code = score_block(&streaming);
    }
    score_sums_finish(total);
    score_batch_fini(&streaming.batch);
    free(streaming.lines);
    free(streaming.block);
    return err_finish(info, code);
}
