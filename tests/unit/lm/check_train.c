/* SPDX-License-Identifier: MIT */
/* What comes before a trainer: the specification's text form, the split, the checks. */
#include "tests/support/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "model/train.h"

/* ---- the specification ---- */

static struct train_spec full_spec(void)
{
    struct train_spec spec;
    train_spec_init(&spec, kind_find("mixture"));
    strcpy(spec.model, "both");
    strcpy(spec.corpus, "book.1");
    strcpy(spec.valid_corpus, "other");
    strcpy(spec.resume_from, "job-0123");
    spec.valid_fraction = 0.1;
    spec.tokenizer =
        (struct tokenizer_settings){UNIT_BPE, SEGMENT_DOCUMENT, true, 7, 900};
    spec.seed = UINT64_MAX;
    spec.threads = 3;
    spec.budget.epochs = 1.0 / 3;
    spec.budget.tokens = 1e12;
    spec.budget.seconds = 0.5;
    spec.patience = 2;
    spec.checkpoint_every_s = 1.25;
    spec.memory_bytes = (uint64_t)1 << 40;
    spec.replace = true;
    ck_assert_int_eq(params_parse(&spec.params, "models", "a,b-2", NULL), ERR_OK);
    return spec;
}

static char *written(const struct train_spec *spec)
{
    struct buffer text;
    size_t size;
    buffer_init(&text, 1 << 16);
    ck_assert_int_eq(train_spec_write(spec, &text), ERR_OK);
    return buffer_release(&text, &size);
}

START_TEST(specs_come_back_as_they_were)
{
    struct train_spec spec = full_spec(), again;
    char *text = written(&spec);
    ck_assert_int_eq(train_spec_read(&again, span_of_text(text), NULL), ERR_OK);
    ck_assert_mem_eq(&spec, &again, sizeof spec); /* plain data, zeroed at first */
    free(text);
    train_spec_init(&spec, kind_find("mixture"));
    text = written(&spec);
    ck_assert_int_eq(train_spec_read(&again, span_of_text(text), NULL), ERR_OK);
    ck_assert_mem_eq(&spec, &again, sizeof spec);
    ck_assert(!again.params.values[0].given);
    free(text);
}
END_TEST

START_TEST(unusable_specs_are_refused)
{
    static const char too_long[] =
        "kind mixture\nmodel "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    static const char *const wrong[] = {
        "",
        "kind nothing\n",
        "model a\n",
        "kind mixture\nunknown 3\n",
        "kind mixture\nseed -1\n",
        "kind mixture\nseed 99999999999999999999999\n",
        "kind mixture\nthreads 4294967296\n",
        "kind mixture\nvalid_fraction nan\n",
        "kind mixture\nvalid_fraction 1\n",
        "kind mixture\nvalid_fraction -0.1\n",
        "kind mixture\ntokenizer.unit letter\n",
        "kind mixture\ntokenizer.min_count x\n",
        "kind mixture\nreplace maybe\n",
        "kind mixture\nbudget.epochs inf\n",
        "kind mixture\nbudget.other 1\n",
        "kind mixture\nparams.order 3\n",
        "kind mixture\nparams.models A\n",
        too_long,
        "kind mixture\n\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct train_spec spec;
        struct err_info info = {0};
        ck_assert_int_eq(train_spec_read(&spec, span_of_text(wrong[i]), &info),
                         ERR_INVALID);
        ck_assert_str_ne(info.message, "");
    }
}
END_TEST

/* Any damage is read or refused, never more. */
START_TEST(damaged_specs_do_no_harm)
{
    struct train_spec spec = full_spec(), again;
    char *text = written(&spec);
    size_t size = strlen(text);
    struct random random;
    random_seed(&random, 1, 0);
    for (int i = 0; i < 3000; i++) {
        char *copy = malloc(size);
        memcpy(copy, text, size);
        for (int flip = 0; flip < 3; flip++)
            copy[random_below(&random, size)] = (char)random_below(&random, 256);
        enum err code =
            train_spec_read(&again, span_of(copy, random_below(&random, size + 1)), NULL);
        ck_assert(code == ERR_OK || code == ERR_INVALID);
        free(copy);
    }
    free(text);
}
END_TEST

START_TEST(results_come_back_as_they_were)
{
    struct train_result result = {.parameters = UINT64_MAX, .vocab_size = 77}, again;
    struct buffer text;
    train_result_metric(&result, "valid_perplexity", 181.59);
    train_result_metric(&result, "worst", INFINITY);
    train_result_metric(&result, "valid_perplexity", 180.1); /* replaces */
    train_result_note(&result, "Discounts fell back to %d", 1);
    train_result_note(&result, "Another note");
    buffer_init(&text, 1 << 16);
    ck_assert_int_eq(train_result_write(&result, &text), ERR_OK);
    ck_assert_int_eq(train_result_read(&again, span_of(text.bytes, text.size), NULL),
                     ERR_OK);
    ck_assert_uint_eq(again.metric_count, 2);
    ck_assert_mem_eq(&result, &again, sizeof result);
    ck_assert_str_eq(again.notes, "Discounts fell back to 1\nAnother note\n");
    ck_assert_int_eq(train_result_read(&again, span_of_text("metric x\n"), NULL),
                     ERR_INVALID);
    buffer_fini(&text);
}
END_TEST

START_TEST(results_have_room_or_leave_out)
{
    struct train_result result = {0};
    for (int i = 0; i < 2 * TRAIN_METRICS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        train_result_metric(&result, name, i);
        train_result_note(&result, "A note of some length, number %d", i);
    }
    ck_assert_uint_eq(result.metric_count, TRAIN_METRICS_MAX);
    ck_assert_uint_lt(strlen(result.notes), sizeof result.notes);
    ck_assert_int_eq(result.notes[strlen(result.notes) - 1], '\n');
}
END_TEST

/* ---- the split ---- */

static void check_split(enum text_segment segment, const char *text, double fraction,
                        const char *expected_train)
{
    struct tokenizer_settings settings = {.segment = segment};
    struct span train, valid, whole = span_of_text(text);
    train_split_valid(&settings, whole, fraction, &train, &valid);
    ck_assert_ptr_eq(train.bytes, whole.bytes);
    ck_assert(span_equal(train, span_of_text(expected_train)));
    ck_assert_uint_eq(train.size + valid.size, whole.size);
    if (valid.size > 0)
        ck_assert_ptr_eq(valid.bytes, train.bytes + train.size);
}

START_TEST(splits_at_line_ends)
{
    check_split(SEGMENT_LINE, "a\nb\nc\nd\n", 0.25, "a\nb\nc\n");
    check_split(SEGMENT_LINE, "a\nb\nc\nd\n", 0.3, "a\nb\nc\n");
    check_split(SEGMENT_LINE, "a\nb\nc\nd", 0.01, "a\nb\nc\n"); /* never nothing */
    check_split(SEGMENT_LINE, "a\nb\nc\nd", 0.99, "a\n");
    check_split(SEGMENT_LINE, "a\nb\n\n\n \n", 0.1, "a\n");
    check_split(SEGMENT_LINE, "a\nb\n", 0, "a\nb\n");
}
END_TEST

START_TEST(a_single_segment_is_not_split)
{
    check_split(SEGMENT_LINE, "only one\n", 0.5, "only one\n");
    check_split(SEGMENT_LINE, "only one", 0.05, "only one");
    check_split(SEGMENT_LINE, "\n\nonly one\n", 0.05, "\n\nonly one\n");
    check_split(SEGMENT_LINE, "", 0.05, "");
    check_split(SEGMENT_DOCUMENT, "one\ndocument\n", 0.3, "one\ndocument\n");
}
END_TEST

START_TEST(documents_split_at_blank_lines)
{
    check_split(SEGMENT_DOCUMENT, "a\na\n\nb\nb\n\nc\nc\n", 0.2, "a\na\n\nb\nb\n\n");
    check_split(SEGMENT_DOCUMENT, "a\na\n \nb\nb\nb\nb\nb\n", 0.5, "a\na\n \n");
}
END_TEST

START_TEST(the_part_is_near_the_fraction)
{
    struct buffer text;
    struct tokenizer_settings settings = {.segment = SEGMENT_LINE};
    struct span train, valid;
    buffer_init(&text, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buffer_printf(&text, "line number %d\n", i);
    train_split_valid(&settings, span_of(text.bytes, text.size), 0.05, &train, &valid);
    ck_assert_double_eq_tol((double)valid.size / (double)text.size, 0.05, 0.001);
    ck_assert_int_eq(train.bytes[train.size - 1], '\n');
    buffer_fini(&text);
}
END_TEST

/* ---- the checks ---- */

static enum err run(struct span text, struct span valid, struct err_info *info)
{
    struct train_spec spec;
    struct train_input input = {.text = text, .valid = valid};
    struct train_result result;
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    struct writer writer = writer_to_buffer(&bytes);
    train_spec_init(&spec, kind_find("mixture"));
    enum err code = train_run(&spec, &input, NULL, &writer, &result, info);
    ck_assert_uint_eq(bytes.size, 0);
    buffer_fini(&bytes);
    return code;
}

START_TEST(bad_utf8_is_placed)
{
    struct err_info info = {0};
    ck_assert_int_eq(run(span_of_text("good\nba\xc3(d\n"), (struct span){0}, &info),
                     ERR_BAD_UTF8);
    ck_assert(info.has_offset);
    ck_assert_uint_eq(info.offset, 7);
    ck_assert_uint_eq(info.line, 2);
    info = (struct err_info){0};
    ck_assert_int_eq(run(span_of_text("good\n"), span_of_text("\xff"), &info),
                     ERR_BAD_UTF8);
    ck_assert_ptr_nonnull(strstr(info.message, "validation"));
}
END_TEST

START_TEST(empty_corpora_are_refused)
{
    static const char *const empty[] = {"", "\n", " \t\r\n\n  \n"};
    for (size_t i = 0; i < 3; i++) {
        struct err_info info = {0};
        ck_assert_int_eq(run(span_of_text(empty[i]), (struct span){0}, &info),
                         ERR_EMPTY_CORPUS);
        ck_assert_str_ne(info.message, "");
    }
}
END_TEST

START_TEST(a_mixture_needs_models)
{
    struct err_info info = {0};
    ck_assert_int_eq(run(span_of_text("a\nb\n"), (struct span){0}, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/params/models");
}
END_TEST

UNIT_SUITE(train)
{
    tcase_add_test(unit, specs_come_back_as_they_were);
    tcase_add_test(unit, unusable_specs_are_refused);
    tcase_add_test(unit, damaged_specs_do_no_harm);
    tcase_add_test(unit, results_come_back_as_they_were);
    tcase_add_test(unit, results_have_room_or_leave_out);
    tcase_add_test(unit, splits_at_line_ends);
    tcase_add_test(unit, a_single_segment_is_not_split);
    tcase_add_test(unit, documents_split_at_blank_lines);
    tcase_add_test(unit, the_part_is_near_the_fraction);
    tcase_add_test(unit, bad_utf8_is_placed);
    tcase_add_test(unit, empty_corpora_are_refused);
    tcase_add_test(unit, a_mixture_needs_models);
}
