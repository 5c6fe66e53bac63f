/* SPDX-License-Identifier: MIT */
#include "tests/unit/vectors/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/vectors/search.h"
#include "tests/support/unit.h"

static struct vocab *make_vocab(uint32_t count)
{
    char(*names)[16] = memory_new_array(count, sizeof *names);
    struct span *words = memory_new_array(count, sizeof *words);
    uint64_t *counts = memory_new_array(count, sizeof *counts);
    struct vocab *vocab;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof *names, "w%u", i);
        words[i] = span_of_text(names[i]);
        counts[i] = count - i;
    }
    ck_assert_int_eq(vocab_from_words(words, counts, count, &vocab, NULL), ERR_OK);
    free(names);
    free(words);
    free(counts);
    return vocab;
}

void fixture_init(struct fixture *fixture, uint32_t count, uint32_t dim, bool unit,
                  uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 0);
    fixture->vocab = make_vocab(count);
    size_t stride = vectors_stride(dim);
    float *matrix = memory_new_aligned(count * stride, sizeof *matrix);
    for (uint32_t row = 0; row < count; row++) {
        double sum = 0;
        for (uint32_t d = 0; d < dim; d++) {
            double x = random_normal(&random);
            matrix[row * stride + d] = (float)x;
            sum += x * x;
        }
        for (uint32_t d = 0; d < dim && unit; d++)
            matrix[row * stride + d] /= (float)sqrt(sum);
    }
    ck_assert_int_eq(vectors_new_take(fixture->vocab, VOCAB_RESERVED, matrix, count, dim,
                                      &fixture->vectors, NULL),
                     ERR_OK);
}

void fixture_fini(struct fixture *fixture)
{
    vectors_free(fixture->vectors);
    vocab_free(fixture->vocab);
}

float *fixture_vector(const struct fixture *fixture, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 1);
    float *vector = memory_new_aligned(fixture->vectors->stride, sizeof *vector);
    for (uint32_t d = 0; d < fixture->vectors->dim; d++)
        vector[d] = (float)random_normal(&random);
    return vector;
}

char *fixture_text(size_t sentences, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 2);
    struct buffer text;
    buffer_init(&text, (size_t)1 << 30);
    for (size_t i = 0; i < sentences; i++) {
        unsigned group = (unsigned)random_below(&random, 20);
        for (int w = 0; w < 8; w++)
            buffer_printf(&text, "%c%u ", "abc"[random_below(&random, 3)], group);
        buffer_append_text(&text, "\n");
    }
    size_t size;
    return buffer_release(&text, &size);
}

enum err fixture_train(const char *kind, const char *text, unsigned threads,
                       const char *const *params, double epochs, struct buffer *bytes,
                       struct train_result *result)
{
    struct train_spec spec;
    struct train_input input = {.text = span_of_text(text)};
    struct err_info info = {0};
    ck_assert_ptr_nonnull(kind_find(kind));
    train_spec_init(&spec, kind_find(kind));
    spec.threads = threads;
    spec.seed = 7;
    spec.budget.epochs = epochs;
    for (; params && *params; params += 2)
        ck_assert_msg(params_parse(&spec.params, params[0], params[1], &info) == ERR_OK,
                      "%s", info.message);
    buffer_init(bytes, (size_t)1 << 30);
    struct writer writer = writer_to_buffer(bytes);
    memset(result, 0, sizeof *result);
    return spec.kind->train(&spec, &input, NULL, &writer, result, &info);
}

struct model *fixture_load(const struct buffer *bytes)
{
    struct model *model;
    struct err_info info = {0};
    char *copy = memory_new_aligned(bytes->size, 1);
    memcpy(copy, bytes->bytes, bytes->size);
    enum err code = model_load_take(copy, bytes->size, &model, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    return model;
}

size_t fixture_right_neighbours(const struct vectors *vectors)
{
    size_t right = 0;
    for (uint32_t row = 0; row < vectors->count; row++) {
        struct search_question question = {
            .positives = 1, .exclude = &row, .exclude_count = 1};
        struct search search = {.vectors = vectors_row(vectors, row),
                                .vector_count = 1,
                                .questions = &question,
                                .question_count = 1,
                                .k = 2};
        struct neighbour results[2];
        size_t found;
        ck_assert_int_eq(search_exact(vectors, &search, results, &found), ERR_OK);
        struct span word = vectors_word(vectors, row);
        for (size_t i = 0; i < found; i++) {
            struct span other = vectors_word(vectors, results[i].row);
            right += other.size == word.size &&
                     memcmp(other.bytes + 1, word.bytes + 1, word.size - 1) == 0;
        }
    }
    return right;
}
