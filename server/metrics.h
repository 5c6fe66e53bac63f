/* SPDX-License-Identifier: MIT */
/* Counters, gauges and histograms for GET /metrics, once each in a table with their help.
 * Updating is lock-free; label values come from fixed sets only, so that no client can
 * grow the number of series. */
#ifndef FIRTH_SERVER_METRICS_H
#define FIRTH_SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct metrics;
struct buffer;

/* X(symbol, type, "name", "label" or "", label capacity, "help") */
#define METRICS_TABLE(X)                                                                 \
    X(METRIC_HTTP_REQUESTS, COUNTER, "firth_http_requests_total", "route", 512,          \
      "Requests by route, method and status class")                                      \
    X(METRIC_HTTP_SECONDS, HISTOGRAM, "firth_http_request_seconds", "", 1,               \
      "Time from the request's head to the end of its reply")                            \
    X(METRIC_CONNECTIONS, GAUGE, "firth_http_connections", "", 1, "Open connections")    \
    X(METRIC_CONNECTIONS_REFUSED, COUNTER, "firth_http_connections_refused_total", "",   \
      1, "Connections answered 503 because too many are open")                           \
    X(METRIC_CLIENT_ABORTS, COUNTER, "firth_client_aborts_total", "", 1,                 \
      "Requests whose client left before the answer")                                    \
    X(METRIC_STREAMS, GAUGE, "firth_streams", "", 1, "Event streams open now")           \
    X(METRIC_INFERENCE_WAITING, GAUGE, "firth_inference_waiting", "", 1,                 \
      "Requests waiting for an inference thread")                                        \
    X(METRIC_INFERENCE_SECONDS, HISTOGRAM, "firth_inference_seconds", "", 1,             \
      "Computing time of inference requests")                                            \
    X(METRIC_BATCH_ROWS, SIZES, "firth_batch_rows", "", 1,                               \
      "Texts or contexts that one call of a neural model computed together")             \
    X(METRIC_TOKENS_SCORED, COUNTER, "firth_tokens_scored_total", "", 1,                 \
      "Tokens scored")                                                                   \
    X(METRIC_TOKENS_GENERATED, COUNTER, "firth_tokens_generated_total", "", 1,           \
      "Tokens generated")                                                                \
    X(METRIC_JOBS, GAUGE, "firth_jobs", "state", 8, "Jobs by state")                     \
    X(METRIC_TRAINER_DEATHS, COUNTER, "firth_trainer_deaths_total", "", 1,               \
      "Trainer processes that died")                                                     \
    X(METRIC_TRAIN_TOKENS, COUNTER, "firth_train_tokens_total", "", 1,                   \
      "Tokens seen by training")                                                         \
    X(METRIC_MODELS_LOADED, GAUGE, "firth_models_loaded", "", 1, "Models in memory")     \
    X(METRIC_MODEL_BYTES, GAUGE, "firth_model_memory_bytes", "", 1,                      \
      "Memory of loaded models")                                                         \
    X(METRIC_STORE_BYTES, GAUGE, "firth_store_bytes", "", 1, "Size of the store")        \
    X(METRIC_WAL_BYTES, GAUGE, "firth_store_wal_bytes", "", 1,                           \
      "Size of the write-ahead log")                                                     \
    X(METRIC_STORE_FAILED, GAUGE, "firth_store_failed", "", 1,                           \
      "1 when a sync failed and writes are refused")                                     \
    X(METRIC_START_TIME, GAUGE, "firth_start_time_seconds", "", 1,                       \
      "When the daemon started, Unix time")

enum metric_id {
#define X(symbol, type, name, label, capacity, help) symbol,
    METRICS_TABLE(X)
#undef X
        METRICS_COUNT
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* A labelled series' index, made on first use; the last index ("other") when full.
 * `labels` is the value of the metric's one label (`queued`), or a ready label set
 * (`route="/score",method="POST",status="2xx"`) whose values are already escaped. */
size_t metrics_label(struct metrics *metrics, enum metric_id metric, const char *labels);
void metrics_add(struct metrics *metrics, enum metric_id metric, size_t label,
                 double value);
void metrics_set(struct metrics *metrics, enum metric_id metric, size_t label,
                 double value);
/* Of a histogram: seconds, or a size where the table says SIZES. */
void metrics_observe(struct metrics *metrics, enum metric_id metric, double value);
/* Prometheus text format 0.0.4. */
MUST_CHECK enum err metrics_render(struct metrics *metrics, struct buffer *text);

#endif
