/* SPDX-License-Identifier: MIT */
/* Curves, events and keys: storage/sqlite/curve_table.c, event_table.c, key_table.c. */
#include "tests/unit/storage/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct scratch scratch;
static char job[STORE_ID_SIZE];

static void set_up(void)
{
    scratch_open(&scratch);
    scratch_corpus(scratch.store, "text", "a b\n", 4, NULL);
    ck_assert_int_eq(scratch_job(scratch.store, "m", "text", job), ERR_OK);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

static void append(const char *series, uint64_t from, uint64_t to, double scale)
{
    struct metric_point points[1000];
    ck_assert_uint_le(to - from, 1000);
    for (uint64_t step = from; step < to; step++) {
        points[step - from] = (struct metric_point){
            .step = step, .value = (double)step * scale, .at_ms = (int64_t)step};
        snprintf(points[step - from].series, sizeof points->series, "%s", series);
    }
    ck_assert_int_eq(store_metrics_append(scratch.store, job, points, to - from), ERR_OK);
}

START_TEST(curve_comes_back_in_order_of_steps)
{
    struct metric_point odd[3] = {
        {"loss", 1000, NAN, 7}, {"other", 4, -INFINITY, 7}, {"loss", 1001, INFINITY, 8}};
    struct metric_point *points;
    size_t count;
    append("loss", 0, 10, 0.5);
    ck_assert_int_eq(store_metrics_append(scratch.store, job, odd, 3), ERR_OK);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "loss", UINT64_MAX, 100, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 12);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_uint_eq(points[i].step, i);
        ck_assert_str_eq(points[i].series, "loss");
        ck_assert(points[i].value == (double)i * 0.5);
        ck_assert_int_eq(points[i].at_ms, (int64_t)i);
    }
    ck_assert(isnan(points[10].value));
    ck_assert(points[11].value == INFINITY);
    free(points);
    ck_assert_int_eq(store_metrics_read(scratch.store, job, "", 5, 100, &points, &count),
                     ERR_OK);
    ck_assert_uint_eq(count, 6);
    ck_assert_uint_eq(points[0].step, 6);
    free(points);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "none", 0, 9, &points, &count), ERR_OK);
    ck_assert_uint_eq(count, 0);
    free(points);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, "job-x", "", 0, 9, &points, &count),
        ERR_JOB_NOT_FOUND);
}
END_TEST

START_TEST(a_resumed_job_draws_over_its_curve)
{
    struct metric_point *points;
    size_t count;
    append("loss", 0, 10, 1);
    append("loss", 5, 15, 2);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "loss", UINT64_MAX, 100, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 15);
    ck_assert(points[4].value == 4 && points[5].value == 10 && points[14].value == 28);
    free(points);
}
END_TEST

START_TEST(thinning_keeps_ends_and_short_series)
{
    struct metric_point *points;
    size_t count;
    append("loss", 0, 1000, 1);
    append("loss", 1000, 2000, 1);
    append("valid", 0, 4, 1);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "loss", UINT64_MAX, 5, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 5);
    static const uint64_t wanted[] = {0, 500, 1000, 1499, 1999};
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(points[i].step, wanted[i]);
    free(points);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "", UINT64_MAX, 100, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 100);
    ck_assert_str_eq(points[95].series, "loss");
    ck_assert_uint_eq(points[95].step, 1999);
    ck_assert_str_eq(points[96].series, "valid");
    free(points);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "loss", UINT64_MAX, 1, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(points[0].step, 1999);
    free(points);
    ck_assert_int_eq(
        store_metrics_read(scratch.store, job, "loss", UINT64_MAX, 0, &points, &count),
        ERR_OK);
    ck_assert_uint_eq(count, 0);
    free(points);
}
END_TEST

static void free_events(struct event_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(rows[i].data);
    free(rows);
}

START_TEST(events_are_numbered_within_their_job)
{
    struct event_row put[2] = {{.type = "state", .data = (char[]){"running"}},
                               {.type = "log", .data = (char[]){"h\xc3\xa4"}}};
    struct event_row *rows;
    char other[STORE_ID_SIZE];
    size_t count;
    ck_assert_int_eq(scratch_job(scratch.store, "m2", "text", other), ERR_OK);
    ck_assert_int_eq(store_events_append(scratch.store, other, put, 2), ERR_OK);
    ck_assert_int_eq(store_events_append(scratch.store, job, put, 2), ERR_OK);
    ck_assert_int_eq(put[0].id, 1);
    ck_assert_int_eq(store_events_append(scratch.store, job, put, 2), ERR_OK);
    ck_assert_int_eq(put[1].id, 4);
    ck_assert_int_eq(store_events_read(scratch.store, job, 1, 2, &rows, &count), ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(rows[0].id, 2);
    ck_assert_str_eq(rows[0].type, "log");
    ck_assert_str_eq(rows[0].data, "h\xc3\xa4");
    ck_assert_str_eq(rows[1].data, "running");
    free_events(rows, count);
    ck_assert_int_eq(store_events_read(scratch.store, job, 4, 9, &rows, &count), ERR_OK);
    ck_assert_uint_eq(count, 0);
    free_events(rows, count);
    ck_assert_int_eq(store_events_append(scratch.store, "job-x", put, 2),
                     ERR_JOB_NOT_FOUND);
}
END_TEST

START_TEST(the_newest_events_are_kept)
{
    enum { BATCH = 5000 };
    static char text[] = "x";
    struct event_row *put = calloc(BATCH, sizeof *put), *rows;
    size_t count;
    for (size_t i = 0; i < BATCH; i++) {
        strcpy(put[i].type, "progress");
        put[i].data = text;
    }
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(store_events_append(scratch.store, job, put, BATCH), ERR_OK);
    ck_assert_int_eq(store_events_read(scratch.store, job, 0, 1, &rows, &count), ERR_OK);
    ck_assert_int_eq(rows[0].id, 5001);
    free_events(rows, count);
    ck_assert_int_eq(store_events_read(scratch.store, job, 24999, 9, &rows, &count),
                     ERR_OK);
    ck_assert_uint_eq(count, 1);
    free_events(rows, count);
    free(put);
}
END_TEST

static bool nothing_left(void *context)
{
    (void)context;
    return scratch_integer(&scratch, "SELECT (SELECT count(*) FROM event) +"
                                     " (SELECT count(*) FROM metric) +"
                                     " (SELECT count(*) FROM series) +"
                                     " (SELECT count(*) FROM dropped_job)") == 0;
}

START_TEST(a_deleted_job_takes_curves_and_events_along)
{
    struct event_row put[1] = {{.type = "state", .data = (char[]){"running"}}};
    append("loss", 0, 1000, 1);
    append("valid", 0, 10, 1);
    ck_assert_int_eq(store_events_append(scratch.store, job, put, 1), ERR_OK);
    ck_assert_int_eq(store_job_move(scratch.store, job, JOB_QUEUED, JOB_CANCELLED),
                     ERR_OK);
    ck_assert_int_eq(store_job_delete(scratch.store, job), ERR_OK);
    ck_assert(scratch_until(nothing_left, NULL));
}
END_TEST

START_TEST(keys_come_back_as_they_went_in)
{
    struct key_row put = {.id = "k1",
                          .label = "laptop",
                          .scopes = SCOPE_READ | SCOPE_ADMIN},
                   got, *rows;
    size_t count;
    memset(put.sha256, 0xa5, sizeof put.sha256);
    ck_assert_int_eq(store_key_insert(scratch.store, &put), ERR_OK);
    ck_assert_int_eq(store_key_insert(scratch.store, &put), ERR_EXISTS);
    ck_assert_int_eq(store_key_get(scratch.store, "k1", &got), ERR_OK);
    ck_assert_mem_eq(got.sha256, put.sha256, 32);
    ck_assert_str_eq(got.label, "laptop");
    ck_assert_uint_eq(got.scopes, 5);
    ck_assert_int_gt(got.created_ms, 0);
    strcpy(put.id, "k2");
    ck_assert_int_eq(store_key_insert(scratch.store, &put), ERR_OK);
    ck_assert_int_eq(store_key_list(scratch.store, &rows, &count), ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(rows[0].id, "k2");
    free(rows);
    ck_assert_int_eq(store_key_delete(scratch.store, "k1"), ERR_OK);
    ck_assert_int_eq(store_key_delete(scratch.store, "k1"), ERR_NOT_FOUND);
    ck_assert_int_eq(store_key_get(scratch.store, "k1", &got), ERR_NOT_FOUND);
}
END_TEST

UNIT_SUITE(curves)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, curve_comes_back_in_order_of_steps);
    tcase_add_test(unit, a_resumed_job_draws_over_its_curve);
    tcase_add_test(unit, thinning_keeps_ends_and_short_series);
    tcase_add_test(unit, events_are_numbered_within_their_job);
    tcase_add_test(unit, the_newest_events_are_kept);
    tcase_add_test(unit, a_deleted_job_takes_curves_and_events_along);
    tcase_add_test(unit, keys_come_back_as_they_went_in);
}
