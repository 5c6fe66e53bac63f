/* SPDX-License-Identifier: MIT */
/* Bytes come in any sizes and are cut into chunks of 1 MiB. While the writer stores one
 * chunk the next is filled, so an upload needs two chunks of memory however long it is,
 * and its sender is slowed down to the speed of the disk. The SHA-256 grows as the bytes
 * come.
 *
 * Chunks belong to a staging object that nobody sees; they are written lazily (no sync),
 * since only the commit makes them count, and its sync covers them. The last chunk goes
 * in with the commit, so what fits into one chunk is one transaction altogether. */
#include "storage/sqlite/object_upload.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "storage/sqlite/statement.h"

enum { SLOTS = 2 };
static const double patience_seconds = 5;

struct chunk {
    struct upload *upload;
    struct write_request write;
    unsigned char *bytes; /* [CHUNK_BYTES] */
    size_t size;
    uint32_t crc; /* of the bytes, once complete */
    int64_t seq;
    bool on_its_way;
};

struct upload {
    struct store_upload door;
    struct sqlite_engine *engine;
    int64_t object;
    uint64_t size, limit;
    enum err failed; /* the first error; nothing is taken after it */
    struct chunk chunks[SLOTS];
    struct chunk *filling;
    int64_t next_seq; /* chunks handed over so far */
    crypto_hash_sha256_state sha;
    char digest[STORE_DIGEST_SIZE];
    struct object_drops_abandoned *abandoned;
};

static struct upload *upload_of(const struct store_upload *upload)
{
    return (struct upload *)(void *)(uintptr_t)upload;
}

static void free_upload(struct upload *upload)
{
    for (size_t i = 0; i < SLOTS; i++)
        free(upload->chunks[i].bytes);
    free(upload->abandoned);
    free(upload);
}

enum err object_upload_begin(struct store *store, struct store_upload **out)
{
    struct sqlite_engine *engine = sqlite_engine_of(store);
    struct upload *upload = calloc(1, sizeof *upload);
    *out = NULL;
    if (!upload)
        return ERR_NO_MEMORY;
    upload->door.store = store;
    upload->engine = engine;
    upload->limit = UINT64_MAX;
    upload->object = atomic_fetch_add(&engine->next_object, 1);
    upload->abandoned = calloc(1, sizeof *upload->abandoned);
    bool complete = upload->abandoned != NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        upload->chunks[i].upload = upload;
        upload->chunks[i].bytes = malloc(CHUNK_BYTES);
        complete = complete && upload->chunks[i].bytes;
    }
    if (!complete) {
        free_upload(upload);
        return ERR_NO_MEMORY;
    }
    upload->filling = &upload->chunks[0];
    crypto_hash_sha256_init(&upload->sha);
    *out = &upload->door;
    return atomic_load(&engine->queue.failed)
               ? (object_upload_abort(*out), *out = NULL, ERR_UNAVAILABLE)
               : ERR_OK;
}

uint64_t object_upload_size(const struct store_upload *upload)
{
    return upload_of(upload)->size;
}

void object_upload_limit(struct store_upload *upload, uint64_t bytes)
{
    upload_of(upload)->limit = bytes;
}

static enum err store_chunk(struct database *connection, void *argument,
                            struct err_info *info)
{
    const struct chunk *chunk = argument;
    (void)info;
    struct statement query = statement_start(
        connection, "INSERT OR IGNORE INTO object (id, state) VALUES (?, 0)");
    statement_put_integer(&query, chunk->upload->object);
    enum err code = statement_run(&query);
    if (code)
        return code;
    query = statement_start(
        connection, "INSERT INTO chunk (object, seq, crc32c, data) VALUES (?, ?, ?, ?)");
    statement_put_integer(&query, chunk->upload->object);
    statement_put_integer(&query, chunk->seq);
    statement_put_integer(&query, chunk->crc);
    statement_put_bytes(&query, chunk->bytes, chunk->size);
    return statement_run(&query);
}

static void await(struct upload *upload, struct chunk *chunk)
{
    if (!chunk->on_its_way)
        return;
    enum err code = write_queue_wait(&upload->engine->queue, &chunk->write, NULL);
    chunk->on_its_way = false;
    if (!upload->failed)
        upload->failed = code;
}

static void hand_over(struct upload *upload)
{
    struct chunk *chunk = upload->filling;
    chunk->seq = upload->next_seq++;
    chunk->crc = crc32c(0, chunk->bytes, chunk->size);
    chunk->write = (struct write_request){.work = store_chunk,
                                          .argument = chunk,
                                          .bytes = chunk->size,
                                          .lazy = true,
                                          .patience = patience_seconds};
    enum err code = write_queue_submit(&upload->engine->queue, &chunk->write);
    chunk->on_its_way = !code;
    if (code && !upload->failed)
        upload->failed = code;
    upload->filling = &upload->chunks[(size_t)upload->next_seq % SLOTS];
    await(upload, upload->filling);
    upload->filling->size = 0;
}

/* Enters `size` more bytes into the accounts, if every quota allows. */
static enum err account(struct upload *upload, size_t size)
{
    struct sqlite_engine *engine = upload->engine;
    uint64_t total;
    if (__builtin_add_overflow(upload->size, size, &total) || total > upload->limit)
        return ERR_LIMIT;
    uint64_t used = atomic_fetch_add(&engine->used_bytes, size) + size;
    if (engine->total_bytes && used > engine->total_bytes) {
        atomic_fetch_sub(&engine->used_bytes, size);
        return ERR_LIMIT;
    }
    upload->size = total;
    return ERR_OK;
}

enum err object_upload_write(struct store_upload *door, const void *bytes, size_t size)
{
    struct upload *upload = upload_of(door);
    const unsigned char *next = bytes;
    if (!upload->failed)
        upload->failed = account(upload, size);
    if (!upload->failed && size > 0)
        crypto_hash_sha256_update(&upload->sha, next, size);
    while (!upload->failed && size > 0) {
        if (upload->filling->size == CHUNK_BYTES)
            hand_over(upload);
        struct chunk *chunk = upload->filling;
        size_t part = CHUNK_BYTES - chunk->size;
        part = part < size ? part : size;
        memcpy(chunk->bytes + chunk->size, next, part);
        chunk->size += part;
        next += part;
        size -= part;
    }
    return upload->failed;
}

static void finish(struct upload *upload)
{
    unsigned char sha[crypto_hash_sha256_BYTES];
    upload->filling->seq = upload->next_seq;
    upload->filling->crc = crc32c(0, upload->filling->bytes, upload->filling->size);
    crypto_hash_sha256_final(&upload->sha, sha);
    sodium_bin2hex(upload->digest, sizeof upload->digest, sha, sizeof sha);
}

enum err object_upload_make_ready(struct database *connection, struct store_upload *door,
                                  struct object_upload_object *object)
{
    struct upload *upload = upload_of(door);
    enum err code = store_chunk(connection, upload->filling, NULL);
    if (code)
        return code;
    struct statement query = statement_start(
        connection,
        "UPDATE object SET state = 1, bytes = ?, sha256 = ? WHERE id = ? AND state = 0");
    statement_put_unsigned(&query, upload->size);
    statement_put_text(&query, upload->digest);
    statement_put_integer(&query, upload->object);
    code = statement_run(&query);
    if (!code && sqlite3_changes(connection->handle) != 1)
        code = ERR_INTERNAL;
    object->object = upload->object;
    object->bytes = upload->size;
    memcpy(object->sha256, upload->digest, sizeof object->sha256);
    return code;
}

enum err object_upload_commit(struct store_upload *door, write_work *work, void *argument,
                              const uint64_t *freed, struct err_info *info)
{
    struct upload *upload = upload_of(door);
    struct sqlite_engine *engine = upload->engine;
    for (size_t i = 0; i < SLOTS; i++)
        await(upload, &upload->chunks[i]);
    enum err code = upload->failed;
    if (!code) {
        finish(upload);
        code = write_queue_call(&engine->queue, work, argument, info);
    }
    if (code) {
        object_upload_abort(door);
        return code;
    }
    sqlite_engine_freed(engine, *freed);
    free_upload(upload);
    return ERR_OK;
}

void object_upload_abort(struct store_upload *door)
{
    if (!door)
        return;
    struct upload *upload = upload_of(door);
    for (size_t i = 0; i < SLOTS; i++)
        await(upload, &upload->chunks[i]);
    atomic_fetch_sub(&upload->engine->used_bytes, upload->size);
    if (upload->next_seq > 0) {
        upload->abandoned->object = upload->object;
        object_drops_abandon_take(&upload->engine->drops, upload->abandoned);
        upload->abandoned = NULL;
    }
    free_upload(upload);
}
