/* SPDX-License-Identifier: MIT */
/* Every setting of the daemon, once: X(name, type, default, minimum, maximum, help).
 * The configuration file ("name = value" lines), --name options, FIRTH_NAME environment
 * variables, --help, GET /info and the documentation are made from this table. */
#ifndef FIRTH_SERVER_SETTINGS_H
#define FIRTH_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* TEXT settings have no range: minimum and maximum are 0 and the value's largest size. */
#define SETTINGS_TABLE(X)                                                                \
    X(store, TEXT, "firth.db", 0, 4095, "file that holds everything")                    \
    X(listen, TEXT, "127.0.0.1:8080", 0, 255, "address and port; port 0 takes a free one") \
    X(scratch, TEXT, "", 0, 4095, "folder for temporary files; empty: beside the store") \
    X(log_level, TEXT, "info", 0, 15, "debug, info, warning, error or silent")           \
    X(allowed_hosts, TEXT, "", 0, 1023, "further Host names to answer to, by comma")     \
    X(allowed_origins, TEXT, "", 0, 1023, "browser origins allowed (CORS), by comma")    \
    X(http_loops, INTEGER, "0", 0, 16, "HTTP threads; 0: one a core, at most 4")         \
    X(connections, INTEGER, "12000", 16, 100000, "open connections before 503")          \
    X(header_seconds, INTEGER, "10", 1, 600, "time for a whole request head")            \
    X(idle_seconds, INTEGER, "75", 1, 3600, "time a kept-alive connection may idle")     \
    X(body_rate, INTEGER, "1024", 1, 1000000000, "bytes a second a body must bring, over 30 s") \
    X(json_bytes, INTEGER, "1048576", 1024, 1073741824, "largest JSON body")             \
    X(json_tokens, INTEGER, "100000", 100, 100000000, "most structural tokens of a JSON body") \
    X(corpus_bytes, INTEGER, "17179869184", 1024, 1099511627776, "largest corpus")       \
    X(total_bytes, INTEGER, "0", 0, 1099511627776000, "all objects together; 0: no quota") \
    X(inference_threads, INTEGER, "0", 0, 256, "threads that compute answers; 0: one a core") \
    X(inference_queue, INTEGER, "1024", 1, 100000, "requests that may wait for a thread") \
    X(model_cache_bytes, INTEGER, "4294967296", 1048576, 1099511627776, "memory for loaded models") \
    X(index_rows, INTEGER, "50000", 1, 4000000000, "word vectors from which exact:false makes an index") \
    X(index_seconds, INTEGER, "3600", 1, 1000000, "time after which making an index is given up") \
    X(index_wait_seconds, INTEGER, "2", 0, 600, "time a request may wait for an index being made") \
    X(job_queue, INTEGER, "100", 1, 10000, "jobs that may wait")                         \
    X(jobs_at_once, INTEGER, "1", 1, 64, "trainer processes at the same time")           \
    X(answers_at_once, INTEGER, "1", 1, 64, "maps and evaluations at the same time, beside trainings") \
    X(job_attempts, INTEGER, "3", 1, 100, "starts of a job before it has failed")        \
    X(heartbeat_seconds, INTEGER, "30", 1, 3600, "silence after which a trainer is killed") \
    X(drain_seconds, INTEGER, "25", 1, 3600, "time to finish after SIGTERM")             \
    X(streams, INTEGER, "256", 1, 10000, "event streams open at once")                   \
    X(max_tokens, INTEGER, "4096", 1, 1000000, "most tokens one generation may ask for") \
    X(max_inputs, INTEGER, "10000", 1, 1000000, "most inputs of one request")

struct settings {
#define TEXT(name, maximum) char name[(maximum) + 1];
#define INTEGER(name, maximum) int64_t name;
#define X(name, type, fallback, minimum, maximum, help) type(name, maximum)
    SETTINGS_TABLE(X)
#undef X
#undef TEXT
#undef INTEGER
};

void settings_init(struct settings *settings); /* the defaults */
/* Sets one by name ("job_queue" or "job-queue"); ERR_INVALID says range and default. */
MUST_CHECK enum err settings_set(struct settings *settings, const char *name,
                                 const char *value, struct err_info *info);
/* Reads the configuration file's text ("# comment", "name = value"). */
MUST_CHECK enum err settings_read(struct settings *settings, const char *text,
                                  struct err_info *info);
/* FIRTH_JOB_QUEUE=… and the like. */
MUST_CHECK enum err settings_from_environment(struct settings *settings,
                                              struct err_info *info);
/* Calls `row` for every setting with its value as text. */
void settings_each(const struct settings *settings,
                   void (*row)(void *context, const char *name, const char *value,
                               const char *fallback, const char *help),
                   void *context);

#endif
