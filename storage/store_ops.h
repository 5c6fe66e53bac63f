/* SPDX-License-Identifier: MIT */
/* What an engine provides: one function a call of store.h, with the same meaning. The
 * door (store.c) has checked names, limits and NULLs by then. An engine embeds these
 * three structs as the first member of its own. */
#ifndef FIRTH_STORAGE_STORE_OPS_H
#define FIRTH_STORAGE_STORE_OPS_H

#include "storage/store.h"

struct store {
    const struct store_ops *ops;
};

struct store_upload {
    struct store *store;
};

struct store_object {
    struct store *store;
};

struct store_ops {
    void (*close)(struct store *store);

    enum err (*upload_begin)(struct store *store, struct store_upload **out);
    enum err (*upload_write)(struct store_upload *upload, const void *bytes, size_t size);
    uint64_t (*upload_size)(const struct store_upload *upload);
    void (*upload_limit)(struct store_upload *upload, uint64_t bytes);
    void (*upload_abort)(struct store_upload *upload);
    enum err (*object_open)(struct store *store, int64_t id, struct store_object **out);
    uint64_t (*object_size)(const struct store_object *object);
    enum err (*object_read)(struct store_object *object, uint64_t offset, void *bytes,
                            size_t size, size_t *got);
    void (*object_close)(struct store_object *object);

    enum err (*corpus_commit)(struct store_upload *upload, const char *name,
                              enum corpus_kind kind, uint64_t lines,
                              struct corpus_row *row, bool *replaced,
                              struct err_info *info);
    enum err (*corpus_get)(struct store *store, const char *name, struct corpus_row *row);
    enum err (*corpus_list)(struct store *store, const char *after, size_t limit,
                            struct corpus_row *rows, size_t *count, bool *has_more);
    enum err (*corpus_delete)(struct store *store, const char *name);

    enum err (*model_commit)(struct store_upload *upload, struct model_row *row,
                             bool replace, struct err_info *info);
    enum err (*model_get)(struct store *store, const char *name, struct model_row *row);
    enum err (*model_list)(struct store *store, const char *after, size_t limit,
                           struct model_row *rows, size_t *count, bool *has_more);
    enum err (*model_delete)(struct store *store, const char *name);
    enum err (*model_patch)(struct store *store, const char *name, const char *metadata,
                            const char (*aliases)[STORE_NAME_SIZE], size_t alias_count,
                            struct err_info *info);
    enum err (*index_commit)(struct store_upload *upload, const char *name,
                             const char *digest, struct err_info *info);

    enum err (*job_insert)(struct store *store, struct job_row *row, bool replace,
                           size_t most_queued, const char *key, const char *body_sha256,
                           bool *existed, struct err_info *info);
    enum err (*job_insert_given)(struct store_upload *given, struct job_row *row,
                                 size_t most_queued, struct err_info *info);
    enum err (*job_get)(struct store *store, const char *id, struct job_row *row);
    enum err (*job_list)(struct store *store, const struct job_filter *filter,
                         const char *after, size_t limit, struct job_row *rows,
                         size_t *count, bool *has_more);
    enum err (*job_claim)(struct store *store, unsigned lane, struct job_row *row);
    enum err (*job_update)(struct store *store, const struct job_row *row);
    enum err (*job_move)(struct store *store, const char *id, enum job_state from,
                         enum job_state to);
    enum err (*job_wish)(struct store *store, const char *id, bool pause, bool cancel);
    enum err (*job_delete)(struct store *store, const char *id);
    enum err (*job_queue_position)(struct store *store, const char *id, size_t *position);
    enum err (*job_count)(struct store *store, size_t counts[JOB_STATE_COUNT]);
    enum err (*job_recover)(struct store *store, unsigned most_attempts);
    enum err (*job_object)(struct store *store, const char *id, enum job_role role,
                           int64_t *object);
    enum err (*job_succeed)(struct store_upload *upload, struct model_row *model,
                            bool replace, const struct job_row *job,
                            struct err_info *info);
    enum err (*checkpoint_commit)(struct store_upload *upload, const char *job,
                                  uint64_t fence, uint64_t step, bool best,
                                  struct err_info *info);
    enum err (*checkpoint_latest)(struct store *store, const char *job, int64_t *object,
                                  uint64_t *step);

    enum err (*metrics_append)(struct store *store, const char *job,
                               const struct metric_point *points, size_t count);
    enum err (*metrics_read)(struct store *store, const char *job, const char *series,
                             uint64_t since_step, size_t most,
                             struct metric_point **points, size_t *count);
    enum err (*events_append)(struct store *store, const char *job,
                              struct event_row *rows, size_t count);
    enum err (*events_read)(struct store *store, const char *job, int64_t after,
                            size_t most, struct event_row **rows, size_t *count);

    enum err (*key_insert)(struct store *store, struct key_row *row);
    enum err (*key_get)(struct store *store, const char *id, struct key_row *row);
    enum err (*key_list)(struct store *store, struct key_row **rows, size_t *count);
    enum err (*key_delete)(struct store *store, const char *id);

    enum err (*backup)(struct store *store, const char *path, struct err_info *info);
    enum err (*check)(struct store *store,
                      void (*report)(void *context, const char *what), void *context,
                      struct err_info *info);
    enum err (*stats_get)(struct store *store, struct store_stats *stats);
};

/* The engines. */
MUST_CHECK enum err sqlite_store_copy(const char *from, const char *to,
                                      struct err_info *info);
MUST_CHECK enum err sqlite_store_open(const struct store_settings *settings,
                                      struct store **out, struct err_info *info);

#endif
