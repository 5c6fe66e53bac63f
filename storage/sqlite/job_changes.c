/* SPDX-License-Identifier: MIT */
/* Every change of a job says under which condition it holds, and the condition is looked
 * at in the transaction that makes it. The fence rises with every start and every
 * recovery; whoever reports for a trainer shows the fence it started with, so what is
 * left of an earlier start cannot write over a later one. */
#include "storage/sqlite/job_changes.h"

#include <string.h>

#include "base/clock.h"
#include "storage/sqlite/job_object_table.h"
#include "storage/sqlite/job_rows.h"
#include "storage/sqlite/model_table.h"
#include "storage/sqlite/statement.h"
#include "storage/sqlite/object_upload.h"

/* ---- claim ---- */

struct claim {
    unsigned lane;
    struct job_row *row;
};

static enum err claim_work(struct database *connection, void *argument,
                           struct err_info *info)
{
    const struct claim *claim = argument;
    struct job_row *row = claim->row;
    (void)info;
    job_row_fini(row);
    struct statement query = statement_start(
        connection,
        "UPDATE job SET state = 1, fence = fence + 1, attempts = attempts + 1,"
        " started_ms = CASE started_ms WHEN 0 THEN ? ELSE started_ms END"
        " WHERE serial = (SELECT serial FROM job WHERE state = 0 AND lane = ?"
        " ORDER BY serial LIMIT 1)"
        " RETURNING " JOB_ROWS_COLUMNS);
    statement_put_integer(&query, clock_wall_ms());
    statement_put_integer(&query, claim->lane);
    bool found = statement_next(&query);
    enum err code = found ? job_rows_read(&query, row) : ERR_NOT_FOUND;
    while (statement_next(&query))
        ;
    enum err ended = statement_end(&query);
    return ended ? ended : code;
}

enum err job_changes_claim(struct store *store, unsigned lane, struct job_row *row)
{
    struct claim claim = {lane, row};
    enum err code = sqlite_engine_write(store, claim_work, &claim, NULL);
    if (code)
        job_row_fini(row);
    return code;
}

/* ---- update ---- */

static int64_t finish_time(const struct job_row *row)
{
    if (!job_state_finished(row->state))
        return 0;
    return row->finished_ms ? row->finished_ms : clock_wall_ms();
}

static void put_progress(struct statement *query, const struct job_row *row)
{
    statement_put_integer(query, row->state);
    statement_put_real(query, row->fraction);
    statement_put_real(query, row->epoch);
    statement_put_real(query, row->tokens_per_second);
    statement_put_unsigned(query, row->step);
    statement_put_unsigned(query, row->steps_total);
    statement_put_unsigned(query, row->tokens);
    statement_put_unsigned(query, row->best_step);
    statement_put_real(query, row->best_loss);
    statement_put_integer(query, row->attempts);
    statement_put_integer(query, finish_time(row));
    statement_put_text(query, row->error ? err_word(row->error) : NULL);
}

/* What is not a number where a number must be counts as 0. */
static enum err write_row(struct database *connection, const struct job_row *row,
                          int64_t serial)
{
    struct statement query = statement_start(
        connection,
        "UPDATE job SET state = ?, fraction = coalesce(?, 0), epoch = coalesce(?, 0),"
        " tokens_per_second = coalesce(?, 0), step = ?, steps_total = ?, tokens = ?,"
        " best_step = ?, best_loss = ?, attempts = ?, finished_ms = ?, error = ?,"
        " error_message = coalesce(?, error_message), result = coalesce(?, result),"
        " spec = coalesce(?, spec), metadata = coalesce(?, metadata) WHERE serial = ?");
    put_progress(&query, row);
    statement_put_text(&query, row->error_message);
    statement_put_text(&query, row->result);
    statement_put_text(&query, row->spec);
    statement_put_text(&query, row->metadata);
    statement_put_integer(&query, serial);
    return statement_run(&query);
}

static enum err update_row(struct database *connection, const struct job_row *row,
                           int64_t *serial)
{
    struct job_rows_key key;
    enum err code = job_rows_find(connection, row->id, &key);
    if (code)
        return code;
    *serial = key.serial;
    if (key.fence != row->fence || job_state_finished(key.state))
        return ERR_CONFLICT;
    return write_row(connection, row, key.serial);
}

static enum err update_work(struct database *connection, void *argument,
                            struct err_info *info)
{
    int64_t serial;
    (void)info;
    return update_row(connection, argument, &serial);
}

enum err job_changes_update(struct store *store, const struct job_row *row)
{
    return sqlite_engine_write(store, update_work, (void *)(uintptr_t)row, NULL);
}

/* ---- move ---- */

struct move {
    const char *id;
    enum job_state from, to;
};

static enum err move_work(struct database *connection, void *argument,
                          struct err_info *info)
{
    const struct move *move = argument;
    struct job_rows_key key;
    (void)info;
    enum err code = job_rows_find(connection, move->id, &key);
    if (!code && key.state != move->from)
        return ERR_CONFLICT;
    if (code)
        return code;
    bool anew = move->from == JOB_PAUSED && move->to == JOB_QUEUED;
    struct statement query = statement_start(
        connection,
        "UPDATE job SET state = ?1, finished_ms = ?2,"
        " attempts = iif(?3, 0, attempts), pause_wanted = iif(?3, 0, pause_wanted),"
        " cancel_wanted = iif(?3, 0, cancel_wanted) WHERE serial = ?4");
    statement_put_integer(&query, move->to);
    statement_put_integer(&query, job_state_finished(move->to) ? clock_wall_ms() : 0);
    statement_put_integer(&query, anew);
    statement_put_integer(&query, key.serial);
    return statement_run(&query);
}

enum err job_changes_move(struct store *store, const char *id, enum job_state from,
                          enum job_state to)
{
    struct move move = {id, from, to};
    return sqlite_engine_write(store, move_work, &move, NULL);
}

/* ---- wish ---- */

struct wish {
    const char *id;
    bool pause, cancel;
};

static enum err wish_work(struct database *connection, void *argument,
                          struct err_info *info)
{
    const struct wish *wish = argument;
    struct job_rows_key key;
    (void)info;
    enum err code = job_rows_find(connection, wish->id, &key);
    if (!code && job_state_finished(key.state))
        return ERR_CONFLICT;
    if (code)
        return code;
    struct statement query = statement_start(
        connection,
        "UPDATE job SET pause_wanted = ?, cancel_wanted = ? WHERE serial = ?");
    statement_put_integer(&query, wish->pause);
    statement_put_integer(&query, wish->cancel);
    statement_put_integer(&query, key.serial);
    return statement_run(&query);
}

enum err job_changes_wish(struct store *store, const char *id, bool pause, bool cancel)
{
    struct wish wish = {id, pause, cancel};
    return sqlite_engine_write(store, wish_work, &wish, NULL);
}

/* ---- recover ---- */

static enum err recover_work(struct database *connection, void *argument,
                             struct err_info *info)
{
    const unsigned *most_attempts = argument;
    (void)info;
    struct statement query = statement_start(
        connection,
        "WITH fate AS (SELECT serial AS which, CASE WHEN cancel_wanted THEN 5"
        " WHEN pause_wanted THEN 2 WHEN attempts >= ?1 THEN 4 ELSE 0 END AS state"
        " FROM job WHERE state = 1)"
        " UPDATE job SET fence = fence + 1, state = fate.state,"
        " finished_ms = iif(fate.state IN (4, 5), ?2, 0),"
        " error = iif(fate.state = 4, ?3, error),"
        " error_message = iif(fate.state = 4, ?4, error_message)"
        " FROM fate WHERE job.serial = fate.which");
    statement_put_integer(&query, *most_attempts);
    statement_put_integer(&query, clock_wall_ms());
    statement_put_text(&query, err_word(ERR_CRASH));
    statement_put_text(&query, "The job was running at every one of several stops of the "
                               "daemon, so it is not tried again.");
    return statement_run(&query);
}

enum err job_changes_recover(struct store *store, unsigned most_attempts)
{
    return sqlite_engine_write(store, recover_work, &most_attempts, NULL);
}

/* ---- succeed ---- */

struct success {
    struct store_upload *upload;
    const struct model_row *model; /* NULL: the upload is the job's answer */
    bool replace;
    const struct job_row *job;
    struct model_table_placed placed;
    uint64_t freed;
};

static enum err succeed_work(struct database *connection, void *argument,
                             struct err_info *info)
{
    struct success *success = argument;
    int64_t serial = 0;
    success->freed = 0;
    enum err code = update_row(connection, success->job, &serial);
    if (code)
        return code;
    return success->model
               ? model_table_place(connection, success->upload, success->model,
                                   success->replace, &success->placed, &success->freed,
                                   info)
               : job_object_table_place(connection, serial, JOB_ANSWER, success->upload);
}

enum err job_changes_succeed(struct store_upload *upload, struct model_row *model,
                             bool replace, const struct job_row *job,
                             struct err_info *info)
{
    struct success success = {
        .upload = upload, .model = model, .replace = replace, .job = job};
    enum err code =
        object_upload_commit(upload, succeed_work, &success, &success.freed, info);
    if (!code && model)
        model_table_fill(model, &success.placed);
    return code;
}
