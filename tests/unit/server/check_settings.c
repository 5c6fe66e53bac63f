/* SPDX-License-Identifier: MIT */
/* Settings: defaults within their own ranges, three sources, and refusals that say what
 * would do and leave the value as it was. */
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/settings.h"

START_TEST(every_default_is_accepted_as_a_value)
{
    struct settings settings;
    struct err_info info = {0};
    settings_init(&settings);
#define TEXT(name, value) ck_assert_str_eq(settings.name, value)
#define INTEGER(name, value) ck_assert_int_eq(settings.name, atoll(value))
#define X(name, type, fallback, minimum, maximum, help)                                  \
    type(name, fallback);                                                                \
    ck_assert_int_eq(settings_set(&settings, #name, fallback, &info), ERR_OK);
    SETTINGS_TABLE(X)
#undef X
#undef INTEGER
#undef TEXT
}
END_TEST

START_TEST(numbers_outside_their_range_are_refused)
{
    static const char *const bad[] = {"0",  "-1", "10001", "",   " 5",
                                      "5 ", "5x", "1e3",   "+5", "99999999999999999999",
                                      "3.0"};
    struct settings settings;
    settings_init(&settings);
    ck_assert_int_eq(settings_set(&settings, "job-queue", "7", NULL), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err_info info = {0};
        ck_assert_int_eq(settings_set(&settings, "job_queue", bad[i], &info),
                         ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(info.message, "from 1 to 10000 (default 100)"));
        ck_assert_int_eq(settings.job_queue, 7);
    }
    ck_assert_int_eq(settings_set(&settings, "job_queue", "10000", NULL), ERR_OK);
    ck_assert_int_eq(settings.job_queue, 10000);
}
END_TEST

START_TEST(texts_are_bounded_and_printable)
{
    struct settings settings;
    char long_text[300];
    settings_init(&settings);
    memset(long_text, 'x', sizeof long_text);
    long_text[255] = '\0';
    ck_assert_int_eq(settings_set(&settings, "listen", long_text, NULL), ERR_OK);
    long_text[255] = 'x';
    long_text[256] = '\0';
    ck_assert_int_eq(settings_set(&settings, "listen", long_text, NULL), ERR_INVALID);
    ck_assert_uint_eq(strlen(settings.listen), 255);
    ck_assert_int_eq(settings_set(&settings, "store", "a\nb", NULL), ERR_INVALID);
    ck_assert_int_eq(settings_set(&settings, "log_level", "loud", NULL), ERR_INVALID);
    ck_assert_int_eq(settings_set(&settings, "log_level", "debug", NULL), ERR_OK);
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    struct settings settings;
    struct err_info info = {0};
    settings_init(&settings);
    ck_assert_int_eq(settings_set(&settings, "job_queu", "1", &info), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(info.message, "job_queu"));
    ck_assert_int_eq(settings_set(&settings, "", "1", NULL), ERR_INVALID);
}
END_TEST

START_TEST(a_file_is_read_line_by_line)
{
    struct settings settings;
    struct err_info info = {0};
    settings_init(&settings);
    ck_assert_int_eq(settings_read(&settings,
                                   "# a comment\n\n  job_queue =  12\t\r\n"
                                   "store=/var/lib/a b = c.db\nscratch =\nstreams = 3",
                                   &info),
                     ERR_OK);
    ck_assert_int_eq(settings.job_queue, 12);
    ck_assert_str_eq(settings.store, "/var/lib/a b = c.db");
    ck_assert_str_eq(settings.scratch, "");
    ck_assert_int_eq(settings.streams, 3);
    ck_assert_int_eq(settings_read(&settings, "streams = 4\njunk\n", &info), ERR_INVALID);
    ck_assert(info.has_line);
    ck_assert_uint_eq(info.line, 2);
    ck_assert_uint_eq(info.offset, 12);
    ck_assert_ptr_nonnull(strstr(info.message, "line 2"));
}
END_TEST

START_TEST(the_environment_counts)
{
    struct settings settings;
    struct err_info info = {0};
    settings_init(&settings);
    setenv("FIRTH_JOB_ATTEMPTS", "9", 1);
    ck_assert_int_eq(settings_from_environment(&settings, &info), ERR_OK);
    ck_assert_int_eq(settings.job_attempts, 9);
    setenv("FIRTH_JOB_ATTEMPTS", "nine", 1);
    ck_assert_int_eq(settings_from_environment(&settings, &info), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(info.message, "job_attempts"));
    unsetenv("FIRTH_JOB_ATTEMPTS");
}
END_TEST

static void count_row(void *context, const char *name, const char *value,
                      const char *fallback, const char *help)
{
    ck_assert(*name && *help);
    if (strcmp(name, "listen") == 0)
        ck_assert_str_eq(value, "0.0.0.0:1");
    else
        ck_assert_str_eq(value, fallback);
    ++*(int *)context;
}

START_TEST(each_setting_is_listed_once)
{
    struct settings settings;
    int rows = 0, expected = 0;
    settings_init(&settings);
    ck_assert_int_eq(settings_set(&settings, "listen", "0.0.0.0:1", NULL), ERR_OK);
    settings_each(&settings, count_row, &rows);
#define X(name, type, fallback, minimum, maximum, help) expected++;
    SETTINGS_TABLE(X)
#undef X
    ck_assert_int_eq(rows, expected);
}
END_TEST

UNIT_SUITE(settings)
{
    tcase_add_test(unit, every_default_is_accepted_as_a_value);
    tcase_add_test(unit, numbers_outside_their_range_are_refused);
    tcase_add_test(unit, texts_are_bounded_and_printable);
    tcase_add_test(unit, unknown_names_are_refused);
    tcase_add_test(unit, a_file_is_read_line_by_line);
    tcase_add_test(unit, the_environment_counts);
    tcase_add_test(unit, each_setting_is_listed_once);
}
