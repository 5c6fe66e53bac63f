/* SPDX-License-Identifier: MIT */
/* The door: looks at what is asked (names, limits, sizes of fields) once for all engines,
 * clears the results, and hands over to the engine. */
#include "storage/store.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store_ops.h"

/* ---- rows ---- */

const char *const job_state_names[] = {
    [JOB_QUEUED] = "queued",           [JOB_RUNNING] = "running",
    [JOB_PAUSED] = "paused",           [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed",           [JOB_CANCELLED] = "cancelled",
    [JOB_INTERRUPTED] = "interrupted", [JOB_DIVERGED] = "diverged",
    [JOB_STATE_COUNT] = NULL,
};

bool job_state_finished(enum job_state state)
{
    return state != JOB_QUEUED && state != JOB_RUNNING && state != JOB_PAUSED;
}

void model_row_fini(struct model_row *row)
{
    free(row->spec);
    free(row->metrics);
    free(row->metadata);
    free(row->aliases);
    memset(row, 0, sizeof *row);
}

void job_row_fini(struct job_row *row)
{
    free(row->spec);
    free(row->metadata);
    free(row->result);
    free(row->error_message);
    memset(row, 0, sizeof *row);
}

/* ---- what may be asked ---- */

/* ^[a-z0-9][a-z0-9._-]{0,63}$ */
static bool is_name(const char *name)
{
    size_t length = name ? strnlen(name, STORE_NAME_SIZE) : 0;
    if (length == 0 || length >= STORE_NAME_SIZE || strchr("._-", name[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            !strchr("._-", name[i]))
            return false;
    return true;
}

static enum err bad_name(struct err_info *info, const char *pointer)
{
    return err_set_field(
        info, ERR_INVALID, pointer,
        "A name has 1 to 64 characters out of a-z, 0-9, '.', '_' and '-', "
        "and starts with a letter or digit.");
}

static bool is_id(const char *id)
{
    return id && id[0] && strnlen(id, STORE_ID_SIZE) < STORE_ID_SIZE;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static size_t cut_limit(size_t limit)
{
    return limit < STORE_LIST_MAX ? limit : STORE_LIST_MAX;
}

/* ---- opening ---- */

enum err store_open(const struct store_settings *settings, struct store **out,
                    struct err_info *info)
{
    return sqlite_store_open(settings, out, info);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

/* ---- objects ---- */

enum err store_upload_begin(struct store *store, struct store_upload **out)
{
    *out = NULL;
    return store->ops->upload_begin(store, out);
}

enum err store_upload_write(struct store_upload *upload, const void *bytes, size_t size)
{
    return upload->store->ops->upload_write(upload, bytes, size);
}

static enum err write_to_upload(void *context, const void *bytes, size_t size)
{
    return store_upload_write(context, bytes, size);
}

struct writer store_upload_writer(struct store_upload *upload)
{
    return (struct writer){upload, write_to_upload};
}

uint64_t store_upload_size(const struct store_upload *upload)
{
    return upload->store->ops->upload_size(upload);
}

void store_upload_limit(struct store_upload *upload, uint64_t bytes)
{
    upload->store->ops->upload_limit(upload, bytes);
}

void store_upload_abort(struct store_upload *upload)
{
    if (upload)
        upload->store->ops->upload_abort(upload);
}

enum err store_object_open(struct store *store, int64_t object, struct store_object **out)
{
    *out = NULL;
    return store->ops->object_open(store, object, out);
}

uint64_t store_object_size(const struct store_object *object)
{
    return object->store->ops->object_size(object);
}

enum err store_object_read(struct store_object *object, uint64_t offset, void *bytes,
                           size_t size, size_t *got)
{
    *got = 0;
    return object->store->ops->object_read(object, offset, bytes, size, got);
}

void store_object_close(struct store_object *object)
{
    if (object)
        object->store->ops->object_close(object);
}

/* ---- corpora ---- */

enum err store_corpus_commit(struct store_upload *upload, const char *name,
                             enum corpus_kind kind, uint64_t lines,
                             struct corpus_row *row, bool *replaced,
                             struct err_info *info)
{
    memset(row, 0, sizeof *row);
    *replaced = false;
    if (!is_name(name)) {
        store_upload_abort(upload);
        return bad_name(info, "");
    }
    return upload->store->ops->corpus_commit(upload, name, kind, lines, row, replaced,
                                             info);
}

enum err store_corpus_get(struct store *store, const char *name, struct corpus_row *row)
{
    memset(row, 0, sizeof *row);
    return is_name(name) ? store->ops->corpus_get(store, name, row)
                         : ERR_CORPUS_NOT_FOUND;
}

enum err store_corpus_list(struct store *store, const char *after, size_t limit,
                           struct corpus_row *rows, size_t *count, bool *has_more)
{
    *count = 0;
    *has_more = false;
    return store->ops->corpus_list(store, or_empty(after), cut_limit(limit), rows, count,
                                   has_more);
}

enum err store_corpus_delete(struct store *store, const char *name)
{
    return is_name(name) ? store->ops->corpus_delete(store, name) : ERR_CORPUS_NOT_FOUND;
}

/* ---- models ---- */

enum err store_model_commit(struct store_upload *upload, struct model_row *row,
                            bool replace, struct err_info *info)
{
    if (!is_name(row->name)) {
        store_upload_abort(upload);
        return bad_name(info, "");
    }
    return upload->store->ops->model_commit(upload, row, replace, info);
}

enum err store_model_get(struct store *store, const char *name, struct model_row *row)
{
    memset(row, 0, sizeof *row);
    return is_name(name) ? store->ops->model_get(store, name, row) : ERR_MODEL_NOT_FOUND;
}

enum err store_model_list(struct store *store, const char *after, size_t limit,
                          struct model_row *rows, size_t *count, bool *has_more)
{
    *count = 0;
    *has_more = false;
    return store->ops->model_list(store, or_empty(after), cut_limit(limit), rows, count,
                                  has_more);
}

enum err store_model_delete(struct store *store, const char *name)
{
    return is_name(name) ? store->ops->model_delete(store, name) : ERR_MODEL_NOT_FOUND;
}

enum err store_model_patch(struct store *store, const char *name, const char *metadata,
                           const char (*aliases)[STORE_NAME_SIZE], size_t alias_count,
                           struct err_info *info)
{
    if (!is_name(name))
        return ERR_MODEL_NOT_FOUND;
    for (size_t i = 0; aliases && i < alias_count; i++)
        if (!is_name(aliases[i]))
            return bad_name(info, "/aliases");
    return store->ops->model_patch(store, name, metadata, aliases, alias_count, info);
}

enum err store_index_commit(struct store_upload *upload, const char *name,
                            const char *digest, struct err_info *info)
{
    if (is_name(name))
        return upload->store->ops->index_commit(upload, name, digest, info);
    store_upload_abort(upload);
    return err_set(info, ERR_MODEL_NOT_FOUND, "No model has this name.");
}

/* ---- jobs ---- */

enum err store_job_insert(struct store *store, struct job_row *row, bool replace,
                          size_t most_queued, const char *key, const char *body_sha256,
                          bool *existed, struct err_info *info)
{
    *existed = false;
    if (row->model[0] ? !is_name(row->model) : strcmp(row->type, "train") == 0)
        return bad_name(info, "/model");
    return store->ops->job_insert(store, row, replace, most_queued, key, body_sha256,
                                  existed, info);
}

enum err store_job_insert_given(struct store_upload *given, struct job_row *row,
                                size_t most_queued, struct err_info *info)
{
    if (!is_name(row->model)) {
        store_upload_abort(given);
        return bad_name(info, "/model");
    }
    return given->store->ops->job_insert_given(given, row, most_queued, info);
}

enum err store_job_get(struct store *store, const char *id, struct job_row *row)
{
    memset(row, 0, sizeof *row);
    return is_id(id) ? store->ops->job_get(store, id, row) : ERR_JOB_NOT_FOUND;
}

enum err store_job_list(struct store *store, const struct job_filter *filter,
                        const char *after, size_t limit, struct job_row *rows,
                        size_t *count, bool *has_more)
{
    *count = 0;
    *has_more = false;
    const struct job_filter clean = {filter->state, or_empty(filter->type),
                                     or_empty(filter->kind)};
    return store->ops->job_list(store, &clean, or_empty(after), cut_limit(limit), rows,
                                count, has_more);
}

enum err store_job_claim(struct store *store, unsigned lane, struct job_row *row)
{
    memset(row, 0, sizeof *row);
    return store->ops->job_claim(store, lane, row);
}

enum err store_job_update(struct store *store, const struct job_row *row)
{
    return is_id(row->id) ? store->ops->job_update(store, row) : ERR_JOB_NOT_FOUND;
}

enum err store_job_move(struct store *store, const char *id, enum job_state from,
                        enum job_state to)
{
    return is_id(id) ? store->ops->job_move(store, id, from, to) : ERR_JOB_NOT_FOUND;
}

enum err store_job_wish(struct store *store, const char *id, bool pause_wanted,
                        bool cancel_wanted)
{
    return is_id(id) ? store->ops->job_wish(store, id, pause_wanted, cancel_wanted)
                     : ERR_JOB_NOT_FOUND;
}

enum err store_job_delete(struct store *store, const char *id)
{
    return is_id(id) ? store->ops->job_delete(store, id) : ERR_JOB_NOT_FOUND;
}

enum err store_job_queue_position(struct store *store, const char *id, size_t *position)
{
    *position = 0;
    return is_id(id) ? store->ops->job_queue_position(store, id, position)
                     : ERR_JOB_NOT_FOUND;
}

enum err store_job_count(struct store *store, size_t counts[JOB_STATE_COUNT])
{
    memset(counts, 0, JOB_STATE_COUNT * sizeof *counts);
    return store->ops->job_count(store, counts);
}

enum err store_job_recover(struct store *store, unsigned most_attempts)
{
    return store->ops->job_recover(store, most_attempts);
}

enum err store_job_object(struct store *store, const char *id, enum job_role role,
                          int64_t *object)
{
    *object = 0;
    return is_id(id) ? store->ops->job_object(store, id, role, object) : ERR_NOT_FOUND;
}

enum err store_job_succeed(struct store_upload *upload, struct model_row *model,
                           bool replace, const struct job_row *job, struct err_info *info)
{
    if (model && !is_name(model->name)) {
        store_upload_abort(upload);
        return bad_name(info, "");
    }
    return upload->store->ops->job_succeed(upload, model, replace, job, info);
}

enum err store_checkpoint_commit(struct store_upload *upload, const char *job,
                                 uint64_t fence, uint64_t step, bool best,
                                 struct err_info *info)
{
    return upload->store->ops->checkpoint_commit(upload, job, fence, step, best, info);
}

enum err store_checkpoint_latest(struct store *store, const char *job, int64_t *object,
                                 uint64_t *step)
{
    *object = 0;
    *step = 0;
    return store->ops->checkpoint_latest(store, job, object, step);
}

/* ---- curves and events ---- */

enum err store_metrics_append(struct store *store, const char *job,
                              const struct metric_point *points, size_t count)
{
    return count ? store->ops->metrics_append(store, job, points, count) : ERR_OK;
}

enum err store_metrics_read(struct store *store, const char *job, const char *series,
                            uint64_t since_step, size_t most,
                            struct metric_point **points, size_t *count)
{
    *points = NULL;
    *count = 0;
    return store->ops->metrics_read(store, job, or_empty(series), since_step, most,
                                    points, count);
}

enum err store_events_append(struct store *store, const char *job, struct event_row *rows,
                             size_t count)
{
    return count ? store->ops->events_append(store, job, rows, count) : ERR_OK;
}

enum err store_events_read(struct store *store, const char *job, int64_t after,
                           size_t most, struct event_row **rows, size_t *count)
{
    *rows = NULL;
    *count = 0;
    return store->ops->events_read(store, job, after, most, rows, count);
}

/* ---- keys ---- */

enum err store_key_insert(struct store *store, struct key_row *row)
{
    return is_id(row->id) ? store->ops->key_insert(store, row) : ERR_INVALID;
}

enum err store_key_get(struct store *store, const char *id, struct key_row *row)
{
    memset(row, 0, sizeof *row);
    return is_id(id) ? store->ops->key_get(store, id, row) : ERR_NOT_FOUND;
}

enum err store_key_list(struct store *store, struct key_row **rows, size_t *count)
{
    *rows = NULL;
    *count = 0;
    return store->ops->key_list(store, rows, count);
}

enum err store_key_delete(struct store *store, const char *id)
{
    return is_id(id) ? store->ops->key_delete(store, id) : ERR_NOT_FOUND;
}

/* ---- care of the file ---- */

enum err store_backup(struct store *store, const char *path, struct err_info *info)
{
    return store->ops->backup(store, path, info);
}

enum err store_copy(const char *from, const char *path, struct err_info *info)
{
    return sqlite_store_copy(from, path, info);
}

enum err store_check(struct store *store, void (*report)(void *context, const char *what),
                     void *context, struct err_info *info)
{
    return store->ops->check(store, report, context, info);
}

enum err store_stats_get(struct store *store, struct store_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return store->ops->stats_get(store, stats);
}
