/* SPDX-License-Identifier: MIT */
/* Files in and out: what is written reads back, and what is malformed is refused with its
 * record and byte. */
#include "model/vectors/vectors_import.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/vectors/vectors_export.h"
#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

/* A reader of a text that gives at most `step` bytes at a time. */
struct source {
    struct span rest;
    size_t step;
};

static enum err read_source(void *context, void *bytes, size_t size, size_t *got)
{
    struct source *source = context;
    *got = source->rest.size < size ? source->rest.size : size;
    if (*got > source->step)
        *got = source->step;
    if (*got)
        memcpy(bytes, source->rest.bytes, *got);
    source->rest = span_of(source->rest.bytes + *got, source->rest.size - *got);
    return ERR_OK;
}

static enum err import(enum vectors_format format, struct span file, size_t step,
                       struct buffer *bytes, struct train_result *result,
                       struct err_info *info)
{
    struct source source = {file, step};
    struct reader reader = {&source, read_source};
    buffer_init(bytes, (size_t)1 << 30);
    struct writer writer = writer_to_buffer(bytes);
    memset(info, 0, sizeof *info);
    return vectors_import(format, &reader, "given", NULL, &writer, result, info);
}

static struct model *import_good(enum vectors_format format, struct span file,
                                 size_t step)
{
    struct buffer bytes;
    struct train_result result;
    struct err_info info;
    enum err code = import(format, file, step, &bytes, &result, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    struct model *model = fixture_load(&bytes);
    buffer_fini(&bytes);
    return model;
}

START_TEST(what_is_written_reads_back)
{
    struct fixture fixture;
    fixture_init(&fixture, 300, 21, false, 1);
    enum vectors_format format = (enum vectors_format)_i;
    struct buffer file;
    buffer_init(&file, (size_t)1 << 26);
    struct writer writer = writer_to_buffer(&file);
    ck_assert_int_eq(vectors_export(fixture.vectors, format, &writer), ERR_OK);
    static const size_t steps[] = {1000000, 7};
    for (int s = 0; s < 2; s++) {
        struct model *model =
            import_good(format, span_of(file.bytes, file.size), steps[s]);
        ck_assert_uint_eq(model->vectors->count, 300);
        ck_assert_uint_eq(model->vectors->dim, 21);
        for (uint32_t row = 0; row < 300; row++) {
            ck_assert(span_equal(vectors_word(model->vectors, row),
                                 vectors_word(fixture.vectors, row)));
            ck_assert(memcmp(vectors_row(model->vectors, row),
                             vectors_row(fixture.vectors, row), 21 * 4) == 0);
        }
        model_release(model);
    }
    buffer_fini(&file);
    fixture_fini(&fixture);
}
END_TEST

/* A file, what its refusal must say, and at which record and byte. */
struct refusal {
    enum vectors_format format;
    const char *file;
    size_t size; /* 0: of the text */
    const char *says;
    uint64_t record, offset;
};

#define TEXT VECTORS_WORD2VEC
#define BIN VECTORS_WORD2VEC_BIN
#define GLOVE VECTORS_GLOVE
static const struct refusal refusals[] = {
    {TEXT, "", 0, "empty", 1, 0},
    {BIN, "", 0, "empty", 1, 0},
    {GLOVE, "", 0, "empty", 1, 0},
    {TEXT, "\x1f\x8b\x08", 0, "compressed", 1, 0},
    {GLOVE, "\x28\xb5\x2f\xfd", 0, "compressed", 1, 0},
    {TEXT, "0 2\n", 0, "count of words", 1, 0},
    {TEXT, "-1 2\na 1 2\n", 0, "count of words", 1, 0},
    {TEXT, "2147483648 2\na 1 2\n", 0, "count of words", 1, 0},
    {BIN, "9223372036854775808 2\n", 0, "count of words", 1, 0},
    {BIN, "18446744073709551617 2\n", 0, "count of words", 1, 0},
    {TEXT, "2 0\na\n", 0, "dimensions", 1, 2},
    {TEXT, "2 -3\n", 0, "dimensions", 1, 2},
    {BIN, "1000000000 2147483648\n", 0, "dimensions", 1, 11},
    {BIN, "1000000000 1000000\n", 0, "dimensions", 1, 11},
    {TEXT, "2\na 1 2\n", 0, "count dimensions", 1, 0},
    {TEXT, "2 2\r\na 1 2\nb 1 2\n", 0, "dimensions", 1, 2},
    {TEXT, "2 2\na 1 2\n", 0, "before its last row", 2, 10},
    {TEXT, "1 2\na 1 2\nb 1 2\n", 0, "more rows", 2, 16},
    {TEXT, "2 2\na 1 2\nb 1\n", 0, "too few", 2, 10},
    {TEXT, "2 2\na 1 2\nb 1.0 2.0 3.0\n", 0, "too many", 2, 10},
    {TEXT, "2 2\na 1 nan\nb 1 2\n", 0, "finite", 1, 8},
    {TEXT, "2 2\na 1 2\nb -inf 2\n", 0, "finite", 2, 12},
    {TEXT, "2 2\na 1 2\nb 1e99 2\n", 0, "finite", 2, 12},
    {TEXT, "2 2\na 1 2\na 3 4\n", 0, "twice", 2, 10},
    {TEXT, "2 2\na 1 2\n\nb 1 2\n", 0, "empty", 2, 10},
    {TEXT, "2 2\n 1 2\nb 1 2\n", 0, "empty", 1, 4},
    {TEXT, "1 2\n\xff 1 2\n", 0, "UTF-8", 1, 4},
    {TEXT, "1 2\na 0,5 2\n", 0, "finite", 1, 6},
    {TEXT, "1 2\n</s> 1 2\n", 0, "reserved", 1, 13},
    {GLOVE, "a 1 2 3\nb 1 2\n", 0, "too few", 2, 8},
    {GLOVE, "a 1 2\nb 1.5 2.5 3.5\n", 0, "too many", 2, 6},
    {GLOVE, "a 1 2\r\n", 0, "carriage", 1, 5},
    {GLOVE, "a 0,1 0,2\n", 0, "1 to 16384 numbers", 1, 0},
    {GLOVE, "a 0.1 0.2\nb 0,1 0,2\n", 0, "finite", 2, 16},
    {GLOVE, "a nan 0.2\nb 0.1 0.2\n", 0, "finite", 1, 2},
    {GLOVE, "a 0.3 -Inf 0.2\nb 0.3 0.1 0.2\n", 0, "finite", 1, 6},
    {GLOVE, "a 1e39 0.2\nb 0.1 0.2\n", 0, "finite", 1, 2},
    {GLOVE, "a 0,1 2\nb 0,3 4\n", 0, "finite", 1, 2},
    {GLOVE, "a 1e38 1\n", 0, "longer than 1e15", 1, 0},
    {GLOVE, "\n", 0, "empty", 1, 0},
    {GLOVE, "word\n", 0, "1 to 16384 numbers", 1, 0},
    {GLOVE, "3 2\na 0.1 0.2\nb 1.5 2.5\n", 0, "before its last row", 3, 24},
    {GLOVE, "1 2\na 0.1 0.2\nb 1.5 2.5\n", 0, "more rows", 2, 24},
    {GLOVE, "2 3\na 0.1 0.2\nb 1.5 2.5\n", 0, "too many", 2, 4},
    {GLOVE, "7 11 0.2 0.3\nb 0.2\n", 0, "too few", 2, 13},
    {GLOVE, "7 0.11 0.2 0.3\nb 0.2 0.3\n", 0, "too few", 2, 15},
    {BIN, "2 1\na 1234\nb 12", 0, "within a vector", 2, 15},
    {BIN, "2 1\na 1234\nb", 0, "no space", 2, 11},
    {BIN, "1 1\na \0\0\xc0\x7f", 10, "finite", 1, 6},
    {BIN, "2 1\na 1234a 1234", 0, "twice", 2, 10},
    {BIN, "1 1\na 1234b 1234", 0, "more rows", 2, 16},
};

START_TEST(malformed_files_are_refused)
{
    const struct refusal *refusal = &refusals[_i];
    size_t size = refusal->size ? refusal->size : strlen(refusal->file);
    static const size_t steps[] = {1000000, 1};
    for (int s = 0; s < 2; s++) {
        struct buffer bytes;
        struct train_result result;
        struct err_info info;
        ck_assert_int_eq(import(refusal->format, span_of(refusal->file, size), steps[s],
                                &bytes, &result, &info),
                         ERR_BAD_MODEL_FILE);
        ck_assert_msg(strstr(info.message, refusal->says) != NULL, "%s: %s",
                      refusal->file, info.message);
        ck_assert(info.has_offset && info.has_line);
        ck_assert_msg(info.line == refusal->record && info.offset == refusal->offset,
                      "%s: %s", refusal->file, info.message);
        ck_assert_uint_eq(bytes.size, 0);
        buffer_fini(&bytes);
    }
}
END_TEST

START_TEST(long_words_are_refused)
{
    enum vectors_format format = (enum vectors_format)_i;
    char file[2000];
    memset(file, 'x', sizeof file);
    size_t header = format == GLOVE ? 0 : 4;
    memcpy(file, "1 1\n", header);
    memcpy(file + header + VECTORS_TOKEN_MAX + 1, " 1.25\n", 6);
    struct buffer bytes;
    struct train_result result;
    struct err_info info;
    ck_assert_int_eq(import(format, span_of(file, header + VECTORS_TOKEN_MAX + 7), 100000,
                            &bytes, &result, &info),
                     ERR_BAD_MODEL_FILE);
    ck_assert_ptr_nonnull(strstr(info.message, "1024 bytes"));
    buffer_fini(&bytes);
}
END_TEST

START_TEST(words_with_spaces)
{
    struct model *model =
        import_good(VECTORS_GLOVE, span_of_text("a 1 2\n. . . 3 4\nat home 5 6\n"), 5);
    uint32_t dots = vectors_row_of(model->vectors, span_of_text(". . ."));
    ck_assert_uint_eq(dots, 1);
    ck_assert_float_eq(vectors_row(model->vectors, dots)[1], 4);
    ck_assert_uint_eq(vectors_row_of(model->vectors, span_of_text("at home")), 2);
    model_release(model);
}
END_TEST

START_TEST(other_programs_habits)
{
    /* a space at the end of each line, </s> first, no line feed at the end */
    struct model *model = import_good(
        VECTORS_WORD2VEC, span_of_text("3 2\n</s> 9 9 \nthe 1 2 \nof 3 4 "), 1000);
    ck_assert_uint_eq(model->vectors->count, 2);
    ck_assert_float_eq(vectors_row(model->vectors, 0)[0], 1);
    ck_assert_ptr_nonnull(strstr(model->result.notes, "reserved"));
    model_release(model);
    /* rows without line feeds, as gensim writes them */
    static const char file[] = "2 1\nthe \0\0\x80\x3f"
                               "of \0\0\0\x40";
    model = import_good(VECTORS_WORD2VEC_BIN, span_of(file, sizeof file - 1), 3);
    ck_assert_float_eq(vectors_row(model->vectors, 0)[0], 1);
    ck_assert_float_eq(vectors_row(model->vectors, 1)[0], 2);
    model_release(model);
}
END_TEST

/* The first line of a GloVe file: a header, or the row of a word that is a number. */
struct opening {
    const char *file, *first; /* word of the first row */
    uint32_t count, dim;
};
static const struct opening openings[] = {
    {"2 3\na 0.1 0.2 0.3\nb 1 2 3\n", "a", 2, 3},
    {"2 3\n7 1 2 3\n8 1 2 3\n", "7", 2, 3},
    {"1999 0.1 0.2\na 0.3 0.4\n", "1999", 2, 2},
    {"7 3\n", "7", 1, 1},
    {"7 3\na 1\n", "7", 2, 1},
    {"7 1\na 1\n", "7", 2, 1}, /* of one dimension there is no header */
    {"7 3.0\na 1 2.0 3.0\n", NULL, 0, 0},
    {"7 11 0.2 0.3\nb 0.2 0.3\n", "7 11", 2, 2},
    {"7 0.2 0.3\n1 2 0.2 0.3\n", "7", 2, 2},
    {"12 34 56\na 1 2\n", "12", 2, 2},
    {"a 0.1 0.2 \nb 0.3 0.4 \n", "a", 2, 2}, /* a word2vec file less its header */
    {"a 0.1 0.2 \n", "a", 1, 2},
    {"at 10:30 0.2 0.3\nb 0.2 0.3\n", "at 10:30", 2, 2},
};

START_TEST(glove_first_lines)
{
    const struct opening *opening = openings + _i;
    struct span file = span_of_text(opening->file);
    for (size_t step = 1; step < 100; step += 98) {
        struct buffer bytes;
        struct train_result result;
        struct err_info info;
        enum err code = import(VECTORS_GLOVE, file, step, &bytes, &result, &info);
        if (!opening->first) {
            ck_assert_int_eq(code, ERR_BAD_MODEL_FILE);
        } else {
            ck_assert_msg(code == ERR_OK, "%s", info.message);
            struct model *model = fixture_load(&bytes);
            ck_assert_uint_eq(model->vectors->count, opening->count);
            ck_assert_uint_eq(model->vectors->dim, opening->dim);
            ck_assert(span_equal(vectors_word(model->vectors, 0),
                                 span_of_text(opening->first)));
            model_release(model);
        }
        buffer_fini(&bytes);
    }
}
END_TEST

START_TEST(imported_kind_does_not_train)
{
    struct buffer bytes;
    struct train_result result;
    ck_assert_int_eq(fixture_train("vectors", "a b\n", 1, NULL, 0, &bytes, &result),
                     ERR_INVALID);
    buffer_fini(&bytes);
}
END_TEST

UNIT_SUITE(vectors_import)
{
    tcase_add_loop_test(unit, what_is_written_reads_back, 0, VECTORS_FORMAT_COUNT);
    tcase_add_loop_test(unit, malformed_files_are_refused, 0,
                        (int)(sizeof refusals / sizeof *refusals));
    tcase_add_loop_test(unit, long_words_are_refused, 0, VECTORS_FORMAT_COUNT);
    tcase_add_test(unit, words_with_spaces);
    tcase_add_test(unit, other_programs_habits);
    tcase_add_loop_test(unit, glove_first_lines, 0,
                        (int)(sizeof openings / sizeof *openings));
    tcase_add_test(unit, imported_kind_does_not_train);
}
