/* SPDX-License-Identifier: MIT */
/* Training in this process: the model appears whole or not at all. */
#include "tests/support/unit.h"

#include <string.h>

#include "server/local.h"
#include "tests/unit/server/temporary.h"

static struct temporary temporary;

static void setup(void)
{
    temporary_open(&temporary);
    temporary_put_corpus(&temporary, "one", "a b c\nb c a\nc a b\n");
}

static void teardown(void)
{
    temporary_close(&temporary);
}

static enum err train(struct train_spec *spec, const struct train_input *input,
                      const struct progress *progress, struct err_info *info)
{
    struct train_result result;
    struct model_row row;
    enum err code = train_local(temporary.store, spec, input, temporary.folder,
                                "{\"a\":1}", progress, &row, &result, info);
    if (!code) {
        ck_assert_uint_gt(row.bytes, 0);
        ck_assert_uint_eq(strlen(row.digest), 64);
        ck_assert_uint_eq(row.vocab_size, result.vocab_size);
        ck_assert_str_eq(row.metadata, "{\"a\":1}");
    }
    model_row_fini(&row);
    return code;
}

static void nothing_is_left(void)
{
    struct store_stats stats;
    ck_assert_int_eq(store_stats_get(temporary.store, &stats), ERR_OK);
    ck_assert_uint_eq(stats.models, 0);
    ck_assert_uint_eq(stats.staging_objects, 0);
}

START_TEST(a_stored_corpus_becomes_a_model)
{
    struct train_spec spec = temporary_spec("m", "one");
    struct err_info info = {0};
    ck_assert_int_eq(train(&spec, NULL, NULL, &info), ERR_OK);
    ck_assert_int_eq(train(&spec, NULL, NULL, &info), ERR_EXISTS);
    ck_assert_str_eq(info.pointer, "/model");
    spec.replace = true;
    ck_assert_int_eq(train(&spec, NULL, NULL, NULL), ERR_OK);
}
END_TEST

START_TEST(a_text_at_hand_becomes_a_model)
{
    struct train_spec spec = temporary_spec("m", "");
    const struct train_input input = {.text = span_of_text("x y\ny x\n")};
    ck_assert_int_eq(train(&spec, &input, NULL, NULL), ERR_OK);
}
END_TEST

START_TEST(bad_texts_leave_nothing)
{
    static const struct {
        const char *text;
        enum err code;
    } cases[] = {{"good\n\xff bad\n", ERR_BAD_UTF8},
                 {"", ERR_EMPTY_CORPUS},
                 {" \n \n", ERR_EMPTY_CORPUS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct train_spec spec = temporary_spec("m", "");
        const struct train_input input = {.text = span_of_text(cases[i].text)};
        struct err_info info = {0};
        ck_assert_int_eq(train(&spec, &input, NULL, &info), cases[i].code);
        ck_assert(*info.message);
        nothing_is_left();
    }
    struct train_spec spec = temporary_spec("m", "nowhere");
    ck_assert_int_eq(train(&spec, NULL, NULL, NULL), ERR_CORPUS_NOT_FOUND);
}
END_TEST

static enum progress_answer say_stop(void *context, const struct progress_report *report)
{
    (void)context;
    (void)report;
    return PROGRESS_STOP;
}

START_TEST(stopping_leaves_nothing)
{
    struct train_spec spec = temporary_spec("m", "one");
    const struct progress progress = {.report = say_stop};
    ck_assert_int_eq(train(&spec, NULL, &progress, NULL), ERR_CANCELLED);
    nothing_is_left();
}
END_TEST

UNIT_SUITE(local)
{
    tcase_add_checked_fixture(unit, setup, teardown);
    tcase_add_test(unit, a_stored_corpus_becomes_a_model);
    tcase_add_test(unit, a_text_at_hand_becomes_a_model);
    tcase_add_test(unit, bad_texts_leave_nothing);
    tcase_add_test(unit, stopping_leaves_nothing);
}
