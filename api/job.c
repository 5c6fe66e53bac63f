/* SPDX-License-Identifier: MIT */
/* Jobs are rows of the store; what moves them is the supervisor in server/. Here they are
 * shown, one with its answer or its table, and wishes are passed on. */
#include "api/job.h"

#include <stdlib.h>

#include "api/accept.h"
#include "api/print_job.h"
#include "api/resource.h"
#include "base/memory.h"
#include "server/server.h"
#include "server/work.h"

enum { LATEST_POINTS = 256 };

enum err job_find(struct exchange *x, struct job_row *row, struct err_info *info)
{
    const char *id = exchange_variable(x, "id");
    enum err code = strlen(id) < STORE_ID_SIZE
                        ? store_job_get(exchange_server(x)->store, id, row)
                        : ERR_JOB_NOT_FOUND;
    if (code == ERR_JOB_NOT_FOUND)
        return err_set(info, code, "There is no job '%.64s'; GET /jobs lists them.", id);
    return code ? err_finish(info, code) : ERR_OK;
}

/* Keeps the last point of each series; they come sorted by series and step. */
static size_t keep_newest(struct metric_point *points, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || strcmp(points[i].series, points[i + 1].series) != 0)
            points[kept++] = points[i];
    return kept;
}

static enum err reply_job(struct exchange *x, unsigned status, const struct job_row *row,
                          const struct job_answer *answer, struct err_info *info)
{
    struct store *store = exchange_server(x)->store;
    struct metric_point *points = NULL;
    size_t count = 0, position = 0;
    enum err code = store_job_queue_position(store, row->id, &position);
    if (!code)
        code = store_metrics_read(store, row->id, "", UINT64_MAX, LATEST_POINTS, &points,
                                  &count);
    if (code)
        return err_finish(info, code);
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    print_job(&printer, row, position, points, keep_newest(points, count), answer);
    free(points);
    return exchange_reply_json_take(x, status, &json);
}

enum err job_reply_queued(struct exchange *x, const struct job_row *row,
                          struct err_info *info)
{
    size_t position = 0;
    enum err code =
        store_job_queue_position(exchange_server(x)->store, row->id, &position);
    if (!code)
        code = exchange_set_location(x, "/jobs/%s", row->id);
    if (code)
        return err_finish(info, code);
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    print_job(&printer, row, position, NULL, 0, NULL);
    return exchange_reply_json_take(x, 202, &json);
}

bool job_wants_csv(const struct exchange *x)
{
    return accept_prefers(exchange_header(x, "Accept"), "text/csv", "application/json");
}

/* The table of a job that answers with one; *replied is false where there is none. */
static enum err reply_table(struct exchange *x, const struct job_row *row,
                            const struct job_answer *answer, bool *replied,
                            struct err_info *info)
{
    struct buffer text;
    *replied = true;
    if (job_view_answers(row) && row->state != JOB_SUCCEEDED)
        return err_set(info, ERR_CONFLICT,
                       "The job is %s; there is a table once it has succeeded.",
                       job_state_names[row->state]);
    buffer_init(&text, PRINTER_REPLY_MAX);
    if (job_answer_csv(answer, &text))
        return exchange_reply_buffer_take(x, 200, "text/csv; charset=utf-8", &text);
    buffer_fini(&text);
    *replied = false;
    return ERR_OK;
}

enum err job_get(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct job_row row = {0};
    struct job_answer answer;
    bool replied = false;
    enum err code = job_find(x, &row, info);
    if (code)
        return code;
    code = job_answer_open(server->store, server->scratch, &row, &answer, info);
    (void)exchange_set_header(x, "Vary", "Accept");
    if (!code && job_wants_csv(x))
        code = reply_table(x, &row, &answer, &replied, info);
    if (!code && !replied)
        code = reply_job(x, 200, &row, &answer, info);
    job_answer_fini(&answer);
    job_row_fini(&row);
    return code;
}

static enum err check_type(const char *type, struct err_info *info)
{
    if (!type || work_find(works, type))
        return ERR_OK;
    char list[64] = "";
    for (size_t i = 0, at = 0; works[i].name && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "",
                               works[i].name);
    return err_set_field(info, ERR_INVALID, "?type", "type is one of: %s", list);
}

static void print_jobs(struct printer *p, struct store *store, struct job_row *rows,
                       size_t count, bool has_more)
{
    resource_list_open(p);
    for (size_t i = 0; i < count; i++) {
        size_t position = 0;
        if (rows[i].state == JOB_QUEUED &&
            store_job_queue_position(store, rows[i].id, &position))
            position = 0; /* started or deleted meanwhile */
        print_job(p, &rows[i], position, NULL, 0, NULL);
    }
    resource_list_close(p, has_more, count ? rows[0].id : NULL,
                        count ? rows[count - 1].id : NULL);
}

enum err job_list(struct exchange *x, struct err_info *info)
{
    struct store *store = exchange_server(x)->store;
    struct job_filter filter = {-1, exchange_query(x, "type"), exchange_query(x, "kind")};
    struct resource_page page;
    size_t count = 0;
    bool has_more = false;
    enum err code = resource_page_read(x, &page, info);
    if (!code)
        code = resource_query_choice(x, "state", job_state_names, &filter.state, info);
    if (!code)
        code = check_type(filter.type, info);
    if (code)
        return code;
    struct job_row *rows = memory_new_array(page.limit, sizeof *rows);
    if (!rows)
        return err_finish(info, ERR_NO_MEMORY);
    code =
        store_job_list(store, &filter, page.after, page.limit, rows, &count, &has_more);
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    if (!code)
        print_jobs(&printer, store, rows, count, has_more);
    for (size_t i = 0; i < count; i++)
        job_row_fini(&rows[i]);
    free(rows);
    if (code) {
        buffer_fini(&json);
        return err_finish(info, code);
    }
    return exchange_reply_json_take(x, 200, &json);
}

enum err job_delete(struct exchange *x, struct err_info *info)
{
    struct job_row row = {0};
    enum err code = job_find(x, &row, info);
    if (code)
        return code;
    code = store_job_delete(exchange_server(x)->store, row.id);
    if (code == ERR_CONFLICT)
        (void)err_set(info, code, "The job is %s; cancel it first.",
                      job_state_names[row.state]);
    job_row_fini(&row);
    return code ? err_finish(info, code) : exchange_reply_empty(x, 204);
}

/* Passes a wish on and shows the job as it is then. */
static enum err wish(struct exchange *x,
                     enum err (*act)(struct jobs *, const char *, struct err_info *),
                     struct err_info *info)
{
    struct job_row row = {0};
    enum err code = job_find(x, &row, info);
    if (code)
        return code;
    code = act(exchange_server(x)->jobs, row.id, info);
    job_row_fini(&row);
    if (code)
        return err_finish(info, code);
    memset(&row, 0, sizeof row);
    code = job_find(x, &row, info);
    if (code)
        return code;
    code = reply_job(x, 202, &row, NULL, info);
    job_row_fini(&row);
    return code;
}

enum err job_cancel(struct exchange *x, struct err_info *info)
{
    return wish(x, jobs_cancel, info);
}

enum err job_pause(struct exchange *x, struct err_info *info)
{
    return wish(x, jobs_pause, info);
}

enum err job_resume(struct exchange *x, struct err_info *info)
{
    return wish(x, jobs_resume, info);
}
