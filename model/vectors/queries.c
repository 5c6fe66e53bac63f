/* SPDX-License-Identifier: MIT */
/* Questions in words turned into questions in vectors. */
#include "model/vectors/queries.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/vectors/hnsw.h"
#include "model/vectors/kernels.h"

const char *const analogy_method_names[] = {"3cosadd", "3cosmul", NULL};

static bool is_excluded(const struct search_question *question, uint32_t row)
{
    for (size_t i = 0; i < question->exclude_count; i++)
        if (question->exclude[i] == row)
            return true;
    return false;
}

/* The index knows no exclusions: it is asked for as many more. */
static enum err ask_index(const struct hnsw *index, const struct vectors *vectors,
                          const struct search *search, size_t number,
                          struct neighbour *results, size_t *found)
{
    const struct search_question *question = search->questions + number;
    size_t wanted = search->k + question->exclude_count, got;
    struct neighbour *all = memory_new_array(wanted, sizeof *all);
    if (!all)
        return ERR_NO_MEMORY;
    enum err code = hnsw_search(
        index, search->vectors + question->first * vectors->stride, wanted, 0, all, &got);
    *found = 0;
    for (size_t i = 0; i < got && !code && *found < search->k; i++)
        if (!is_excluded(question, all[i].row))
            results[(*found)++] = all[i];
    free(all);
    return code;
}

bool queries_suit_index(const struct vectors *vectors, const struct search *search)
{
    bool restricted = search->rows && search->rows < vectors->count;
    return !restricted && search->metric == METRIC_COSINE &&
           search->k < vectors->count / 4;
}

enum err queries_nearest(const struct vectors *vectors, const struct search *search,
                         bool exact, struct neighbour *results, size_t *found)
{
    const struct hnsw *index = atomic_load(&vectors->index);
    if (exact || !index || !queries_suit_index(vectors, search))
        return search_exact(vectors, search, results, found);
    enum err code = ERR_OK;
    for (size_t q = 0; q < search->question_count && !code; q++)
        code = ask_index(index, vectors, search, q, results + q * search->k, found + q);
    return code;
}

static double length_of(const float *vector, size_t stride)
{
    double sum = 0;
    for (size_t d = 0; d < stride; d++)
        sum += (double)vector[d] * vector[d];
    return sqrt(sum);
}

static void scale_to_unit(float *vector, size_t stride)
{
    double length = length_of(vector, stride);
    for (size_t d = 0; d < stride && length > 0; d++)
        vector[d] = (float)(vector[d] / length);
}

static enum err unit_of_word(const struct vectors *vectors, struct span word, float *to,
                             struct err_info *info)
{
    if (!vectors_of_word(vectors, word, to))
        return err_set(info, ERR_UNKNOWN_WORDS, "no vector for the word \"%.*s\"",
                       (int)(word.size < 64 ? word.size : 64), word.bytes);
    scale_to_unit(to, vectors->stride);
    return ERR_OK;
}

/* The rooms of one call: question i's words are units[starts[i] …], each one row. */
struct analogy_room {
    float *units;                      /* [words][stride] */
    float *sums;                       /* [count][stride], for 3CosAdd */
    uint32_t *excluded;                /* [words] rows */
    struct search_question *questions; /* [count] */
    size_t words;
};

static void fini_room(struct analogy_room *room)
{
    free(room->units);
    free(room->sums);
    free(room->excluded);
    free(room->questions);
}

static enum err make_room(struct analogy_room *room, const struct vectors *vectors,
                          const struct analogy *analogies, size_t count,
                          struct err_info *info)
{
    size_t row = vectors->stride * sizeof(float);
    for (size_t i = 0; i < count; i++) {
        size_t words = analogies[i].positive_count + analogies[i].negative_count;
        if (analogies[i].positive_count == 0 || words > QUERIES_ANALOGY_WORDS_MAX)
            return err_set(
                info, ERR_INVALID,
                "an analogy takes 1 to %u words, at least one of them positive",
                QUERIES_ANALOGY_WORDS_MAX);
        room->words += words;
    }
    room->units = memory_new_aligned(room->words, row);
    room->sums = memory_new_aligned(count, row);
    room->excluded = memory_new_array(room->words, sizeof *room->excluded);
    room->questions = memory_new_array(count, sizeof *room->questions);
    return room->units && room->sums && room->excluded && room->questions ? ERR_OK
                                                                          : ERR_NO_MEMORY;
}

static enum err add_word(struct analogy_room *room, const struct vectors *vectors,
                         size_t number, struct span word, bool positive,
                         struct err_info *info)
{
    struct search_question *question = room->questions + number;
    size_t at = question->first + question->positives + question->negatives;
    float *unit = room->units + at * vectors->stride;
    enum err code = unit_of_word(vectors, word, unit, info);
    if (code)
        return code;
    kernels_best()->add(room->sums + number * vectors->stride, positive ? 1 : -1, unit,
                        vectors->stride);
    uint32_t row = vectors_row_of(vectors, word);
    if (row != VECTORS_NO_ROW)
        room->excluded[question->first + question->exclude_count++] = row;
    if (positive)
        question->positives++;
    else
        question->negatives++;
    return ERR_OK;
}

static enum err fill_room(struct analogy_room *room, const struct vectors *vectors,
                          const struct analogy *analogies, size_t count,
                          const struct analogy_options *options, struct err_info *info)
{
    size_t first = 0;
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code; i++) {
        struct search_question *question = room->questions + i;
        question->first = first;
        for (size_t w = 0; w < analogies[i].positive_count && !code; w++)
            code = add_word(room, vectors, i, analogies[i].positive[w], true, info);
        for (size_t w = 0; w < analogies[i].negative_count && !code; w++)
            code = add_word(room, vectors, i, analogies[i].negative[w], false, info);
        first += (size_t)question->positives + question->negatives;
        question->exclude = room->excluded + question->first;
        if (!options->exclude_inputs)
            question->exclude_count = 0;
        if (options->method == ANALOGY_ADD) {
            question->first = i;
            question->positives = 1;
            question->negatives = 0;
        }
    }
    return code;
}

enum err queries_analogy(const struct vectors *vectors, const struct analogy *analogies,
                         size_t count, const struct analogy_options *options,
                         struct neighbour *results, size_t *found, struct err_info *info)
{
    struct analogy_room room = {0};
    enum err code = make_room(&room, vectors, analogies, count, info);
    if (!code)
        code = fill_room(&room, vectors, analogies, count, options, info);
    if (!code) {
        bool add = options->method == ANALOGY_ADD;
        struct search search = {
            .vectors = add ? room.sums : room.units,
            .vector_count = add ? count : room.words,
            .questions = room.questions,
            .question_count = count,
            .metric = METRIC_COSINE,
            .k = options->k,
            .rows = options->rows,
            .threads = options->threads,
        };
        bool exact = !add || !options->approximate;
        code = queries_nearest(vectors, &search, exact, results, found);
    }
    fini_room(&room);
    return code;
}

/* The sum of the unit vectors of `count` words times `factor` is added to `sum`. */
static enum err add_units(const struct vectors *vectors, const struct span *words,
                          size_t count, float factor, float *unit, float *sum,
                          struct err_info *info)
{
    enum err code = ERR_OK;
    for (size_t i = 0; i < count && !code; i++) {
        code = unit_of_word(vectors, words[i], unit, info);
        if (!code)
            kernels_best()->add(sum, factor, unit, vectors->stride);
    }
    return code;
}

enum err queries_cancel(const struct vectors *vectors, const struct analogy *analogy,
                        bool *cancel, struct err_info *info)
{
    float *sum = memory_new_aligned(2 * vectors->stride, sizeof *sum);
    *cancel = false;
    if (!sum)
        return ERR_NO_MEMORY;
    float *unit = sum + vectors->stride;
    enum err code = add_units(vectors, analogy->positive, analogy->positive_count, 1,
                              unit, sum, info);
    if (!code)
        code = add_units(vectors, analogy->negative, analogy->negative_count, -1, unit,
                         sum, info);
    *cancel = !code && !(length_of(sum, vectors->stride) > 0);
    free(sum);
    return code;
}

struct similarity queries_similarity(const struct vectors *vectors, const float *a,
                                     const float *b)
{
    double dot = 0, squared = 0;
    for (size_t d = 0; d < vectors->stride; d++) {
        double difference = (double)a[d] - b[d];
        dot += (double)a[d] * b[d];
        squared += difference * difference;
    }
    double lengths = length_of(a, vectors->stride) * length_of(b, vectors->stride);
    return (struct similarity){
        .cosine = lengths > 0 ? fmax(-1, fmin(1, dot / lengths)) : 0,
        .dot = dot,
        .euclidean = sqrt(squared),
        .has_cosine = lengths > 0,
    };
}

enum err queries_odd_one_out(const struct vectors *vectors, const struct span *words,
                             size_t count, size_t *odd, float *similarities,
                             struct err_info *info)
{
    *odd = 0;
    if (count < 2)
        return err_set(info, ERR_INVALID, "the odd one out needs at least two words");
    size_t stride = vectors->stride;
    float *units = memory_new_aligned(count, stride * sizeof *units);
    float *mean = memory_new_aligned(stride, sizeof *mean);
    enum err code = units && mean ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < count && !code; i++) {
        code = unit_of_word(vectors, words[i], units + i * stride, info);
        if (!code)
            kernels_best()->add(mean, 1, units + i * stride, stride);
    }
    if (!code && !(length_of(mean, stride) > 0))
        code = err_set_field(info, ERR_INVALID, "/words",
                             "The vectors cancel out: their mean has no direction.");
    if (!code)
        scale_to_unit(mean, stride);
    for (size_t i = 0; i < count && !code; i++) {
        similarities[i] = kernels_best()->dot(mean, units + i * stride, stride);
        if (similarities[i] < similarities[*odd])
            *odd = i;
    }
    free(units);
    free(mean);
    return code;
}

enum err queries_text(const struct vectors *vectors, const struct tokenizer *tokenizer,
                      struct span text, float *to, size_t *known, size_t *unknown)
{
    *known = *unknown = 0;
    size_t stride = vectors->stride;
    memset(to, 0, stride * sizeof *to);
    struct token_cursor *cursor = NULL;
    float *word = memory_new_aligned(stride, sizeof *word);
    enum err code =
        word ? token_cursor_new(tokenizer, text, true, &cursor) : ERR_NO_MEMORY;
    struct token token;
    while (!code) {
        enum token_event event = token_cursor_next(cursor, &token);
        if (event == TOKEN_TEXT_END)
            break;
        if (event != TOKEN_WORD)
            continue;
        if (vectors_of_word(vectors, token.text, word)) {
            kernels_best()->add(to, 1, word, stride);
            ++*known;
        } else {
            ++*unknown;
        }
    }
    for (size_t d = 0; d < stride && *known; d++)
        to[d] /= (float)*known;
    token_cursor_free(cursor);
    free(word);
    return code;
}
