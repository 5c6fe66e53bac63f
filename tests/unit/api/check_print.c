/* SPDX-License-Identifier: MIT */
/* Results as JSON: what is not finite, the base of logarithms, settings and stored text.
 */
#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

#include "api/print_infer.h"
#include "api/print_job.h"
#include "api/print_train.h"

static struct buffer text;
static struct printer p;

static void begin(void)
{
    buffer_init(&text, 1 << 20);
    printer_init(&p, &text);
}

static void end(const char *wanted)
{
    ck_assert_int_eq(text.failed, ERR_OK);
    ck_assert_str_eq(text.bytes, wanted);
    buffer_fini(&text);
}

START_TEST(what_is_not_finite_says_why)
{
    begin();
    printer_open(&p, '{');
    print_finite(&p, "a", 1.5);
    print_finite(&p, "b", NAN);
    print_finite(&p, "c", -INFINITY);
    printer_close(&p, '}');
    end("{\"a\":1.5,\"b\":null,\"b_undefined\":true,\"c\":null,\"c_infinite\":true}");
}
END_TEST

START_TEST(logarithms_in_every_base)
{
    struct log_base natural = log_base_of(0), two = log_base_of(2), ten = log_base_of(10);
    ck_assert_double_eq_tol(8 * M_LN2 * two.scale, 8, 1e-12);
    ck_assert_double_eq_tol(3 * M_LN10 * ten.scale, 3, 1e-12);
    begin();
    printer_open(&p, '{');
    print_log_base(&p, &natural);
    print_log(&p, "x", -2, &natural);
    print_log_base(&p, &ten);
    printer_close(&p, '}');
    end("{\"log_base\":\"e\",\"x\":-2.0,\"log_base\":10}");
}
END_TEST

START_TEST(stored_lines_become_members)
{
    begin();
    print_named_values(&p, "order 3\nloss 0.5\nppl inf\nlr nan\nnote two words\nbad\n\n"
                           "a\"b 1");
    end("{\"order\":3,\"loss\":0.5,\"ppl\":null,\"ppl_infinite\":true,\"lr\":null,"
        "\"lr_undefined\":true,\"note\":\"two words\",\"a_b\":1}");
    begin();
    print_named_values(&p, NULL);
    end("{}");
}
END_TEST

START_TEST(an_unknown_token_is_shown_as_it_stands)
{
    uint32_t ids[] = {VOCAB_UNK, VOCAB_UNK};
    size_t offsets[] = {1, 6};
    uint8_t oov[] = {1, 1};
    struct token_list list = {ids, offsets, oov, 2, 2};
    begin();
    printer_open(&p, '{');
    print_token_list(&p, &list, span_of_text(" \xc3\xa4h  ?"), NULL);
    printer_close(&p, '}');
    end("{\"tokens\":[{\"id\":0,\"token\":\"\xc3\xa4h\",\"offset\":1,\"oov\":true},"
        "{\"id\":0,\"token\":\"?\",\"offset\":6,\"oov\":true}]}");
}
END_TEST

START_TEST(a_job_whose_settings_are_lost_still_prints)
{
    struct job_row row = {.id = "job-x",
                          .type = "train",
                          .kind = "gone",
                          .model = "m",
                          .state = JOB_FAILED,
                          .error = ERR_CRASH,
                          .best_loss = NAN};
    begin();
    print_job(&p, &row, 0, NULL, 0, NULL);
    ck_assert_ptr_nonnull(strstr(text.bytes, "\"code\":\"crash\""));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\"metadata\":{}"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\"queue_position\":null"));
    buffer_fini(&text);
}
END_TEST

START_TEST(every_kind_prints_its_table)
{
    for (size_t i = 0; kinds[i]; i++) {
        begin();
        print_kind(&p, kinds[i]);
        ck_assert_int_eq(text.failed, ERR_OK);
        for (const struct param *param = kinds[i]->params; param->name; param++)
            ck_assert_ptr_nonnull(strstr(text.bytes, param->name));
        buffer_fini(&text);
    }
}
END_TEST

UNIT_SUITE(print)
{
    tcase_add_test(unit, what_is_not_finite_says_why);
    tcase_add_test(unit, logarithms_in_every_base);
    tcase_add_test(unit, stored_lines_become_members);
    tcase_add_test(unit, an_unknown_token_is_shown_as_it_stands);
    tcase_add_test(unit, a_job_whose_settings_are_lost_still_prints);
    tcase_add_test(unit, every_kind_prints_its_table);
}
