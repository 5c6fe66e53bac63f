/* SPDX-License-Identifier: MIT */
#include "model/vectors/vectors_estimate.h"

#include <stdlib.h>

#include "tests/support/unit.h"
#include "tests/unit/vectors/fixture.h"

static const char *const kind_names[] = {"skipgram", "cbow", "glove", "svd"};

/* What is counted is right; what is guessed is there and grows with the work. */
START_TEST(parameters_are_those_of_training)
{
    char *text = fixture_text(2000, 1);
    struct train_spec spec;
    struct train_input input = {.text = span_of_text(text)};
    struct train_estimate estimate, more;
    struct train_result result;
    struct buffer bytes;
    train_spec_init(&spec, kind_find(kind_names[_i]));
    ck_assert_int_eq(vectors_estimate(&spec, &input, &estimate, NULL), ERR_OK);
    ck_assert_int_eq(fixture_train(kind_names[_i], text, 1, NULL, 1, &bytes, &result),
                     ERR_OK);
    ck_assert_uint_eq(estimate.parameters, result.parameters);
    ck_assert_double_gt(estimate.seconds, 0);
    ck_assert_uint_gt(estimate.steps, 0);
    ck_assert_uint_gt(estimate.memory_bytes, estimate.bytes / 4);
    ck_assert_int_eq(params_parse(&spec.params, "dim", "400", NULL), ERR_OK);
    ck_assert_int_eq(vectors_estimate(&spec, &input, &more, NULL), ERR_OK);
    ck_assert_double_gt(more.seconds, estimate.seconds);
    ck_assert_uint_gt(more.bytes, estimate.bytes);
    buffer_fini(&bytes);
    free(text);
}
END_TEST

START_TEST(too_little_text)
{
    struct train_spec spec;
    struct train_input input = {.text = span_of_text("a\n")};
    struct train_estimate estimate;
    train_spec_init(&spec, kind_find(kind_names[_i]));
    ck_assert_int_eq(vectors_estimate(&spec, &input, &estimate, NULL),
                     ERR_CORPUS_TOO_SMALL);
}
END_TEST

/* Vectors of words that never meet would be random, or zero. */
START_TEST(words_without_company)
{
    struct train_result result;
    struct buffer bytes;
    ck_assert_int_eq(fixture_train(kind_names[_i],
                                   "a\nb\na\nb\na\nb\na\nb\na\nb\nc a\nb c\n", 1, NULL, 1,
                                   &bytes, &result),
                     ERR_CORPUS_TOO_SMALL);
    buffer_fini(&bytes);
}
END_TEST

UNIT_SUITE(vectors_estimate)
{
    tcase_add_loop_test(unit, parameters_are_those_of_training, 0, 4);
    tcase_add_loop_test(unit, too_little_text, 0, 4);
    tcase_add_loop_test(unit, words_without_company, 0, 4);
}
