/* SPDX-License-Identifier: MIT */
/* An open object holds its chunks against removal and keeps the chunk read last, so that
 * reading on in small pieces fetches and checks each chunk once. No read transaction
 * stays open between calls: chunks never change, and a slow client must not keep the
 * write-ahead log from being emptied. */
#include "storage/sqlite/object_reader.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "storage/sqlite/statement.h"

enum { LOCK_RANK_OBJECT = 105 };

struct object {
    struct store_object door;
    struct sqlite_engine *engine;
    int64_t id;
    uint64_t size;
    char sha256[STORE_DIGEST_SIZE];
    struct lock lock; /* of what follows */
    int64_t kept;     /* number of the chunk in `bytes`, -1 for none */
    size_t kept_size;
    unsigned char *bytes; /* [CHUNK_BYTES] */
};

static struct object *object_of(const struct store_object *object)
{
    return (struct object *)(void *)(uintptr_t)object;
}

static enum err find(struct database *connection, void *argument)
{
    struct object *object = argument;
    struct statement query = statement_start(
        connection, "SELECT bytes, sha256 FROM object WHERE id = ? AND state IN (1, 2)");
    statement_put_integer(&query, object->id);
    bool found = statement_next(&query);
    if (found) {
        object->size = statement_unsigned(&query, 0);
        statement_copy(&query, 1, object->sha256, sizeof object->sha256);
    }
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_NOT_FOUND;
}

enum err object_reader_open(struct store *store, int64_t id, struct store_object **out)
{
    struct sqlite_engine *engine = sqlite_engine_of(store);
    struct object *object = calloc(1, sizeof *object);
    *out = NULL;
    if (!object)
        return ERR_NO_MEMORY;
    object->door.store = store;
    object->engine = engine;
    object->id = id;
    object->kept = -1;
    enum err code = object_drops_hold(&engine->drops, id);
    if (code) {
        free(object);
        return code;
    }
    lock_init(&object->lock, LOCK_RANK_OBJECT);
    code = sqlite_engine_read(store, find, object);
    if (!code) {
        size_t room = object->size < CHUNK_BYTES ? (size_t)object->size : CHUNK_BYTES;
        object->bytes = malloc(room ? room : 1);
        code = object->bytes ? ERR_OK : ERR_NO_MEMORY;
    }
    if (code)
        object_reader_close(&object->door);
    else
        *out = &object->door;
    return code;
}

uint64_t object_reader_size(const struct store_object *object)
{
    return object_of(object)->size;
}

void object_reader_close(struct store_object *door)
{
    if (!door)
        return;
    struct object *object = object_of(door);
    object_drops_let_go(&object->engine->drops, object->id);
    lock_fini(&object->lock);
    free(object->bytes);
    free(object);
}

/* How long a chunk must be for the object to be whole. */
static size_t chunk_size(const struct object *object, int64_t seq)
{
    uint64_t left = object->size - (uint64_t)seq * CHUNK_BYTES;
    return left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
}

struct fetch {
    struct object *object;
    int64_t seq;
};

static enum err fetch_chunk(struct database *connection, void *argument)
{
    const struct fetch *fetch = argument;
    struct object *object = fetch->object;
    size_t size, wanted = chunk_size(object, fetch->seq);
    enum err judged = ERR_INTEGRITY;
    struct statement query = statement_start(
        connection, "SELECT crc32c, data FROM chunk WHERE object = ? AND seq = ?");
    statement_put_integer(&query, object->id);
    statement_put_integer(&query, fetch->seq);
    object->kept = -1;
    if (statement_next(&query)) {
        const void *bytes = statement_bytes(&query, 1, &size);
        if (bytes && size == wanted &&
            (int64_t)crc32c(0, bytes, size) == statement_integer(&query, 0)) {
            memcpy(object->bytes, bytes, size);
            object->kept = fetch->seq;
            object->kept_size = size;
            judged = ERR_OK;
        }
    }
    enum err code = statement_end(&query);
    return code ? code : judged;
}

static enum err keep_chunk(struct object *object, int64_t seq)
{
    struct fetch fetch = {object, seq};
    return object->kept == seq
               ? ERR_OK
               : sqlite_engine_read(object->door.store, fetch_chunk, &fetch);
}

enum err object_reader_read(struct store_object *door, uint64_t offset, void *bytes,
                            size_t size, size_t *got)
{
    struct object *object = object_of(door);
    enum err code = ERR_OK;
    *got = 0;
    lock_take(&object->lock);
    while (!code && *got < size && offset < object->size) {
        size_t within = (size_t)(offset % CHUNK_BYTES);
        code = keep_chunk(object, (int64_t)(offset / CHUNK_BYTES));
        if (code)
            break;
        size_t part = object->kept_size - within;
        part = part < size - *got ? part : size - *got;
        memcpy((char *)bytes + *got, object->bytes + within, part);
        *got += part;
        offset += part;
    }
    lock_release(&object->lock);
    return code;
}

enum err object_reader_verify(struct store_object *door, int64_t *chunk)
{
    struct object *object = object_of(door);
    crypto_hash_sha256_state state;
    unsigned char sha[crypto_hash_sha256_BYTES];
    char digest[STORE_DIGEST_SIZE];
    enum err code = ERR_OK;
    *chunk = -1;
    crypto_hash_sha256_init(&state);
    lock_take(&object->lock);
    for (int64_t seq = 0; !code && (uint64_t)seq * CHUNK_BYTES < object->size; seq++) {
        code = keep_chunk(object, seq);
        if (code)
            *chunk = seq;
        else
            crypto_hash_sha256_update(&state, object->bytes, object->kept_size);
    }
    lock_release(&object->lock);
    crypto_hash_sha256_final(&state, sha);
    sodium_bin2hex(digest, sizeof digest, sha, sizeof sha);
    if (!code && strcmp(digest, object->sha256) != 0)
        code = ERR_INTEGRITY;
    return code;
}
