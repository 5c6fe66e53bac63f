/* SPDX-License-Identifier: MIT */
/* Reading stored objects. */
#ifndef FIRTH_STORAGE_SQLITE_OBJECT_READER_H
#define FIRTH_STORAGE_SQLITE_OBJECT_READER_H

#include "storage/sqlite/sqlite_engine.h"

enum err object_reader_open(struct store *store, int64_t id, struct store_object **out);
uint64_t object_reader_size(const struct store_object *object);
enum err object_reader_read(struct store_object *object, uint64_t offset, void *bytes,
                            size_t size, size_t *got);
void object_reader_close(struct store_object *object);

/* Reads the whole object and compares with its SHA-256. ERR_INTEGRITY; *chunk is then the
 * damaged one, or -1 when each by itself is fine. */
MUST_CHECK enum err object_reader_verify(struct store_object *object, int64_t *chunk);

#endif
