/* SPDX-License-Identifier: MIT */
/* Large objects on their way in. */
#ifndef FIRTH_STORAGE_SQLITE_OBJECT_UPLOAD_H
#define FIRTH_STORAGE_SQLITE_OBJECT_UPLOAD_H

#include "storage/sqlite/sqlite_engine.h"

enum err object_upload_begin(struct store *store, struct store_upload **out);
enum err object_upload_write(struct store_upload *upload, const void *bytes, size_t size);
uint64_t object_upload_size(const struct store_upload *upload);
void object_upload_limit(struct store_upload *upload, uint64_t bytes);
void object_upload_abort(struct store_upload *upload);

/* What a commit learns about its upload. */
struct object_upload_object {
    int64_t object;
    uint64_t bytes;
    char sha256[STORE_DIGEST_SIZE];
};

/* Inside a write: makes the object ready in the same transaction that names it. The
 * upload is unchanged, so this can be done again after a rollback. */
MUST_CHECK enum err object_upload_make_ready(struct database *connection,
                                             struct store_upload *upload,
                                             struct object_upload_object *object);

/* Waits for what is on its way, runs `work` as a write, and frees the upload; what it
 * stored goes away unless that succeeded. Then `freed` bytes (read after the write)
 * leave the account. */
MUST_CHECK enum err object_upload_commit(struct store_upload *upload, write_work *work,
                                         void *argument, const uint64_t *freed,
                                         struct err_info *info);

#endif
