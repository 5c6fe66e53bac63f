/* SPDX-License-Identifier: MIT */
/* The daemon of the HTTP tests: the whole of api/ and the pool, without a store, with
 * routes that do one thing each, so that a test can provoke one behaviour at a time.
 *
 *     echo_daemon name=value …      settings; prints the address, SIGTERM drains
 *
 * FIRTH_TEST_KEYS="id secret-digest scopes;…" configures keys. */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "api/fields.h"
#include "api/health.h"
#include "api/printer.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/server.h"

/* What handlers noticed, told by GET /seen. */
static atomic_long seen_cancelled, seen_entered, seen_upload_bytes, seen_ended;

/* ---- the store's part of the gate ---- */

enum err store_key_list(struct store *store, struct key_row **rows, size_t *count)
{
    const char *text = getenv("FIRTH_TEST_KEYS");
    (void)store;
    *count = 0;
    *rows = memory_new_array(8, sizeof **rows);
    for (int used = 0; *rows && text && *text && *count < 8; text += used) {
        struct key_row *row = &(*rows)[*count];
        char digest[65];
        if (sscanf(text, "%39s %64s %u%n", row->id, digest, &row->scopes, &used) != 3)
            break;
        for (size_t i = 0; i < 32; i++) {
            char pair[3] = {digest[2 * i], digest[2 * i + 1], 0};
            row->sha256[i] = (uint8_t)strtoul(pair, NULL, 16);
        }
        ++*count;
        used += text[used] == ';';
    }
    return *rows ? ERR_OK : ERR_NO_MEMORY;
}

static void sleep_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- small requests ---- */

static enum err name_get(struct exchange *x, struct err_info *info)
{
    struct printer p;
    int64_t limit;
    enum err code = exchange_query_integer(x, "limit", 1, 100, 20, &limit, info);
    if (code)
        return code;
    if (exchange_not_modified(x, "v1"))
        return ERR_OK;
    printer_init(&p, exchange_buffer(x));
    printer_open(&p, '{');
    printer_key_text(&p, "name", exchange_variable(x, "name"));
    printer_key_text(&p, "q", exchange_query(x, "q"));
    printer_key_integer(&p, "limit", limit);
    printer_close(&p, '}');
    return exchange_reply_json_take(x, 200, exchange_buffer(x));
}

/* Sends the body back, parsed and printed. */
static enum err echo_post(struct exchange *x, struct err_info *info)
{
    json_t *body;
    atomic_fetch_add(&seen_entered, 1);
    enum err code = exchange_json(x, &body, info);
    return code ? code : exchange_reply_value_take(x, 200, json_incref(body));
}

static enum err echo_try(struct exchange *x, bool *answered, struct err_info *info)
{
    *answered = true;
    return echo_post(x, info);
}

struct wanted {
    int64_t count;
    double weight;
    bool flag;
    const char *name, *text;
    int choice;
    json_t *list;
};

static enum err fields_post(struct exchange *x, struct err_info *info)
{
    static const char *const choices[] = {"low", "high", NULL};
    static const struct field fields[] = {
        {.name = "count",
         .type = FIELD_INTEGER,
         .offset = offsetof(struct wanted, count),
         .minimum = 1,
         .maximum = 10,
         .required = true},
        {.name = "weight",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct wanted, weight),
         .minimum = 0,
         .maximum = 1,
         .exclusive = true},
        {.name = "flag", .type = FIELD_FLAG, .offset = offsetof(struct wanted, flag)},
        {.name = "name", .type = FIELD_NAME, .offset = offsetof(struct wanted, name)},
        {.name = "text", .type = FIELD_TEXT, .offset = offsetof(struct wanted, text)},
        {.name = "choice",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct wanted, choice),
         .choices = choices},
        {.name = "list",
         .type = FIELD_ARRAY,
         .offset = offsetof(struct wanted, list),
         .minimum = 1,
         .maximum = 3}};
    struct wanted wanted = {.weight = 0.5};
    json_t *body;
    enum err code = exchange_json(x, &body, info);
    if (!code)
        code = fields_read(body, "", fields, sizeof fields / sizeof fields[0],
                           exchange_is_v1(x), &wanted, exchange_errors(x));
    return code ? code
                : exchange_reply_value_take(
                      x, 200, json_pack("{sI}", "count", (json_int_t)wanted.count));
}

static enum err conflict_post(struct exchange *x, struct err_info *info)
{
    (void)x;
    return err_set(info, ERR_CONFLICT, "It is so");
}

static enum err seen_get(struct exchange *x, struct err_info *info)
{
    (void)info;
    return exchange_reply_value_take(
        x, 200,
        json_pack("{sIsIsIsI}", "cancelled", (json_int_t)seen_cancelled, "entered",
                  (json_int_t)seen_entered, "upload_bytes", (json_int_t)seen_upload_bytes,
                  "ended", (json_int_t)seen_ended));
}

/* Takes `ms` or until the client has left. */
static enum err slow_get(struct exchange *x, struct err_info *info)
{
    int64_t ms;
    enum err code = exchange_query_integer(x, "ms", 0, 60000, 100, &ms, info);
    atomic_fetch_add(&seen_entered, 1);
    double until = clock_monotonic() + (double)ms / 1000;
    while (!code && clock_monotonic() < until && !exchange_cancelled(x))
        sleep_ms(5);
    if (exchange_cancelled(x)) {
        atomic_fetch_add(&seen_cancelled, 1);
        return ERR_CANCELLED;
    }
    return code ? code : exchange_reply_text(x, 200, "application/json", "{}");
}

/* ---- bodies and replies in pieces ---- */

static enum err upload_put(struct exchange *x, struct err_info *info)
{
    char bytes[8192];
    size_t got = 1;
    uint64_t total = 0, sum = 0;
    int64_t most, delay;
    enum err code =
        exchange_query_integer(x, "most", 0, INT64_MAX, INT64_MAX, &most, info);
    if (!code)
        code = exchange_query_integer(x, "delay", 0, 1000, 0, &delay, info);
    while (!code && got > 0) {
        code = exchange_read(x, bytes, sizeof bytes, &got);
        for (size_t i = 0; i < got; i++)
            sum = sum * 31 + (unsigned char)bytes[i];
        total += got;
        atomic_fetch_add(&seen_upload_bytes, (long)got);
        if (!code && total > (uint64_t)most)
            code = err_set(info, ERR_LIMIT, "Over the quota");
        if (delay > 0)
            sleep_ms(delay);
    }
    if (code == ERR_CANCELLED)
        atomic_fetch_add(&seen_cancelled, 1);
    return code
               ? code
               : exchange_reply_value_take(x, 201,
                                           json_pack("{sIss}", "bytes", (json_int_t)total,
                                                     "sum", sum % 2 ? "odd" : "even"));
}

struct download {
    uint64_t at, end;
};

static void download_end(void *state)
{
    atomic_fetch_add(&seen_ended, 1);
    free(state);
}

/* Byte i of the content is i mod 251. */
static enum err download_more(struct exchange *x, void *state, enum pump_next *next,
                              struct err_info *info)
{
    struct download *download = state;
    unsigned char bytes[16384];
    (void)info;
    size_t size = exchange_room(x);
    size = size < sizeof bytes ? size : sizeof bytes;
    if (size > download->end - download->at)
        size = (size_t)(download->end - download->at);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((download->at + i) % 251);
    download->at += size;
    *next = download->at == download->end ? PUMP_DONE : PUMP_AGAIN;
    return exchange_write(x, bytes, size);
}

static enum err download_get(struct exchange *x, struct err_info *info)
{
    int64_t size;
    uint64_t first, length;
    unsigned status;
    enum err code = exchange_query_integer(x, "size", 0, INT64_MAX, 100000, &size, info);
    if (code || exchange_not_modified(x, "d1"))
        return code;
    code = exchange_range(x, (uint64_t)size, &first, &length, &status);
    if (code || status == 416)
        return code;
    struct download *download = malloc(sizeof *download);
    if (!download)
        return ERR_NO_MEMORY;
    *download = (struct download){first, first + length};
    code = exchange_open(x, status, "application/octet-stream", length);
    exchange_pump(x, (struct pump){download_more, download_end, download});
    return code;
}

/* A stream of `count` events, one each `ms`; `fail` ends it with an error. */
static enum err stream_get(struct exchange *x, struct err_info *info)
{
    int64_t count = 0, ms = 0, size = 1;
    bool fail = false;
    char id[24];
    enum err code = exchange_query_integer(x, "count", 0, 1000000, 5, &count, info);
    if (!code)
        code = exchange_query_integer(x, "ms", 0, 1000, 5, &ms, info);
    if (!code)
        code = exchange_query_integer(x, "size", 0, 65536, 1, &size, info);
    if (!code)
        code = exchange_query_flag(x, "fail", false, &fail, info);
    char *data = calloc(1, (size_t)size + 1);
    if (!code)
        code = data ? exchange_sse_open(x) : ERR_NO_MEMORY;
    if (data)
        memset(data, 'x', (size_t)size);
    for (int64_t i = 0; i < count && !code; i++) {
        snprintf(id, sizeof id, "%lld", (long long)i + 1);
        code = exchange_sse_event(x, id, "token", span_of(data, (size_t)size));
        if (ms > 0)
            sleep_ms(ms);
    }
    free(data);
    if (code == ERR_CANCELLED)
        atomic_fetch_add(&seen_cancelled, 1);
    return code || !fail ? code : err_set(info, ERR_DIVERGED, "It failed in the midst");
}

/* A feed without a thread: says hello, then waits for ever. */
static enum err feed_more(struct exchange *x, void *state, enum pump_next *next,
                          struct err_info *info)
{
    (void)state, (void)info;
    *next = PUMP_WAIT;
    return exchange_sse_event(x, "1", "state", span_of_text("{}"));
}

static void feed_end(void *state)
{
    (void)state;
    atomic_fetch_add(&seen_ended, 1);
}

static enum err feed_get(struct exchange *x, struct err_info *info)
{
    (void)info;
    enum err code = exchange_sse_open(x);
    if (!code)
        exchange_pump(x, (struct pump){feed_more, feed_end, NULL});
    return code;
}

static const struct route routes[] = {
    {"GET", "/livez", ROUTE_INLINE | ROUTE_OPEN | ROUTE_ALWAYS, SCOPE_READ, NULL,
     health_livez, NULL},
    {"GET", "/metrics", ROUTE_INLINE | ROUTE_ALWAYS, SCOPE_READ, NULL, health_metrics,
     NULL},
    {"GET", "/seen", ROUTE_INLINE | ROUTE_ALWAYS, SCOPE_READ, NULL, seen_get, NULL},
    {"GET", "/names/{name}", ROUTE_INLINE, SCOPE_READ, "q limit", name_get, NULL},
    {"DELETE", "/names/{name}", ROUTE_INLINE, SCOPE_TRAIN, NULL, name_get, NULL},
    {"POST", "/echo", ROUTE_COMPUTE | ROUTE_JSON, SCOPE_READ, NULL, echo_post, NULL},
    {"POST", "/quick", ROUTE_COMPUTE | ROUTE_JSON, SCOPE_READ, NULL, echo_post, echo_try},
    {"POST", "/fields", ROUTE_JSON, SCOPE_READ, NULL, fields_post, NULL},
    {"POST", "/v1/fields", ROUTE_JSON, SCOPE_READ, NULL, fields_post, NULL},
    {"POST", "/conflict", ROUTE_JSON | ROUTE_BODY_OPTIONAL, SCOPE_TRAIN, NULL,
     conflict_post, NULL},
    {"GET", "/slow", ROUTE_COMPUTE, SCOPE_READ, "ms", slow_get, NULL},
    {"PUT", "/upload/{name}", ROUTE_STREAM, SCOPE_TRAIN, "most delay", upload_put, NULL},
    {"GET", "/download", 0, SCOPE_READ, "size", download_get, NULL},
    {"GET", "/stream", ROUTE_COMPUTE, SCOPE_READ, "count ms size fail", stream_get, NULL},
    {"GET", "/v1/stream", ROUTE_COMPUTE, SCOPE_READ, "count ms size fail", stream_get,
     NULL},
    {"GET", "/feed", 0, SCOPE_READ, NULL, feed_get, NULL},
};

/* ---- main ---- */

/* A handler and not sigwait: a sanitizer has threads of its own that block nothing. */
static sem_t stop_wanted;

static void want_stop(int signal)
{
    (void)signal;
    sem_post(&stop_wanted);
}

static int run(struct server *server)
{
    struct err_info info = {0};
    struct api *api;
    if (api_start_routes(server, routes, sizeof routes / sizeof routes[0], &api, &info)) {
        fprintf(stderr, "%s\n", info.message);
        return 1;
    }
    atomic_store(&server->phase, SERVER_READY);
    printf("http://%s\n", api_address(api));
    fflush(stdout);
    while (sem_wait(&stop_wanted))
        continue;
    atomic_store(&server->phase, SERVER_DRAINING);
    api_drain(api, (double)server->settings.drain_seconds);
    api_stop(api);
    return 0;
}

int main(int count, char **arguments)
{
    struct server server = {.started_at = clock_monotonic()};
    struct err_info info = {0};
    char name[64];
    sem_init(&stop_wanted, 0, 0);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = want_stop}, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    settings_init(&server.settings);
    for (int i = 1; i < count; i++) {
        const char *value = strchr(arguments[i], '=');
        snprintf(name, sizeof name, "%.*s", (int)strcspn(arguments[i], "="),
                 arguments[i]);
        if (!value || settings_set(&server.settings, name, value + 1, &info)) {
            fprintf(stderr, "%s: %s\n", arguments[i], info.message);
            return 2;
        }
    }
    if (strcmp(server.settings.log_level, "silent") == 0)
        log_set_level(LOG_SILENT);
    server.metrics = metrics_new();
    if (getenv("FIRTH_TEST_KEYS")) /* never looked into here */
        server.store = (struct store *)(void *)&server;
    size_t threads = server.settings.inference_threads > 0
                         ? (size_t)server.settings.inference_threads
                         : 2;
    if (!server.metrics ||
        pool_new(threads, (size_t)server.settings.inference_queue, &server.pool))
        return 1;
    int status = run(&server);
    pool_free(server.pool);
    metrics_free(server.metrics);
    return status;
}
