/* SPDX-License-Identifier: MIT */
/* base/: checked sizes, buffers with a maximum, repeatable random numbers, the log's
 * escaping, checksums. */
#include "tests/support/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/json_text.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/spill.h"

START_TEST(memory_refuses_overflow)
{
    size_t product;
    ck_assert(!memory_multiply(SIZE_MAX / 2, 3, &product));
    ck_assert_ptr_null(memory_new_array(SIZE_MAX / 2, 3));
    ck_assert_ptr_null(memory_new_aligned(SIZE_MAX - 3, 1));
    ck_assert_ptr_null(memory_new_unset(SIZE_MAX / 2, 3));
    char *large = memory_new_aligned((size_t)9 << 20, 1);
    ck_assert_ptr_nonnull(large);
    for (size_t i = 0; i < (size_t)9 << 20; i += 4095)
        ck_assert_int_eq(large[i], 0);
    free(large);
    float *block = memory_new_aligned(3, sizeof *block);
    ck_assert_uint_eq((uintptr_t)block % MEMORY_ALIGNMENT, 0);
    ck_assert(block[0] == 0 && block[2] == 0);
    free(block);
}
END_TEST

START_TEST(memory_grow_keeps_content)
{
    uint32_t *items = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(memory_grow(&items, &capacity, i + 1, sizeof *items), ERR_OK);
        items[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(items[i], i);
    ck_assert_int_eq(memory_grow(&items, &capacity, SIZE_MAX, sizeof *items),
                     ERR_NO_MEMORY);
    ck_assert_uint_eq(items[999], 999);
    free(items);
}
END_TEST

START_TEST(buffer_stops_at_maximum)
{
    struct buffer buffer;
    buffer_init(&buffer, 10);
    ck_assert_int_eq(buffer_append_text(&buffer, "0123456789"), ERR_OK);
    ck_assert_int_eq(buffer_append_char(&buffer, 'x'), ERR_LIMIT);
    ck_assert_str_eq(buffer.bytes, "0123456789");
    ck_assert_int_eq(buffer_append(&buffer, "", 0), ERR_LIMIT);
    buffer_clear(&buffer);
    ck_assert_int_eq(buffer_printf(&buffer, "%d-%s", 12, "ab"), ERR_OK);
    buffer_consume(&buffer, 3);
    ck_assert_str_eq(buffer.bytes, "ab");
    size_t size;
    char *text = buffer_release(&buffer, &size);
    ck_assert_uint_eq(size, 2);
    ck_assert_str_eq(text, "ab");
    free(text);
    buffer_fini(&buffer);
}
END_TEST

START_TEST(buffer_release_of_nothing)
{
    struct buffer buffer;
    size_t size = 9;
    buffer_init(&buffer, 100);
    char *text = buffer_release(&buffer, &size);
    ck_assert_uint_eq(size, 0);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(err_keeps_the_first)
{
    struct err_info info = {0};
    ck_assert_int_eq(err_set_field(&info, ERR_INVALID, "/params/order", "order %d", 9),
                     ERR_INVALID);
    ck_assert_int_eq(err_set(&info, ERR_IO, "later"), ERR_IO);
    ck_assert_int_eq(info.code, ERR_INVALID);
    ck_assert_str_eq(info.message, "order 9");
    ck_assert_str_eq(info.pointer, "/params/order");
    ck_assert_str_eq(err_word(ERR_MODEL_NOT_FOUND), "model_not_found");
    ck_assert_str_eq(err_word((enum err)9999), "internal_error");
}
END_TEST

START_TEST(random_repeats_and_is_fair)
{
    struct random a, b, other;
    random_seed(&a, 7, 0);
    random_seed(&b, 7, 0);
    random_seed(&other, 7, 1);
    ck_assert_uint_eq(random_next(&a), random_next(&b));
    ck_assert_uint_ne(random_next(&a), random_next(&other));
    double sum = 0, squares = 0;
    int counts[3] = {0};
    for (int i = 0; i < 30000; i++) {
        double x = random_normal(&a);
        sum += x;
        squares += x * x;
        counts[random_below(&a, 3)]++;
    }
    ck_assert_double_eq_tol(sum / 30000, 0, 0.03);
    ck_assert_double_eq_tol(squares / 30000, 1, 0.05);
    for (int i = 0; i < 3; i++)
        ck_assert_int_gt(counts[i], 9600);
}
END_TEST

START_TEST(crc32c_known_answers)
{
    char zeros[32] = {0};
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(crc32c(0, zeros, sizeof zeros), 0x8a9136aau);
    ck_assert_uint_eq(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}
END_TEST

START_TEST(clock_writes_rfc3339)
{
    char text[CLOCK_ISO_SIZE];
    clock_iso(1767225599123, text);
    ck_assert_str_eq(text, "2025-12-31T23:59:59.123Z");
    clock_iso(-1, text);
    ck_assert_uint_eq(strlen(text), CLOCK_ISO_SIZE - 1);
}
END_TEST

static void read_log_line(const char *value, char *line, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    log_set_fd(ends[1]);
    LOG_EVENT(LOG_INFO, "test", LOG_T("value", value), LOG_I("n", -3),
              LOG_N("x", 0.0 / 0.0));
    log_set_fd(STDERR_FILENO);
    close(ends[1]);
    ssize_t got = read(ends[0], line, size - 1);
    close(ends[0]);
    ck_assert_int_gt(got, 0);
    line[got] = '\0';
}

START_TEST(log_cannot_be_forged)
{
    char line[9000], long_value[5000];
    read_log_line("a\"b\\c\n\x1b[31m\xff{", line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line, "\"a\\\"b\\\\c\\u000a\\u001b[31m\\ufffd{\""));
    ck_assert_ptr_nonnull(strstr(line, "\"n\":-3,\"x\":null}\n"));
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    memset(long_value, '\n', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    read_log_line(long_value, line, sizeof line);
    ck_assert_ptr_nonnull(strstr(line, "…\""));
    ck_assert_uint_lt(strlen(line), 2000);
}
END_TEST

START_TEST(json_text_always_parses)
{
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    /* good two, three and four byte forms; overlong, surrogate, too large, cut off */
    json_text_append(&buffer, "a\"\\\t\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89");
    ck_assert_str_eq(buffer.bytes,
                     "\"a\\\"\\\\\\u0009\\u007f\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89\"");
    buffer_clear(&buffer);
    json_text_append(&buffer, "\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82");
    for (const char *c = buffer.bytes; *c; c++)
        ck_assert((unsigned char)*c < 0x80);
    ck_assert_uint_eq(buffer.size, 2 + 11 * 6);
    buffer_clear(&buffer);
    json_text_number(&buffer, 0.5);
    json_text_number(&buffer, 1.0 / 0.0);
    ck_assert_str_eq(buffer.bytes, "0.5null");
    buffer_fini(&buffer);
}
END_TEST

START_TEST(spill_reads_back_what_it_took)
{
    struct spill *spill;
    ck_assert_int_eq(spill_open(NULL, &spill), ERR_OK);
    for (uint32_t i = 0; i < 600000; i++)
        ck_assert_int_eq(spill_append(spill, &i, sizeof i), ERR_OK);
    ck_assert_uint_eq(spill_size(spill), 2400000);
    uint32_t value;
    size_t got;
    ck_assert_int_eq(spill_read(spill, 4 * 599999, &value, 8, &got), ERR_OK);
    ck_assert_uint_eq(got, 4);
    ck_assert_uint_eq(value, 599999);
    struct span all;
    ck_assert_int_eq(spill_map(spill, &all), ERR_OK);
    ck_assert_uint_eq(all.size, 2400000);
    memcpy(&value, all.bytes + 4 * 1234, 4);
    ck_assert_uint_eq(value, 1234);
    spill_close(spill);
    ck_assert_int_ne(spill_open("/nonexistent", &spill), ERR_OK);
    ck_assert_ptr_null(spill);
}
END_TEST

START_TEST(spill_maps_for_writing)
{
    struct spill *spill;
    void *bytes;
    const uint32_t first = 7;
    ck_assert_int_eq(spill_open(NULL, &spill), ERR_OK);
    ck_assert_int_eq(spill_append(spill, &first, sizeof first), ERR_OK);
    ck_assert_int_eq(spill_map_writable(spill, 2, &bytes), ERR_INVALID);
    ck_assert_int_eq(spill_map_writable(spill, 1 << 20, &bytes), ERR_OK);
    uint32_t *numbers = bytes;
    ck_assert_uint_eq(numbers[0], 7);
    ck_assert_uint_eq(numbers[(1 << 18) - 1], 0);
    numbers[(1 << 18) - 1] = 9;
    size_t got;
    uint32_t value;
    ck_assert_int_eq(spill_read(spill, (1 << 20) - 4, &value, 4, &got), ERR_OK);
    ck_assert_uint_eq(value, 9);
    spill_close(spill);
    ck_assert_int_eq(spill_open(NULL, &spill), ERR_OK);
    ck_assert_int_eq(spill_map_writable(spill, 0, &bytes), ERR_OK);
    spill_close(spill);
}
END_TEST

static enum err mark(void *context, unsigned index, unsigned count)
{
    ((unsigned *)context)[index] = count;
    return index == 2 ? ERR_LIMIT : index == 3 ? ERR_IO : ERR_OK;
}

START_TEST(parallel_runs_each_once_and_reports_the_first_error)
{
    unsigned marks[5] = {0};
    ck_assert_int_eq(parallel_run(5, mark, marks), ERR_LIMIT);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(marks[i], 5);
    ck_assert_int_eq(parallel_run(2, mark, marks), ERR_OK);
    ck_assert_int_eq(parallel_run(0, mark, marks), ERR_INVALID);
    ck_assert_uint_ge(parallel_cores(), 1);
}
END_TEST

START_TEST(lock_knows_its_owner_and_waits_no_longer_than_asked)
{
    struct lock lock;
    struct condition condition;
    lock_init(&lock, 1);
    condition_init(&condition);
    ck_assert(!lock_is_mine(&lock));
    lock_take(&lock);
    ck_assert(lock_is_mine(&lock));
    ck_assert(!condition_wait(&condition, &lock, 0.02));
    ck_assert(lock_is_mine(&lock));
    lock_release(&lock);
    condition_fini(&condition);
    lock_fini(&lock);
}
END_TEST

UNIT_SUITE(base)
{
    tcase_add_test(unit, memory_refuses_overflow);
    tcase_add_test(unit, memory_grow_keeps_content);
    tcase_add_test(unit, buffer_stops_at_maximum);
    tcase_add_test(unit, buffer_release_of_nothing);
    tcase_add_test(unit, err_keeps_the_first);
    tcase_add_test(unit, random_repeats_and_is_fair);
    tcase_add_test(unit, crc32c_known_answers);
    tcase_add_test(unit, clock_writes_rfc3339);
    tcase_add_test(unit, log_cannot_be_forged);
    tcase_add_test(unit, json_text_always_parses);
    tcase_add_test(unit, spill_reads_back_what_it_took);
    tcase_add_test(unit, spill_maps_for_writing);
    tcase_add_test(unit, parallel_runs_each_once_and_reports_the_first_error);
    tcase_add_test(unit, lock_knows_its_owner_and_waits_no_longer_than_asked);
}
