/* SPDX-License-Identifier: MIT */
/* The index against exact search, and its file form. */
#include "model/vectors/hnsw.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/vectors/queries.h"
#include "model/vectors/vectors_file.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

enum { K = 10, QUERIES = 100 };

static struct hnsw *build(const struct vectors *vectors, unsigned threads)
{
    struct hnsw_settings settings = hnsw_defaults();
    struct hnsw *hnsw;
    settings.threads = threads;
    ck_assert_int_eq(hnsw_build(vectors, &settings, NULL, &hnsw), ERR_OK);
    return hnsw;
}

static double recall(const struct fixture *fixture, const struct hnsw *hnsw)
{
    size_t right = 0;
    for (uint64_t q = 0; q < QUERIES; q++) {
        float *query = fixture_vector(fixture, q);
        struct neighbour exact[K], near[K];
        size_t found, near_found;
        struct search_question question = {.positives = 1};
        struct search search = {.vectors = query,
                                .vector_count = 1,
                                .questions = &question,
                                .question_count = 1,
                                .k = K};
        ck_assert_int_eq(search_exact(fixture->vectors, &search, exact, &found), ERR_OK);
        ck_assert_int_eq(hnsw_search(hnsw, query, K, 0, near, &near_found), ERR_OK);
        ck_assert_uint_eq(near_found, K);
        for (size_t i = 0; i < K; i++) {
            if (i > 0)
                ck_assert_float_le(near[i].score, near[i - 1].score);
            for (size_t j = 0; j < K; j++)
                right += near[i].row == exact[j].row;
        }
        free(query);
    }
    return (double)right / (K * QUERIES);
}

START_TEST(finds_nearly_all)
{
    struct fixture fixture;
    fixture_init(&fixture, 5000, 24, false, 1);
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct hnsw *hnsw = build(fixture.vectors, threads);
        ck_assert_double_ge(recall(&fixture, hnsw), 0.95);
        hnsw_free(hnsw);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(small_sets)
{
    for (uint32_t count = 1; count <= 40; count += 13) {
        struct fixture fixture;
        fixture_init(&fixture, count, 3, false, count);
        struct hnsw *hnsw = build(fixture.vectors, 1);
        struct neighbour near[100];
        size_t found;
        float *query = fixture_vector(&fixture, 1);
        ck_assert_int_eq(hnsw_search(hnsw, query, 100, 0, near, &found), ERR_OK);
        ck_assert_uint_eq(found, count);
        memset(query, 0, fixture.vectors->stride * sizeof *query);
        ck_assert_int_eq(hnsw_search(hnsw, query, 1, 0, near, &found), ERR_OK);
        ck_assert_uint_eq(found, 1);
        free(query);
        hnsw_free(hnsw);
        fixture_fini(&fixture);
    }
}
END_TEST

static char *write_index(const struct hnsw *hnsw, size_t *size)
{
    struct buffer file;
    buffer_init(&file, (size_t)1 << 28);
    struct writer to = writer_to_buffer(&file);
    struct artefact_writer *writer;
    ck_assert_int_eq(artefact_begin(&to, "x", &writer), ERR_OK);
    ck_assert_int_eq(hnsw_write(hnsw, writer), ERR_OK);
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
    char *copy = memory_new_aligned(file.size, 1);
    memcpy(copy, file.bytes, file.size);
    *size = file.size;
    buffer_fini(&file);
    return copy;
}

START_TEST(written_index_is_the_same)
{
    struct fixture fixture;
    fixture_init(&fixture, 700, 12, false, 3);
    struct hnsw *first = build(fixture.vectors, 1), *second = build(fixture.vectors, 1);
    size_t size, again;
    char *bytes = write_index(first, &size), *others = write_index(second, &again);
    ck_assert_uint_eq(size, again);
    ck_assert(memcmp(bytes, others, size) == 0);
    struct artefact *artefact;
    struct hnsw *loaded;
    ck_assert_int_eq(artefact_parse(span_of(bytes, size), &artefact, NULL), ERR_OK);
    ck_assert_int_eq(hnsw_load(fixture.vectors, artefact, &loaded, NULL), ERR_OK);
    for (uint64_t q = 0; q < 20; q++) {
        struct neighbour a[K], b[K];
        size_t found_a, found_b;
        float *query = fixture_vector(&fixture, q);
        ck_assert_int_eq(hnsw_search(first, query, K, 0, a, &found_a), ERR_OK);
        ck_assert_int_eq(hnsw_search(loaded, query, K, 0, b, &found_b), ERR_OK);
        ck_assert_uint_eq(found_a, found_b);
        for (size_t i = 0; i < found_a; i++)
            ck_assert_uint_eq(a[i].row, b[i].row);
        free(query);
    }
    hnsw_free(loaded);
    artefact_free(artefact);
    hnsw_free(first);
    hnsw_free(second);
    free(bytes);
    free(others);
    fixture_fini(&fixture);
}
END_TEST

/* A link, a count or a start out of bounds in a file with right checksums. */
START_TEST(unsound_index_is_refused)
{
    struct fixture fixture;
    fixture_init(&fixture, 50, 4, false, 3);
    for (int fault = 0; fault < 4; fault++) {
        enum { LINKS = 2, LIST = 2 * LINKS + 1 };
        uint32_t head[3] = {LINKS, 0, 0}, base[50 * LIST] = {0}, upper[1] = {0};
        uint64_t starts[51] = {0}, three = 3, count = 51, links = 50 * LIST, none = 0;
        if (fault == 0)
            head[1] = 50;
        else if (fault == 1)
            base[7 * LIST] = LIST;
        else if (fault == 2)
            base[7 * LIST] = 1, base[7 * LIST + 1] = 50;
        else
            starts[20] = 3;
        struct buffer file;
        buffer_init(&file, (size_t)1 << 24);
        struct writer to = writer_to_buffer(&file);
        struct artefact_writer *writer;
        ck_assert_int_eq(artefact_begin(&to, "x", &writer), ERR_OK);
        ck_assert_int_eq(artefact_put(writer, "hnsw", ARTEFACT_U32, 1, &three, head), 0);
        ck_assert_int_eq(
            artefact_put(writer, "hnsw.starts", ARTEFACT_U64, 1, &count, starts), 0);
        ck_assert_int_eq(artefact_put(writer, "hnsw.base", ARTEFACT_U32, 1, &links, base),
                         0);
        ck_assert_int_eq(
            artefact_put(writer, "hnsw.upper", ARTEFACT_U32, 1, &none, upper), 0);
        ck_assert_int_eq(artefact_finish(writer), ERR_OK);
        artefact_writer_free(writer);
        char *bytes = memory_new_aligned(file.size, 1);
        memcpy(bytes, file.bytes, file.size);
        struct artefact *artefact;
        struct hnsw *hnsw;
        ck_assert_int_eq(artefact_parse(span_of(bytes, file.size), &artefact, NULL),
                         ERR_OK);
        ck_assert_int_eq(hnsw_load(fixture.vectors, artefact, &hnsw, NULL),
                         ERR_BAD_MODEL_FILE);
        artefact_free(artefact);
        free(bytes);
        buffer_fini(&file);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(queries_through_the_index)
{
    struct fixture fixture;
    fixture_init(&fixture, 2000, 16, false, 5);
    ck_assert(vectors_attach_index(fixture.vectors, build(fixture.vectors, 1)));
    uint32_t excluded[] = {17, 18};
    struct search_question question = {
        .positives = 1, .exclude = excluded, .exclude_count = 2};
    struct search search = {.vectors = vectors_row(fixture.vectors, 17),
                            .vector_count = 1,
                            .questions = &question,
                            .question_count = 1,
                            .k = 5};
    struct neighbour exact[5], near[5];
    size_t found;
    ck_assert_int_eq(queries_nearest(fixture.vectors, &search, true, exact, &found), 0);
    ck_assert_int_eq(queries_nearest(fixture.vectors, &search, false, near, &found), 0);
    ck_assert_uint_eq(found, 5);
    ck_assert_uint_eq(exact[0].row, near[0].row);
    for (size_t i = 0; i < 5; i++)
        ck_assert(near[i].row != 17 && near[i].row != 18);
    fixture_fini(&fixture);
}
END_TEST

static bool has_index(const struct model *model)
{
    return atomic_load(&model->vectors->index) != NULL;
}

/* Builds an index and loads its file, after changing the byte at `damage` from its end.
 */
static struct hnsw *load_file(const struct vectors *vectors, size_t damage)
{
    struct buffer file;
    struct hnsw *built = build(vectors, 1), *loaded;
    buffer_init(&file, 1 << 24);
    struct writer writer = writer_to_buffer(&file);
    ck_assert_int_eq(hnsw_write_file(built, &writer), ERR_OK);
    char *bytes = memory_new_aligned(file.size, 1);
    memcpy(bytes, file.bytes, file.size);
    if (damage)
        bytes[file.size - damage] ^= 1;
    enum err code = hnsw_load_file_take(vectors, bytes, file.size, &loaded, NULL);
    ck_assert_int_eq(code, damage ? ERR_BAD_MODEL_FILE : ERR_OK);
    hnsw_free(built);
    buffer_fini(&file);
    return loaded;
}

START_TEST(index_in_a_file_of_its_own)
{
    struct fixture fixture;
    fixture_init(&fixture, 2000, 16, false, 5);
    struct hnsw *built = build(fixture.vectors, 1);
    struct hnsw *loaded = load_file(fixture.vectors, 0);
    struct neighbour a[5], b[5];
    size_t found;
    for (uint32_t row = 0; row < 50; row++) {
        const float *query = vectors_row(fixture.vectors, row);
        ck_assert_int_eq(hnsw_search(built, query, 5, 0, a, &found), ERR_OK);
        ck_assert_int_eq(hnsw_search(loaded, query, 5, 0, b, &found), ERR_OK);
        for (size_t i = 0; i < 5; i++)
            ck_assert_uint_eq(a[i].row, b[i].row);
    }
    struct hnsw_settings settings = hnsw_defaults();
    ck_assert_uint_ge(hnsw_memory_needed(2000, &settings), hnsw_memory(built));
    ck_assert_uint_le(hnsw_memory_needed(2000, &settings), hnsw_memory(built) * 12 / 10);
    hnsw_free(built);
    hnsw_free(loaded);
    for (size_t damage = 1; damage < 4000; damage += 331)
        ck_assert_ptr_null(load_file(fixture.vectors, damage));
    struct fixture other;
    fixture_init(&other, 1999, 16, false, 5);
    struct buffer file;
    buffer_init(&file, 1 << 24);
    struct writer writer = writer_to_buffer(&file);
    built = build(fixture.vectors, 1);
    ck_assert_int_eq(hnsw_write_file(built, &writer), ERR_OK);
    char *bytes = memory_new_aligned(file.size, 1);
    memcpy(bytes, file.bytes, file.size);
    ck_assert_int_eq(hnsw_load_file_take(other.vectors, bytes, file.size, &loaded, NULL),
                     ERR_BAD_MODEL_FILE);
    hnsw_free(built);
    buffer_fini(&file);
    fixture_fini(&other);
    fixture_fini(&fixture);
}
END_TEST

/* Asked for at training, or kept in a file of its own. */
START_TEST(index_in_the_model_file)
{
    static const char *const kind_names[] = {"skipgram", "glove", "svd"};
    char *text = fixture_text(500, 1);
    const char *params[] = {"dim", "8", "index", "true", NULL};
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, params, 1, &bytes, &result),
                     ERR_OK);
    struct model *model = fixture_load(&bytes);
    ck_assert(has_index(model));
    model_release(model);
    buffer_fini(&bytes);
    params[3] = "false";
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, params, 1, &bytes, &result),
                     ERR_OK);
    model = fixture_load(&bytes);
    ck_assert(!has_index(model));
    size_t before = model_memory(model);
    struct hnsw *own = load_file(model->vectors, 0);
    ck_assert(vectors_attach_index(model->vectors, own));
    ck_assert(has_index(model));
    ck_assert_uint_gt(model_memory(model), before + 60 * 33 * 4);
    ck_assert_uint_eq(model->vectors->count, 60);
    model_release(model);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

UNIT_SUITE(vectors_hnsw)
{
    tcase_add_loop_test(unit, index_in_the_model_file, 0, 3);
    tcase_add_test(unit, finds_nearly_all);
    tcase_add_test(unit, small_sets);
    tcase_add_test(unit, written_index_is_the_same);
    tcase_add_test(unit, unsound_index_is_refused);
    tcase_add_test(unit, queries_through_the_index);
    tcase_add_test(unit, index_in_a_file_of_its_own);
}
