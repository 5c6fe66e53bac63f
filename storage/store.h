/* SPDX-License-Identifier: MIT */
/* Durable facts: corpora, models, jobs, curves, events, keys. A function table, so that
 * another engine can stand behind it; storage/sqlite/ is the one there is.
 *
 * Every call may block on the disk: never call it from an HTTP loop. A write returns when
 * it is durable. All calls are safe from any thread. Strings in rows are owned by the row
 * and freed by its _fini; rows are zeroed by whoever declares them. */
#ifndef FIRTH_STORAGE_STORE_H
#define FIRTH_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stream.h"

#define STORE_NAME_SIZE 65   /* corpus and model names */
#define STORE_ID_SIZE 40     /* job ids: "job-" and 26 characters that sort by time */
#define STORE_DIGEST_SIZE 65 /* lower-case hexadecimal SHA-256 */
#define STORE_LIST_MAX 100

struct store;

struct store_settings {
    const char *path;
    bool create;           /* make the file when it does not exist */
    bool read_only;        /* no lock, no writes (ERR_UNAVAILABLE): beside a daemon */
    uint64_t corpus_bytes; /* quota of one corpus; 0: none */
    uint64_t total_bytes;  /* quota of all objects; 0: none */
};

/* Opens, locks (a second opener gets ERR_LOCKED), migrates, checks and sweeps what was
 * left half-done. ERR_WRONG_STORE with one clear sentence for a file that is not ours,
 * too new, or of zero length. Read-only: none of that, only looking, copying, checking;
 * an object deleted by the daemon may go away while it is read (ERR_INTEGRITY). */
MUST_CHECK enum err store_open(const struct store_settings *settings, struct store **out,
                               struct err_info *info);
void store_close(struct store *store);

/* ---- objects: large immutable byte strings, chunked and checksummed ---- */

/* An upload in progress; invisible until committed by one of the *_commit calls below. */
struct store_upload;
MUST_CHECK enum err store_upload_begin(struct store *store, struct store_upload **out);
/* ERR_LIMIT over a quota, ERR_NO_SPACE when the disk is full. */
MUST_CHECK enum err store_upload_write(struct store_upload *upload, const void *bytes,
                                       size_t size);
struct writer store_upload_writer(struct store_upload *upload);
uint64_t store_upload_size(const struct store_upload *upload);
/* Refuses what goes past `bytes` (a limit of this upload's own) with ERR_LIMIT. */
void store_upload_limit(struct store_upload *upload, uint64_t bytes);
/* Gives the upload up; frees it. Every *_commit below and store_job_succeed free it too,
 * whether they succeed or fail. NULL is fine. */
void store_upload_abort(struct store_upload *upload);

/* Reads a stored object from any offset; it stays readable until closed even if deleted
 * meanwhile. ERR_INTEGRITY when a chunk fails its checksum. */
struct store_object;
MUST_CHECK enum err store_object_open(struct store *store, int64_t object,
                                      struct store_object **out);
uint64_t store_object_size(const struct store_object *object);
MUST_CHECK enum err store_object_read(struct store_object *object, uint64_t offset,
                                      void *bytes, size_t size, size_t *got);
void store_object_close(struct store_object *object);

/* ---- corpora ---- */

enum corpus_kind { CORPUS_TEXT, CORPUS_PARALLEL };
struct corpus_row {
    char name[STORE_NAME_SIZE];
    enum corpus_kind kind;
    char sha256[STORE_DIGEST_SIZE];
    uint64_t bytes, lines;
    int64_t created_ms;
    int64_t object;
};
/* Puts the upload in place under `name`, replacing what was there in the same moment.
 * Fills the row; *replaced tells whether there was one. */
MUST_CHECK enum err store_corpus_commit(struct store_upload *upload, const char *name,
                                        enum corpus_kind kind, uint64_t lines,
                                        struct corpus_row *row, bool *replaced,
                                        struct err_info *info);
MUST_CHECK enum err store_corpus_get(struct store *store, const char *name,
                                     struct corpus_row *row); /* ERR_CORPUS_NOT_FOUND */
/* Newest first, after the one named `after` ("" from the start; ERR_CORPUS_NOT_FOUND when
 * that one is gone). rows[limit]; limit is cut to STORE_LIST_MAX. The lists of models and
 * jobs are alike. */
MUST_CHECK enum err store_corpus_list(struct store *store, const char *after,
                                      size_t limit, struct corpus_row *rows,
                                      size_t *count, bool *has_more);
/* ERR_IN_USE while an unfinished job names it. */
MUST_CHECK enum err store_corpus_delete(struct store *store, const char *name);

/* ---- models ---- */

struct model_row {
    char name[STORE_NAME_SIZE];
    char kind[16];
    char digest[STORE_DIGEST_SIZE]; /* SHA-256 of the model file */
    uint64_t bytes, parameters;
    uint32_t vocab_size;
    int64_t created_ms, object;
    uint64_t index_bytes;    /* of its index; 0: none is stored */
    int64_t index_object;    /* the same */
    char job[STORE_ID_SIZE]; /* "" for imports */
    char *spec;              /* train_spec text */
    char *metrics;           /* "name value" lines */
    char *metadata;          /* the user's JSON object as text, "{}" by default */
    char (*aliases)[STORE_NAME_SIZE]; /* [alias_count] */
    size_t alias_count;
};
void model_row_fini(struct model_row *row);

/* Puts a finished model file in place with the row's name, kind, parameters, vocab_size,
 * job, spec, metrics, metadata; fills digest, bytes, object, created_ms. ERR_EXISTS when
 * the name is a model's or an alias and `replace` is false. A replaced model's aliases
 * stay. */
MUST_CHECK enum err store_model_commit(struct store_upload *upload, struct model_row *row,
                                       bool replace, struct err_info *info);
/* By name or alias. ERR_MODEL_NOT_FOUND. */
MUST_CHECK enum err store_model_get(struct store *store, const char *name,
                                    struct model_row *row);
MUST_CHECK enum err store_model_list(struct store *store, const char *after, size_t limit,
                                     struct model_row *rows, size_t *count,
                                     bool *has_more);
MUST_CHECK enum err store_model_delete(struct store *store, const char *name);
/* Sets the metadata (NULL: leave) and the whole list of aliases (NULL: leave), moving an
 * alias from another model in the same transaction. ERR_EXISTS when an alias is the name
 * of a model. */
MUST_CHECK enum err store_model_patch(struct store *store, const char *name,
                                      const char *metadata,
                                      const char (*aliases)[STORE_NAME_SIZE],
                                      size_t alias_count, struct err_info *info);

/* Keeps a finished upload beside the model `name` as its index, in the place of one it
 * had; digest and bytes of the model stay what they are. The index goes when the model is
 * replaced or deleted. ERR_CONFLICT when the model's digest is not `digest` (any more);
 * ERR_MODEL_NOT_FOUND, also for an alias. */
MUST_CHECK enum err store_index_commit(struct store_upload *upload, const char *name,
                                       const char *digest, struct err_info *info);

/* ---- jobs ---- */

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_INTERRUPTED,
    JOB_DIVERGED,
    JOB_STATE_COUNT
};
extern const char *const job_state_names[]; /* in their order, then NULL */
/* Succeeded, failed, cancelled, interrupted or diverged: nothing will happen to it. */
bool job_state_finished(enum job_state state);

struct job_row {
    char id[STORE_ID_SIZE];
    char type[16]; /* its work: "train", "maps", "evaluate" */
    char kind[16]; /* model kind */
    unsigned lane; /* of the queue; see server/work.h */
    char model[STORE_NAME_SIZE], corpus[STORE_NAME_SIZE];
    char valid_corpus[STORE_NAME_SIZE];
    enum job_state state;
    char *spec;     /* what is asked: the work's "key value" lines */
    char *metadata; /* user's JSON */
    char *result;   /* "name value" lines once finished */
    double fraction, epoch, tokens_per_second;
    uint64_t step, steps_total, tokens;
    uint64_t best_step;
    double best_loss; /* NAN when none */
    enum err error;   /* ERR_OK when none */
    char *error_message;
    int64_t created_ms, started_ms, finished_ms; /* 0: not yet */
    unsigned attempts;
    uint64_t fence; /* rises with every start; a stale trainer's writes are refused */
    bool pause_wanted, cancel_wanted;
};
void job_row_fini(struct job_row *row);

/* Inserts a queued job and fills id and created_ms. With a key (may be NULL) seen in the
 * last 24 h: same body hash → the earlier job in *row and *existed; another body →
 * ERR_IDEMPOTENCY_MISMATCH. ERR_QUEUE_FULL when `most_queued` are waiting already;
 * ERR_CORPUS_NOT_FOUND; ERR_EXISTS when the model name is taken (by a model, or by an
 * unfinished job) and not `replace`. */
MUST_CHECK enum err store_job_insert(struct store *store, struct job_row *row,
                                     bool replace, size_t most_queued, const char *key,
                                     const char *body_sha256, bool *existed,
                                     struct err_info *info);
/* The same with a text of its own for the job, without a key: the upload becomes the
 * object JOB_GIVEN; see store_job_object. */
MUST_CHECK enum err store_job_insert_given(struct store_upload *given,
                                           struct job_row *row, size_t most_queued,
                                           struct err_info *info);
MUST_CHECK enum err store_job_get(struct store *store, const char *id,
                                  struct job_row *row); /* ERR_JOB_NOT_FOUND */
/* Which jobs a list is of. */
struct job_filter {
    int state;        /* < 0: any */
    const char *type; /* NULL or "": any; kind alike */
    const char *kind;
};
/* Newest first. */
MUST_CHECK enum err store_job_list(struct store *store, const struct job_filter *filter,
                                   const char *after, size_t limit, struct job_row *rows,
                                   size_t *count, bool *has_more);
/* The oldest queued job of the lane → running with fence + 1, attempts + 1; ERR_NOT_FOUND
 * if none. */
MUST_CHECK enum err store_job_claim(struct store *store, unsigned lane,
                                    struct job_row *row);
/* Progress, checkpoint, result and state as in `row`, if the stored fence is row->fence
 * and the job is not finished; else ERR_CONFLICT. Text members that are NULL stay;
 * finished_ms is now where the new state is a finished one. The row's attempts are kept
 * too, so that a stop that was nobody's fault need not count. */
MUST_CHECK enum err store_job_update(struct store *store, const struct job_row *row);
/* A state change asked for by a client: compare-and-set from `from` to `to`;
 * ERR_CONFLICT when it was in another state. Going from paused to queued starts the count
 * of attempts and the wishes anew. */
MUST_CHECK enum err store_job_move(struct store *store, const char *id,
                                   enum job_state from, enum job_state to);
/* ERR_CONFLICT once finished. */
MUST_CHECK enum err store_job_wish(struct store *store, const char *id, bool pause_wanted,
                                   bool cancel_wanted);
/* With its objects, checkpoints, curves and events. ERR_CONFLICT unless finished. */
MUST_CHECK enum err store_job_delete(struct store *store, const char *id);
/* 1 for the next one of its lane to start; 0 when it does not wait. */
MUST_CHECK enum err store_job_queue_position(struct store *store, const char *id,
                                             size_t *position);
MUST_CHECK enum err store_job_count(struct store *store, size_t counts[JOB_STATE_COUNT]);
/* At start: what was running becomes queued again with a new fence, or failed with
 * ERR_CRASH after most_attempts; where a pause or a cancel was wished, that instead. */
MUST_CHECK enum err store_job_recover(struct store *store, unsigned most_attempts);

/* Checkpoints: the last two and the best are kept. */
MUST_CHECK enum err store_checkpoint_commit(struct store_upload *upload, const char *job,
                                            uint64_t fence, uint64_t step, bool best,
                                            struct err_info *info);
/* The newest one's object, or ERR_NOT_FOUND. */
MUST_CHECK enum err store_checkpoint_latest(struct store *store, const char *job,
                                            int64_t *object, uint64_t *step);

/* A job's own objects: what it was given, what it answers. ERR_NOT_FOUND. */
enum job_role { JOB_GIVEN, JOB_ANSWER };
MUST_CHECK enum err store_job_object(struct store *store, const char *id,
                                     enum job_role role, int64_t *object);

/* Finishing a job with its model in one transaction: the model appears in the same moment
 * as the job succeeds. Arguments as store_model_commit and store_job_update. Without a
 * model (NULL) the upload becomes the job's object JOB_ANSWER. */
MUST_CHECK enum err store_job_succeed(struct store_upload *upload,
                                      struct model_row *model, bool replace,
                                      const struct job_row *job, struct err_info *info);

/* ---- curves and events ---- */

struct metric_point {
    char series[48];
    uint64_t step;
    double value; /* may be NAN or infinite */
    int64_t at_ms;
};
/* A point of the same series and step replaces the one before: a resumed job draws its
 * curve over. */
MUST_CHECK enum err store_metrics_append(struct store *store, const char *job,
                                         const struct metric_point *points, size_t count);
/* New array (free it) of points with step > since_step of one series ("" all), by series
 * and step, at most `most`; where there are more, each series is thinned evenly, keeping
 * its first and last point, and short series stay whole. since_step UINT64_MAX: all from
 * step 0. */
MUST_CHECK enum err store_metrics_read(struct store *store, const char *job,
                                       const char *series, uint64_t since_step,
                                       size_t most, struct metric_point **points,
                                       size_t *count);

struct event_row {
    int64_t id;    /* rises by one within a job, from 1 */
    char type[16]; /* state, progress, metric, checkpoint, log */
    char *data;    /* one line of text, given to clients as it is */
};
/* Fills in the ids. Of a job the newest 20,000 are kept. */
MUST_CHECK enum err store_events_append(struct store *store, const char *job,
                                        struct event_row *rows, size_t count);
/* New array (free each data and the array) of events after `after`, at most `most`. */
MUST_CHECK enum err store_events_read(struct store *store, const char *job, int64_t after,
                                      size_t most, struct event_row **rows,
                                      size_t *count);

/* ---- keys ---- */

enum { SCOPE_READ = 1, SCOPE_TRAIN = 2, SCOPE_ADMIN = 4 };
struct key_row {
    char id[STORE_ID_SIZE]; /* public part */
    char label[STORE_NAME_SIZE];
    unsigned scopes;
    int64_t created_ms;
    uint8_t sha256[32];
};
/* ERR_EXISTS when the id is taken. Fills created_ms. */
MUST_CHECK enum err store_key_insert(struct store *store, struct key_row *row);
MUST_CHECK enum err store_key_get(struct store *store, const char *id,
                                  struct key_row *row); /* ERR_NOT_FOUND */
MUST_CHECK enum err store_key_list(struct store *store, struct key_row **rows,
                                   size_t *count);
MUST_CHECK enum err store_key_delete(struct store *store, const char *id);

/* ---- care of the file ---- */

/* A consistent copy into `path` (which must not exist) while others read and write. */
MUST_CHECK enum err store_backup(struct store *store, const char *path,
                                 struct err_info *info);
/* The same for a store that this process has not opened, and that another one may be
 * using: takes no lock and changes nothing. */
MUST_CHECK enum err store_copy(const char *from, const char *path, struct err_info *info);
/* Verifies the structure, every chunk's CRC and every object's SHA-256. `report` is told
 * of each damaged object; ERR_INTEGRITY when there was any. */
MUST_CHECK enum err store_check(struct store *store,
                                void (*report)(void *context, const char *what),
                                void *context, struct err_info *info);
struct store_stats {
    uint64_t file_bytes, wal_bytes, objects, object_bytes, staging_objects;
    uint64_t corpora, models, jobs, writer_queue;
    uint64_t commits, writes; /* transactions made, and writes in them */
    bool failed;              /* a sync failed: no more writes until restart */
};
MUST_CHECK enum err store_stats_get(struct store *store, struct store_stats *stats);

#endif
