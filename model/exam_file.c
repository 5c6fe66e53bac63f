/* SPDX-License-Identifier: MIT */
/* Marks as an artefact. Each measure has its sections: "perplexity" f64 [7]; "pairs" f64
 * [4]; "names" (MEASURES_NAME_SIZE bytes each) and "counts" u64 [sections + 3][3], the
 * last three semantic, syntactic and total. Counts among floating-point numbers are exact
 * up to 2^53. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/artefact.h"
#include "model/exam.h"

enum { SUMS = 3, COUNTS = 3 };

static enum err put_numbers(struct artefact_writer *writer, const char *name,
                            const double *numbers, uint64_t count)
{
    return artefact_put(writer, name, ARTEFACT_F64, 1, &count, numbers);
}

static const struct measures_section *section_of(const struct measures_analogies *marks,
                                                 size_t index)
{
    if (index < marks->section_count)
        return &marks->sections[index];
    index -= marks->section_count;
    return index == 0 ? &marks->semantic : index == 1 ? &marks->syntactic : &marks->total;
}

static enum err put_analogies(struct artefact_writer *writer,
                              const struct measures_analogies *marks)
{
    size_t rows = marks->section_count + SUMS;
    const uint64_t shape[] = {rows, COUNTS}, bytes = rows * MEASURES_NAME_SIZE;
    uint64_t *counts = memory_new_array(rows, COUNTS * sizeof *counts);
    char *names = memory_new_array(rows, MEASURES_NAME_SIZE);
    enum err code = counts && names ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < rows; i++) {
        const struct measures_section *section = section_of(marks, i);
        counts[i * COUNTS] = section->asked;
        counts[i * COUNTS + 1] = section->right;
        counts[i * COUNTS + 2] = section->skipped;
        memcpy(names + i * MEASURES_NAME_SIZE, section->name, MEASURES_NAME_SIZE);
    }
    if (!code)
        code = artefact_put(writer, "names", ARTEFACT_BYTES, 1, &bytes, names);
    if (!code)
        code = artefact_put(writer, "counts", ARTEFACT_U64, 2, shape, counts);
    free(counts);
    free(names);
    return code;
}

static enum err put_marks(struct artefact_writer *writer, const struct exam_marks *marks)
{
    const struct evaluation *text = &marks->perplexity;
    const struct measures_pairs *pairs = &marks->pairs;
    const double of_text[] = {text->logprob,          text->logprob_no_unk,
                              (double)text->tokens,   (double)text->unk,
                              (double)text->segments, text->perplexity,
                              text->perplexity_no_unk};
    const double of_pairs[] = {(double)pairs->pairs, (double)pairs->skipped,
                               pairs->spearman, pairs->pearson};
    switch (marks->of) {
    case EXAM_PERPLEXITY:
        return put_numbers(writer, "perplexity", of_text, 7);
    case EXAM_WORD_PAIRS:
        return put_numbers(writer, "pairs", of_pairs, 4);
    case EXAM_ANALOGIES:
    case EXAM_COUNT:
    default:
        return put_analogies(writer, &marks->analogies);
    }
}

enum err exam_marks_write(const struct exam_marks *marks, const struct writer *to)
{
    struct artefact_writer *writer = NULL;
    enum err code = artefact_begin(to, "exam", &writer);
    if (!code)
        code = put_marks(writer, marks);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    return code;
}

/* ---- reading ---- */

static enum err bad(struct err_info *info)
{
    return err_set(info, ERR_BAD_MODEL_FILE, "The marks of an evaluation are malformed");
}

static enum err need_numbers(const struct artefact *artefact, const char *name,
                             double *numbers, uint64_t count, struct err_info *info)
{
    const struct artefact_section *section;
    enum err code = artefact_need(artefact, name, ARTEFACT_F64, 1, &section, info);
    if (!code && section->shape[0] != count)
        code = bad(info);
    if (!code)
        memcpy(numbers, section->content.bytes, (size_t)count * sizeof *numbers);
    return code;
}

/* A count that was written as a floating-point number. */
static uint64_t count_of(double number)
{
    return number > 0 && number < 0x1p53 ? (uint64_t)number : 0;
}

static enum err read_text(const struct artefact *artefact, struct evaluation *text,
                          struct err_info *info)
{
    double numbers[7];
    enum err code = need_numbers(artefact, "perplexity", numbers, 7, info);
    if (!code)
        *text = (struct evaluation){numbers[0],
                                    numbers[1],
                                    count_of(numbers[2]),
                                    count_of(numbers[3]),
                                    count_of(numbers[4]),
                                    numbers[5],
                                    numbers[6]};
    return code;
}

static enum err read_pairs(const struct artefact *artefact, struct measures_pairs *pairs,
                           struct err_info *info)
{
    double numbers[4];
    enum err code = need_numbers(artefact, "pairs", numbers, 4, info);
    if (!code)
        *pairs =
            (struct measures_pairs){(size_t)count_of(numbers[0]),
                                    (size_t)count_of(numbers[1]), numbers[2], numbers[3]};
    return code;
}

static enum err read_analogies(const struct artefact *artefact,
                               struct measures_analogies *marks, struct err_info *info)
{
    const struct artefact_section *names, *counts;
    enum err code = artefact_need(artefact, "names", ARTEFACT_BYTES, 1, &names, info);
    if (!code)
        code = artefact_need(artefact, "counts", ARTEFACT_U64, 2, &counts, info);
    if (code)
        return code;
    uint64_t rows = counts->shape[0];
    if (rows < SUMS || rows > MEASURES_SECTIONS_MAX + SUMS ||
        counts->shape[1] != COUNTS || names->content.size != rows * MEASURES_NAME_SIZE)
        return bad(info);
    marks->section_count = (size_t)rows - SUMS;
    for (size_t i = 0; i < rows; i++) {
        uint64_t numbers[COUNTS];
        struct measures_section *section =
            (struct measures_section *)(uintptr_t)section_of(marks, i);
        memcpy(numbers, counts->content.bytes + i * sizeof numbers, sizeof numbers);
        memcpy(section->name, names->content.bytes + i * MEASURES_NAME_SIZE,
               MEASURES_NAME_SIZE - 1);
        section->asked = (size_t)numbers[0];
        section->right = (size_t)numbers[1];
        section->skipped = (size_t)numbers[2];
    }
    return ERR_OK;
}

enum err exam_marks_read(struct span bytes, struct exam_marks *marks,
                         struct err_info *info)
{
    struct artefact *artefact = NULL;
    memset(marks, 0, sizeof *marks);
    enum err code = artefact_parse(bytes, &artefact, info);
    if (!code && artefact_find(artefact, "perplexity")) {
        marks->of = EXAM_PERPLEXITY;
        code = read_text(artefact, &marks->perplexity, info);
    } else if (!code && artefact_find(artefact, "pairs")) {
        marks->of = EXAM_WORD_PAIRS;
        code = read_pairs(artefact, &marks->pairs, info);
    } else if (!code) {
        marks->of = EXAM_ANALOGIES;
        code = read_analogies(artefact, &marks->analogies, info);
    }
    artefact_free(artefact);
    return code;
}
