/* SPDX-License-Identifier: MIT */
/* From words to a drawn map. Words are looked up when the map is drawn, not when it is
 * asked for, so that a model that was replaced in between is drawn as it is then; a word
 * without a row of its own may have a vector from its character n-grams. */
#include "model/maps/map_order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/maps/map_file.h"
#include "model/model.h"
#include "model/spec_text.h"
#include "model/vectors/vectors.h"

enum err map_order_write(const struct map_order *order, struct buffer *text)
{
    const struct maps_settings *settings = &order->settings;
    (void)buffer_printf(text, "model %s\nmethod %s\ndims %u\ntop %" PRIu32 "\n",
                        order->model, maps_method_names[settings->method], settings->dims,
                        order->top);
    (void)buffer_printf(text, "perplexity %.17g\niterations %" PRIu32 "\n",
                        settings->perplexity, settings->iterations);
    (void)buffer_printf(text, "seed %" PRIu64 "\nthreads %u\n", settings->seed,
                        settings->threads);
    return text->failed;
}

static bool read_fact(struct map_order *order, const struct spec_line *line)
{
    struct maps_settings *settings = &order->settings;
    const char *key = line->key, *value = line->value;
    unsigned index;
    if (strcmp(key, "model") == 0)
        return spec_text_name(value, order->model, sizeof order->model);
    if (strcmp(key, "method") == 0) {
        if (!spec_text_word(value, maps_method_names, MAPS_METHOD_COUNT, &index))
            return false;
        settings->method = (enum maps_method)index;
        return true;
    }
    if (strcmp(key, "dims") == 0)
        return spec_text_u32(value, &settings->dims);
    if (strcmp(key, "top") == 0)
        return spec_text_u32(value, &order->top);
    if (strcmp(key, "perplexity") == 0)
        return spec_text_amount(value, &settings->perplexity);
    if (strcmp(key, "iterations") == 0)
        return spec_text_u32(value, &settings->iterations);
    if (strcmp(key, "seed") == 0)
        return spec_text_u64(value, &settings->seed);
    return strcmp(key, "threads") == 0 && spec_text_u32(value, &settings->threads);
}

enum err map_order_read(struct map_order *order, struct span text, struct err_info *info)
{
    struct spec_line line;
    *order = (struct map_order){.settings = maps_defaults(MAPS_PCA)};
    while (spec_text_next(&text, &line))
        if (!read_fact(order, &line))
            return err_set(info, ERR_INVALID,
                           "The order of a map has an unusable line \"%.60s %.60s\"",
                           line.key, line.value);
    return ERR_OK;
}

enum err map_order_check(const struct map_order *order, size_t words, uint32_t dim,
                         struct err_info *info)
{
    if (words < MAP_ORDER_WORDS_LEAST || words > MAP_ORDER_WORDS_MAX)
        return err_set_field(info, ERR_INVALID, order->top ? "/top" : "/words",
                             "A map has %u to %u words, not %zu", MAP_ORDER_WORDS_LEAST,
                             MAP_ORDER_WORDS_MAX, words);
    return maps_check(words, dim, &order->settings, info);
}

/* ---- drawing ---- */

/* The words to draw and their vectors. */
struct subjects {
    size_t count;
    struct span *words; /* [count], of the text or the vocabulary */
    float *rows;        /* [count][stride] */
};

static void subjects_fini(struct subjects *subjects)
{
    free(subjects->words);
    free(subjects->rows);
}

static size_t count_lines(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.bytes[i] == '\n' || i + 1 == text.size;
    return count;
}

static void cut_lines(struct span text, struct span *words)
{
    for (size_t number = 0; text.size > 0; number++) {
        const char *end = memchr(text.bytes, '\n', text.size);
        size_t length = end ? (size_t)(end - text.bytes) : text.size;
        size_t used = length + (end ? 1 : 0);
        words[number] = span_of(text.bytes, length);
        text = span_of(text.bytes + used, text.size - used);
    }
}

static enum err gather(const struct vectors *vectors, struct subjects *subjects,
                       struct err_info *info)
{
    subjects->rows =
        memory_new_aligned(subjects->count, vectors->stride * sizeof *subjects->rows);
    if (!subjects->rows)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < subjects->count; i++) {
        struct span word = subjects->words[i];
        if (!vectors_of_word(vectors, word, subjects->rows + i * vectors->stride))
            return err_set(info, ERR_UNKNOWN_WORDS,
                           "\"%.*s\" is not in the vocabulary any more",
                           word.size < 60 ? (int)word.size : 60, word.bytes);
    }
    return ERR_OK;
}

static enum err find_subjects(const struct map_order *order,
                              const struct vectors *vectors, struct span words,
                              struct subjects *subjects, struct err_info *info)
{
    subjects->count = order->top ? order->top : count_lines(words);
    if (order->top > vectors->count)
        return err_set_field(info, ERR_INVALID, "/top", "The model has %u words",
                             vectors->count);
    enum err code = map_order_check(order, subjects->count, vectors->dim, info);
    if (code)
        return code;
    subjects->words = memory_new_array(subjects->count, sizeof *subjects->words);
    if (!subjects->words)
        return ERR_NO_MEMORY;
    if (!order->top)
        cut_lines(words, subjects->words);
    for (uint32_t i = 0; i < order->top; i++)
        subjects->words[i] = vectors_word(vectors, i);
    return gather(vectors, subjects, info);
}

enum err map_order_draw(const struct map_order *order, const struct model *model,
                        struct span words, const struct progress *progress,
                        const struct writer *to, struct err_info *info)
{
    const struct vectors *vectors = model->vectors;
    struct subjects subjects = {0};
    struct map *map = NULL;
    enum err code = model_need_vectors(model, info);
    if (!code)
        code = find_subjects(order, vectors, words, &subjects, info);
    if (!code) {
        const struct maps_rows rows = {subjects.rows, subjects.count, vectors->stride,
                                       vectors->dim};
        code = maps_make(&rows, &order->settings, progress, &map, info);
    }
    if (!code)
        code = map_file_write(map, subjects.words, to);
    maps_free(map);
    subjects_fini(&subjects);
    return code ? err_finish(info, code) : ERR_OK;
}
