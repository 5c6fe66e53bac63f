/* SPDX-License-Identifier: MIT */
/* Metrics: the text format, bounded label sets, escaping, and no lost updates. */
#include "tests/support/unit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "server/metrics.h"

static struct buffer rendered(struct metrics *metrics)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    ck_assert_int_eq(metrics_render(metrics, &text), ERR_OK);
    return text;
}

START_TEST(every_metric_has_help_type_and_a_line_form)
{
    struct metrics *metrics = metrics_new();
    metrics_set(metrics, METRIC_JOBS, metrics_label(metrics, METRIC_JOBS, "queued"), 3);
    struct buffer text = rendered(metrics);
    static const char *const heads[] = {
#define X(symbol, type, name, label, capacity, help)                                     \
    "# HELP " name " " help "\n# TYPE " name,
        METRICS_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < METRICS_COUNT; i++)
        ck_assert_msg(strstr(text.bytes, heads[i]) != NULL, "%s", heads[i]);
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_jobs{state=\"queued\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_streams 0\n"));
    ck_assert_ptr_null(strstr(text.bytes, "other"));
    ck_assert_int_eq(text.bytes[text.size - 1], '\n');
    buffer_fini(&text);
    metrics_free(metrics);
}
END_TEST

START_TEST(histograms_are_cumulative_and_add_up)
{
    struct metrics *metrics = metrics_new();
    metrics_observe(metrics, METRIC_HTTP_SECONDS, 0.0004);
    metrics_observe(metrics, METRIC_HTTP_SECONDS, 0.001);
    metrics_observe(metrics, METRIC_HTTP_SECONDS, 100);
    metrics_observe(metrics, METRIC_HTTP_SECONDS, NAN);
    struct buffer text = rendered(metrics);
    static const char *const lines[] = {
        "firth_http_request_seconds_bucket{le=\"0.0005\"} 1\n",
        "firth_http_request_seconds_bucket{le=\"0.001\"} 2\n",
        "firth_http_request_seconds_bucket{le=\"60\"} 2\n",
        "firth_http_request_seconds_bucket{le=\"+Inf\"} 3\n",
        "firth_http_request_seconds_sum 100.0014\n",
        "firth_http_request_seconds_count 3\n",
        "# TYPE firth_http_request_seconds histogram\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(strstr(text.bytes, lines[i]) != NULL, "%s", lines[i]);
    buffer_fini(&text);
    metrics_free(metrics);
}
END_TEST

START_TEST(labels_are_bounded_and_escaped)
{
    struct metrics *metrics = metrics_new();
    char name[300];
    size_t first = metrics_label(metrics, METRIC_JOBS, "a\"b\\c\nd");
    ck_assert_uint_eq(first, metrics_label(metrics, METRIC_JOBS, "a\"b\\c\nd"));
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "state%d", i);
        metrics_add(metrics, METRIC_JOBS, metrics_label(metrics, METRIC_JOBS, name), 1);
    }
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    metrics_add(metrics, METRIC_JOBS, metrics_label(metrics, METRIC_JOBS, name), 1);
    metrics_add(metrics, METRIC_JOBS, 12345678, 1);
    struct buffer text = rendered(metrics);
    ck_assert_ptr_nonnull(strstr(text.bytes, "{state=\"a\\\"b\\\\c\\nd\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "{state=\"state6\"} 1\n"));
    ck_assert_ptr_null(strstr(text.bytes, "state7"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "{state=\"other\"} 995\n"));
    buffer_fini(&text);
    metrics_free(metrics);
}
END_TEST

START_TEST(a_ready_label_set_is_kept_as_it_is)
{
    struct metrics *metrics = metrics_new();
    const char *labels = "route=\"/score\",method=\"POST\",status=\"2xx\"";
    size_t label = metrics_label(metrics, METRIC_HTTP_REQUESTS, labels);
    metrics_add(metrics, METRIC_HTTP_REQUESTS, label, 2);
    struct buffer text = rendered(metrics);
    ck_assert_ptr_nonnull(strstr(text.bytes,
                                 "\nfirth_http_requests_total{route=\"/score\","
                                 "method=\"POST\",status=\"2xx\"} 2\n"));
    buffer_fini(&text);
    metrics_free(metrics);
}
END_TEST

enum { ADDERS = 4, ADDS = 20000 };

static void *add_many(void *metrics)
{
    for (int i = 0; i < ADDS; i++) {
        char name[16];
        snprintf(name, sizeof name, "route%d", i % 40);
        metrics_add(metrics, METRIC_TOKENS_SCORED, 0, 1);
        metrics_add(metrics, METRIC_HTTP_REQUESTS,
                    metrics_label(metrics, METRIC_HTTP_REQUESTS, name), 1);
        metrics_observe(metrics, METRIC_INFERENCE_SECONDS, 0.25);
    }
    return NULL;
}

START_TEST(threads_lose_no_update)
{
    struct metrics *metrics = metrics_new();
    pthread_t threads[ADDERS];
    for (int i = 0; i < ADDERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, metrics), 0);
    for (int i = 0; i < ADDERS; i++)
        pthread_join(threads[i], NULL);
    struct buffer text = rendered(metrics);
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_tokens_scored_total 80000\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_inference_seconds_count 80000\n"));
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_inference_seconds_sum 20000\n"));
    for (int i = 0; i < 40; i++) {
        char line[80];
        snprintf(line, sizeof line,
                 "\nfirth_http_requests_total{route=\"route%d\"} 2000\n", i);
        ck_assert_msg(strstr(text.bytes, line) != NULL, "%s", line);
    }
    buffer_fini(&text);
    metrics_free(metrics);
}
END_TEST

UNIT_SUITE(metrics)
{
    tcase_add_test(unit, every_metric_has_help_type_and_a_line_form);
    tcase_add_test(unit, histograms_are_cumulative_and_add_up);
    tcase_add_test(unit, labels_are_bounded_and_escaped);
    tcase_add_test(unit, a_ready_label_set_is_kept_as_it_is);
    tcase_add_test(unit, threads_lose_no_update);
}
