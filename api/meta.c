/* SPDX-License-Identifier: MIT */
/* Readiness, facts about the daemon, and the page at /. */
#include "api/meta.h"

#include "api/printer.h"
#include "api/resource.h"
#include "api/route.h"
#include "base/clock.h"
#include "model/kinds.h"
#include "model/nn/blas.h"
#include "server/server.h"

static const char home_page[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Firth</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:44em;margin:3em auto;padding:0 1em}"
    "pre{background:#f4f4f4;padding:1em;overflow:auto}</style></head>\n"
    "<body><h1>Firth</h1>\n"
    "<p>This server trains language models on your own text and answers questions with "
    "them.</p>\n"
    "<pre>curl -T book.txt localhost:8080/corpora/book\n"
    "curl localhost:8080/train --json "
    "'{\"kind\":\"ngram\",\"model\":\"mine\",\"corpus\":\"book\"}'\n"
    "curl localhost:8080/next --json "
    "'{\"model\":\"mine\",\"context\":\"it was the\"}'</pre>\n"
    "<ul>\n"
    "<li><a href=\"/openapi.yaml\">openapi.yaml</a>: every call, with examples "
    "(<a href=\"/openapi.json\">as JSON</a>)</li>\n"
    "<li><a href=\"/kinds\">kinds</a>: what can be trained, with every parameter</li>\n"
    "<li><a href=\"/corpora\">corpora</a>, <a href=\"/jobs\">jobs</a>, "
    "<a href=\"/models\">models</a>: what is here</li>\n"
    "<li><a href=\"/info\">info</a>: version, limits, queues; "
    "<a href=\"/readyz\">readyz</a>: is it ready; "
    "<a href=\"/metrics\">metrics</a>: for Prometheus</li>\n"
    "</ul></body></html>\n";

enum err meta_home(struct exchange *x, struct err_info *info)
{
    (void)info;
    enum err code = exchange_set_header(
        x, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    return code ? code
                : exchange_reply_static(x, 200, "text/html; charset=utf-8", home_page,
                                        sizeof home_page - 1);
}

enum err meta_readyz(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct store_stats stats = {0};
    struct buffer json;
    struct printer p;
    (void)info;
    int phase = atomic_load(&server->phase);
    bool store_ok = server->store && store_stats_get(server->store, &stats) == ERR_OK &&
                    !stats.failed;
    const char *status = phase == SERVER_STARTING   ? "starting"
                         : phase == SERVER_DRAINING ? "draining"
                         : store_ok                 ? "ok"
                                                    : "failing";
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    printer_key_text(&p, "status", status);
    printer_key(&p, "checks");
    printer_open(&p, '{');
    printer_key_text(&p, "store", store_ok ? "ok" : "failing");
    printer_key_text(&p, "work", phase == SERVER_READY ? "taken" : "refused until ready");
    printer_close(&p, '}');
    printer_close(&p, '}');
    bool ready = phase == SERVER_READY && store_ok;
    if (!ready)
        (void)exchange_set_header(x, "Retry-After", "5");
    return exchange_reply_json_take(x, ready ? 200 : 503, &json);
}

/* ---- /info ---- */

static void print_limits(struct printer *p, const struct settings *settings)
{
    printer_key(p, "limits");
    printer_open(p, '{');
#define TEXT(name)
#define INTEGER(name) printer_key_integer(p, #name, settings->name);
#define X(name, type, fallback, minimum, maximum, help) type(name)
    SETTINGS_TABLE(X)
#undef X
#undef TEXT
#undef INTEGER
    printer_close(p, '}');
}

static enum err print_queues(struct printer *p, struct server *server)
{
    size_t counts[JOB_STATE_COUNT];
    enum err code = store_job_count(server->store, counts);
    printer_key(p, "queues");
    printer_open(p, '{');
    printer_key_integer(p, "inference_waiting", (int64_t)pool_waiting(server->pool));
    printer_key(p, "jobs");
    printer_open(p, '{');
    for (int i = 0; i < JOB_STATE_COUNT && !code; i++)
        printer_key_integer(p, job_state_names[i], (int64_t)counts[i]);
    printer_close(p, '}');
    printer_close(p, '}');
    return code;
}

static enum err print_store(struct printer *p, struct server *server)
{
    struct store_stats stats = {0};
    enum err code = store_stats_get(server->store, &stats);
    printer_key(p, "store");
    printer_open(p, '{');
    printer_key_integer(p, "bytes", (int64_t)stats.file_bytes);
    printer_key_integer(p, "wal_bytes", (int64_t)stats.wal_bytes);
    printer_key_integer(p, "objects", (int64_t)stats.objects);
    printer_key_integer(p, "object_bytes", (int64_t)stats.object_bytes);
    printer_key_integer(p, "corpora", (int64_t)stats.corpora);
    printer_key_integer(p, "models", (int64_t)stats.models);
    printer_key_integer(p, "jobs", (int64_t)stats.jobs);
    printer_close(p, '}');
    return code;
}

static void print_tables(struct printer *p)
{
    printer_key(p, "kinds");
    printer_open(p, '[');
    for (size_t i = 0; kinds[i]; i++)
        printer_text(p, kinds[i]->name);
    printer_close(p, ']');
    printer_key(p, "routes");
    printer_open(p, '[');
    for (size_t i = 0; i < routes_count; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "%s %s", routes_table[i].method,
                       routes_table[i].pattern);
        printer_text(p, text);
    }
    printer_close(p, ']');
}

enum err meta_info(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    double uptime = clock_monotonic() - server->started_at;
    struct buffer json;
    struct printer p;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    printer_key_text(&p, "name", "firth");
    printer_key_text(&p, "version", PACKAGE_VERSION);
    printer_key(&p, "started_at");
    printer_time(&p, clock_wall_ms() - (int64_t)(uptime * 1000));
    printer_key_number(&p, "uptime_s", uptime);
    printer_key_text(&p, "blas", blas_core());
    print_limits(&p, &server->settings);
    enum err code = print_queues(&p, server);
    if (!code)
        code = print_store(&p, server);
    print_tables(&p);
    printer_close(&p, '}');
    if (code) {
        buffer_fini(&json);
        return err_finish(info, code);
    }
    return exchange_reply_json_take(x, 200, &json);
}
