/* SPDX-License-Identifier: MIT */
/* Files of questions, read line by line; analogies are answered in batches, so that a
 * file costs some matrix products. */
#include "model/vectors/measures.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/lower.h"
#include "model/vectors/number.h"
#include "model/vectors/rank.h"

enum { BATCH = 512, WORD_MAX = 1024 };

/* Reading a text by lines. */
struct lines {
    struct span rest;
    uint64_t number, offset; /* of the line last read, number from 1 */
    uint64_t next_offset;
};

static bool next_line(struct lines *lines, struct span *line)
{
    if (lines->rest.size == 0)
        return false;
    const char *feed = memchr(lines->rest.bytes, '\n', lines->rest.size);
    size_t size = feed ? (size_t)(feed - lines->rest.bytes) : lines->rest.size;
    *line = span_of(lines->rest.bytes, size);
    size_t taken = size + (feed != NULL);
    lines->rest = span_of(lines->rest.bytes + taken, lines->rest.size - taken);
    lines->number++;
    lines->offset = lines->next_offset;
    lines->next_offset += taken;
    if (size > 0 && line->bytes[size - 1] == '\r')
        line->size--;
    return true;
}

/* The fields of a line between any of `separators`; at most `most`, returns how many. */
static size_t split_line(struct span line, const char *separators, struct span *fields,
                         size_t most)
{
    size_t count = 0, at = 0;
    while (at < line.size) {
        while (at < line.size && strchr(separators, line.bytes[at]))
            at++;
        size_t first = at;
        while (at < line.size && !strchr(separators, line.bytes[at]))
            at++;
        if (at == first)
            break;
        if (count < most)
            fields[count] = span_of(line.bytes + first, at - first);
        count++;
    }
    return count;
}

/* The row of a word of the file, or VECTORS_NO_ROW. */
static uint32_t find_row(const struct vectors *vectors, struct span word,
                         const struct measures_options *options)
{
    char lower[LOWER_SIZE(WORD_MAX)];
    if (options->lowercase && word.size <= WORD_MAX)
        word = span_of(lower, lower_token(word, lower));
    uint32_t row = vectors_row_of(vectors, word);
    return options->rows && row != VECTORS_NO_ROW && row >= options->rows ? VECTORS_NO_ROW
                                                                          : row;
}

/* ---- analogies ---- */

struct asking {
    const struct vectors *vectors;
    const struct measures_options *options;
    struct measures_analogies *result;
    size_t count;
    struct span words[BATCH][3]; /* b, c; a */
    uint32_t expected[BATCH];
    size_t sections[BATCH];
    struct analogy analogies[BATCH];
    struct neighbour answers[BATCH];
    size_t found[BATCH];
};

static enum err answer_batch(struct asking *asking, struct err_info *info)
{
    struct analogy_options options = {.method = asking->options->method,
                                      .k = 1,
                                      .exclude_inputs = true,
                                      .rows = asking->options->rows,
                                      .threads = asking->options->threads};
    if (asking->count == 0)
        return ERR_OK;
    enum err code = queries_analogy(asking->vectors, asking->analogies, asking->count,
                                    &options, asking->answers, asking->found, info);
    for (size_t i = 0; i < asking->count && !code; i++) {
        struct measures_section *section = asking->result->sections + asking->sections[i];
        section->asked++;
        section->right +=
            asking->found[i] && asking->answers[i].row == asking->expected[i];
    }
    asking->count = 0;
    return code;
}

static enum err add_question(struct asking *asking, const struct span *words,
                             struct err_info *info)
{
    size_t section = asking->result->section_count - 1, at = asking->count;
    uint32_t rows[4];
    for (int i = 0; i < 4; i++) {
        rows[i] = find_row(asking->vectors, words[i], asking->options);
        if (rows[i] == VECTORS_NO_ROW) {
            asking->result->sections[section].skipped++;
            return ERR_OK;
        }
    }
    asking->words[at][0] = vectors_word(asking->vectors, rows[1]);
    asking->words[at][1] = vectors_word(asking->vectors, rows[2]);
    asking->words[at][2] = vectors_word(asking->vectors, rows[0]);
    asking->analogies[at] =
        (struct analogy){asking->words[at], asking->words[at] + 2, 2, 1};
    asking->expected[at] = rows[3];
    asking->sections[at] = section;
    return ++asking->count == BATCH ? answer_batch(asking, info) : ERR_OK;
}

static enum err open_section(struct measures_analogies *result, struct span name)
{
    if (result->section_count == MEASURES_SECTIONS_MAX)
        return ERR_LIMIT;
    struct measures_section *section = result->sections + result->section_count++;
    while (name.size && (name.bytes[0] == ' ' || name.bytes[0] == ':'))
        name = span_of(name.bytes + 1, name.size - 1);
    size_t size = name.size < MEASURES_NAME_SIZE - 1 ? name.size : MEASURES_NAME_SIZE - 1;
    memcpy(section->name, name.bytes, size);
    return ERR_OK;
}

static enum err read_question(struct asking *asking, const struct lines *lines,
                              struct span line, struct err_info *info)
{
    struct span words[4];
    size_t count = split_line(line, " \t", words, 4);
    if (count == 0)
        return ERR_OK;
    if (line.bytes[0] == ':') {
        enum err code = open_section(asking->result, line);
        return code ? err_set_place(info, code, lines->offset, lines->number,
                                    "more than %u sections", MEASURES_SECTIONS_MAX)
                    : ERR_OK;
    }
    if (count != 4)
        return err_set_place(info, ERR_INVALID, lines->offset, lines->number,
                             "Line %llu is neither four words nor \": section\"",
                             (unsigned long long)lines->number);
    if (asking->result->section_count == 0) {
        enum err code = open_section(asking->result, span_of_text("questions"));
        if (code)
            return code;
    }
    return add_question(asking, words, info);
}

static void add_up(struct measures_analogies *result)
{
    memcpy(result->semantic.name, "semantic", 9);
    memcpy(result->syntactic.name, "syntactic", 10);
    memcpy(result->total.name, "total", 6);
    for (size_t i = 0; i < result->section_count; i++) {
        const struct measures_section *section = result->sections + i;
        struct measures_section *sums[] = {strncmp(section->name, "gram", 4) == 0
                                               ? &result->syntactic
                                               : &result->semantic,
                                           &result->total};
        for (int k = 0; k < 2; k++) {
            sums[k]->asked += section->asked;
            sums[k]->right += section->right;
            sums[k]->skipped += section->skipped;
        }
    }
}

enum err measures_analogies(const struct vectors *vectors, struct span text,
                            const struct measures_options *options,
                            const struct progress *progress,
                            struct measures_analogies *result, struct err_info *info)
{
    memset(result, 0, sizeof *result);
    struct asking *asking = memory_new_array(1, sizeof *asking);
    if (!asking)
        return ERR_NO_MEMORY;
    asking->vectors = vectors;
    asking->options = options;
    asking->result = result;
    struct lines lines = {.rest = text};
    struct span line;
    enum err code = ERR_OK;
    while (!code && next_line(&lines, &line)) {
        struct progress_report report = {
            .fraction = (double)lines.offset / (double)text.size, .phase = "evaluating"};
        code = read_question(asking, &lines, line, info);
        if (!code && asking->count == 0 &&
            progress_report(progress, &report) == PROGRESS_STOP)
            code = ERR_CANCELLED;
    }
    if (!code)
        code = answer_batch(asking, info);
    add_up(result);
    free(asking);
    return code;
}

/* ---- pairs ---- */

static enum err read_pair(const struct vectors *vectors, const struct lines *lines,
                          struct span line, const struct measures_options *options,
                          struct measures_pairs *result, double *x, double *y,
                          struct err_info *info)
{
    struct span fields[3];
    float score;
    size_t count = split_line(line, " \t,", fields, 3);
    if (count == 0 || line.bytes[0] == '#')
        return ERR_OK;
    if (count != 3 || !number_read(fields[2], &score))
        return err_set_place(info, ERR_INVALID, lines->offset, lines->number,
                             "Line %llu is not two words and a number",
                             (unsigned long long)lines->number);
    uint32_t a = find_row(vectors, fields[0], options);
    uint32_t b = find_row(vectors, fields[1], options);
    if (a == VECTORS_NO_ROW || b == VECTORS_NO_ROW) {
        result->skipped++;
        return ERR_OK;
    }
    struct similarity similarity =
        queries_similarity(vectors, vectors_row(vectors, a), vectors_row(vectors, b));
    x[result->pairs] = similarity.cosine;
    y[result->pairs++] = (double)score;
    return ERR_OK;
}

enum err measures_pairs(const struct vectors *vectors, struct span text,
                        const struct measures_options *options,
                        struct measures_pairs *result, struct err_info *info)
{
    *result = (struct measures_pairs){0};
    size_t most = 1;
    for (size_t i = 0; i < text.size; i++)
        most += text.bytes[i] == '\n';
    double *x = memory_new_array(most, sizeof *x);
    double *y = memory_new_array(most, sizeof *y);
    enum err code = x && y ? ERR_OK : ERR_NO_MEMORY;
    struct lines lines = {.rest = text};
    struct span line;
    while (!code && next_line(&lines, &line))
        code = read_pair(vectors, &lines, line, options, result, x, y, info);
    if (!code) {
        result->pearson = rank_pearson(x, y, result->pairs);
        code = rank_spearman(x, y, result->pairs, &result->spearman);
    }
    free(x);
    free(y);
    return code;
}
