/* SPDX-License-Identifier: MIT */
/* The training curves of a job, as JSON grouped by series or as rows of text/csv. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "api/job.h"
#include "api/print_infer.h"
#include "base/clock.h"
#include "server/server.h"

enum { POINTS_MAX = 100000, POINTS_DEFAULT = 2000, SERIES_SIZE = 48 };

struct query {
    const char *series; /* "" for all */
    uint64_t since_step;
    size_t most;
};

static enum err read_query(struct exchange *x, struct query *query, struct err_info *info)
{
    int64_t since = 0, most = 0;
    const char *series = exchange_query(x, "series");
    enum err code =
        exchange_query_integer(x, "since_step", 0, INT64_MAX, -1, &since, info);
    if (!code)
        code = exchange_query_integer(x, "max_points", 2, POINTS_MAX, POINTS_DEFAULT,
                                      &most, info);
    if (code)
        return code;
    if (series && strlen(series) >= SERIES_SIZE)
        return err_set_field(info, ERR_INVALID, "?series",
                             "A series has at most %d bytes.", SERIES_SIZE - 1);
    *query = (struct query){series ? series : "",
                            since < 0 ? UINT64_MAX : (uint64_t)since, (size_t)most};
    return ERR_OK;
}

static void print_point(struct printer *p, const struct metric_point *point)
{
    printer_open(p, '{');
    printer_key_integer(p, "step", (int64_t)point->step);
    print_finite(p, "value", point->value);
    printer_key(p, "at");
    printer_time(p, point->at_ms);
    printer_close(p, '}');
}

/* Points come sorted by series and step. */
static void print_curves(struct printer *p, const char *job,
                         const struct metric_point *points, size_t count)
{
    printer_open(p, '{');
    printer_key_text(p, "job", job);
    printer_key(p, "series");
    printer_open(p, '[');
    for (size_t i = 0; i < count;) {
        size_t first = i;
        printer_open(p, '{');
        printer_key_text(p, "name", points[i].series);
        printer_key(p, "points");
        printer_open(p, '[');
        while (i < count && strcmp(points[i].series, points[first].series) == 0)
            print_point(p, &points[i++]);
        printer_close(p, ']');
        printer_close(p, '}');
    }
    printer_close(p, ']');
    printer_close(p, '}');
}

/* Not a number and infinities are empty cells in CSV: every reader takes those. */
static void print_csv(struct buffer *text, const struct metric_point *points,
                      size_t count)
{
    struct printer printer;
    printer_init(&printer, text);
    buffer_append_text(text, "series,step,value,at\r\n");
    for (size_t i = 0; i < count; i++) {
        char at[CLOCK_ISO_SIZE];
        clock_iso(points[i].at_ms, at);
        buffer_printf(text, "%s,%" PRIu64 ",", points[i].series, points[i].step);
        printer.comma = false;
        if (isfinite(points[i].value))
            printer_number(&printer, points[i].value);
        buffer_printf(text, ",%s\r\n", at);
    }
}

enum err job_metrics_get(struct exchange *x, struct err_info *info)
{
    struct metric_point *points = NULL;
    struct job_row row = {0};
    struct query query = {0};
    size_t count = 0;
    enum err code = read_query(x, &query, info);
    if (!code)
        code = job_find(x, &row, info);
    if (code)
        return code;
    code = store_metrics_read(exchange_server(x)->store, row.id, query.series,
                              query.since_step, query.most, &points, &count);
    if (code) {
        job_row_fini(&row);
        return err_finish(info, code);
    }
    struct buffer body;
    struct printer printer;
    bool csv = job_wants_csv(x);
    buffer_init(&body, PRINTER_REPLY_MAX);
    printer_init(&printer, &body);
    if (csv)
        print_csv(&body, points, count);
    else
        print_curves(&printer, row.id, points, count);
    free(points);
    job_row_fini(&row);
    (void)exchange_set_header(x, "Vary", "Accept");
    return csv ? exchange_reply_buffer_take(x, 200, "text/csv; charset=utf-8", &body)
               : exchange_reply_json_take(x, 200, &body);
}
