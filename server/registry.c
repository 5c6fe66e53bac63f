/* SPDX-License-Identifier: MIT */
/* Loaded models. An entry is one version of one model: its name and the digest of its
 * file. Names that clients used (aliases too) are remembered with the model they meant,
 * so that a warm request asks neither the disk nor the store.
 *
 * - One load at a time for each model: who comes while it loads waits for the same
 * result, good or bad.
 * - Memory is reserved by the file's size before loading and corrected afterwards. When
 *   there is no room, idle models go, least recently used first; models in use stay, and
 *   the newcomer waits a little for one of them before it is refused.
 * - A lease is a counted reference to the model itself, so a forgotten version lives
 * until its last request ends.
 * - `generation` rises whenever names or versions change. What was read from the store
 *   under an older generation is served to the request that read it (its request began
 *   before the change) but not remembered. */
#include "server/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/vectors/hnsw.h"
#include "server/batcher.h"
#include "server/metrics.h"
#include "server/ranks.h"

enum { READ_CHUNK = 1 << 20, NAMES_MAX = 1024, FAILED_MAX = 256, LOOK_UPS_MAX = 8 };
static const double ROOM_WAIT = 5.0, ROOM_POLL = 0.02;

struct entry {
    struct entry *next;
    char name[STORE_NAME_SIZE], digest[STORE_DIGEST_SIZE];
    enum model_state state;
    struct model *model;     /* when ready */
    struct batcher *batcher; /* of a language model that is not cheap */
    uint64_t bytes;          /* reserved, then measured */
    uint64_t used;           /* the registry's tick at its last use */
    unsigned holds;          /* the list, the loader, each waiter */
    struct err_info error;
};

struct known_name {
    char asked[STORE_NAME_SIZE], name[STORE_NAME_SIZE];
};

struct registry {
    struct store *store;
    struct metrics *metrics;
    uint64_t memory_bytes, bytes; /* the limit, and what the entries hold */
    struct lock lock;
    struct condition changed; /* an entry finished loading */
    struct entry *entries;
    struct known_name names[NAMES_MAX];
    size_t name_count;
    uint64_t generation, tick;
};

enum err registry_new(struct store *store, struct metrics *metrics, uint64_t memory_bytes,
                      struct registry **out)
{
    *out = NULL;
    struct registry *registry = memory_new_array(1, sizeof *registry);
    if (!registry)
        return ERR_NO_MEMORY;
    registry->store = store;
    registry->metrics = metrics;
    registry->memory_bytes = memory_bytes;
    lock_init(&registry->lock, RANK_REGISTRY);
    condition_init(&registry->changed);
    *out = registry;
    return ERR_OK;
}

static void drop_hold(struct entry *entry)
{
    if (--entry->holds > 0)
        return;
    batcher_release(entry->batcher);
    if (entry->model)
        model_release(entry->model);
    free(entry);
}

static void tell_metrics(const struct registry *registry)
{
    size_t ready = 0;
    if (!registry->metrics)
        return;
    for (const struct entry *entry = registry->entries; entry; entry = entry->next)
        ready += entry->state == MODEL_READY;
    metrics_set(registry->metrics, METRIC_MODELS_LOADED, 0, (double)ready);
    metrics_set(registry->metrics, METRIC_MODEL_BYTES, 0, (double)registry->bytes);
}

/* Takes an entry off the list; whoever uses it still may. Lock held. */
static void detach(struct registry *registry, struct entry *entry)
{
    struct entry **link = &registry->entries;
    while (*link && *link != entry)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = entry->next;
    registry->bytes -= entry->bytes;
    entry->bytes = 0;
    drop_hold(entry);
    tell_metrics(registry);
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    while (registry->entries)
        detach(registry, registry->entries);
    condition_fini(&registry->changed);
    lock_fini(&registry->lock);
    free(registry);
}

static struct entry *find_entry(const struct registry *registry, const char *name)
{
    for (struct entry *entry = registry->entries; entry; entry = entry->next)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

/* The model a client's word means, as far as is known; else the word itself. */
static const char *resolve(const struct registry *registry, const char *asked)
{
    for (size_t i = 0; i < registry->name_count; i++)
        if (strcmp(registry->names[i].asked, asked) == 0)
            return registry->names[i].name;
    return asked;
}

static void remember_name(struct registry *registry, const char *asked, const char *name)
{
    if (strcmp(asked, name) == 0 || strlen(asked) >= STORE_NAME_SIZE ||
        resolve(registry, asked) != asked)
        return;
    if (registry->name_count == NAMES_MAX)
        registry->name_count = 0;
    struct known_name *known = &registry->names[registry->name_count++];
    memcpy(known->asked, asked, strlen(asked) + 1);
    memcpy(known->name, name, sizeof known->name);
}

static void fill_lease(struct registry *registry, struct entry *entry,
                       struct lease *lease)
{
    entry->used = ++registry->tick;
    lease->model = model_retain(entry->model);
    lease->batcher = batcher_retain(entry->batcher);
    memcpy(lease->name, entry->name, sizeof lease->name);
    memcpy(lease->digest, entry->digest, sizeof lease->digest);
}

bool registry_try_acquire(struct registry *registry, const char *name,
                          struct lease *lease)
{
    *lease = (struct lease){0};
    lock_take(&registry->lock);
    struct entry *entry = find_entry(registry, resolve(registry, name));
    bool ready = entry && entry->state == MODEL_READY;
    if (ready)
        fill_lease(registry, entry, lease);
    lock_release(&registry->lock);
    return ready;
}

void registry_release(struct lease *lease)
{
    batcher_release(lease->batcher);
    if (lease->model)
        model_release(lease->model);
    *lease = (struct lease){0};
}

static bool is_idle(const struct entry *entry)
{
    return entry->state == MODEL_READY && atomic_load(&entry->model->references) == 1;
}

/* Drops idle models, oldest use first, until `bytes` more fit. Lock held. */
static bool make_room(struct registry *registry, uint64_t bytes)
{
    while (bytes > registry->memory_bytes - registry->bytes ||
           registry->bytes > registry->memory_bytes) {
        struct entry *oldest = NULL;
        for (struct entry *entry = registry->entries; entry; entry = entry->next)
            if (is_idle(entry) && (!oldest || entry->used < oldest->used))
                oldest = entry;
        if (!oldest)
            return false;
        detach(registry, oldest);
    }
    return true;
}

/* Waits a little for models in use to become idle. Lock held, released while waiting. */
static enum err wait_for_room(struct registry *registry, uint64_t bytes,
                              struct err_info *info)
{
    double deadline = clock_monotonic() + ROOM_WAIT;
    if (bytes > registry->memory_bytes)
        return err_set(info, ERR_LIMIT,
                       "the model file has %llu bytes and the setting model_cache_bytes "
                       "allows %llu",
                       (unsigned long long)bytes,
                       (unsigned long long)registry->memory_bytes);
    while (!make_room(registry, bytes)) {
        if (clock_monotonic() >= deadline)
            return err_set(info, ERR_UNAVAILABLE,
                           "the memory for models is taken by models in use; try again "
                           "or raise the setting model_cache_bytes");
        condition_wait(&registry->changed, &registry->lock, ROOM_POLL);
    }
    return ERR_OK;
}

/* New memory with the whole object. */
static enum err read_object(struct store *store, int64_t id, uint64_t size, char **out)
{
    struct store_object *object = NULL;
    char *bytes = *out = size <= SIZE_MAX ? memory_new_unset((size_t)size, 1) : NULL;
    if (!bytes)
        return ERR_NO_MEMORY;
    enum err code = store_object_open(store, id, &object);
    uint64_t at = 0;
    while (!code && at < size) {
        size_t got = 0;
        uint64_t rest = size - at;
        size_t most = rest < READ_CHUNK ? (size_t)rest : READ_CHUNK;
        code = store_object_read(object, at, bytes + at, most, &got);
        if (!code && got == 0)
            code = ERR_INTEGRITY;
        at += got;
    }
    store_object_close(object);
    if (!code)
        return ERR_OK;
    free(bytes);
    *out = NULL;
    return code;
}

/* Without its index a model only answers more slowly, so this cannot fail. */
static void load_index(struct store *store, const struct model_row *row,
                       const struct model *model)
{
    char *bytes = NULL;
    struct hnsw *index = NULL;
    struct err_info info = {0};
    if (row->index_object == 0 || !model->vectors)
        return;
    enum err code = read_object(store, row->index_object, row->index_bytes, &bytes);
    if (!code)
        code = hnsw_load_file_take(model->vectors, bytes, (size_t)row->index_bytes,
                                   &index, &info);
    if (!code && !vectors_attach_index(model->vectors, index))
        hnsw_free(index);
    if (code)
        LOG_EVENT(LOG_WARNING, "index_not_loaded", LOG_T("model", row->name),
                  LOG_T("error", err_text(code)));
}

static enum err load(struct store *store, const struct model_row *row,
                     struct model **model, struct err_info *info)
{
    char *bytes;
    *model = NULL;
    enum err code = read_object(store, row->object, row->bytes, &bytes);
    if (code == ERR_NO_MEMORY)
        return err_set(info, code, "not enough memory to load model %s", row->name);
    if (code)
        return err_set(info, code, "model %s could not be read: %s", row->name,
                       err_text(code));
    code = model_load_take(bytes, (size_t)row->bytes, model, info);
    if (!code)
        load_index(store, row, *model);
    return code;
}

/* Keeps the number of remembered failures bounded. Lock held. */
static void forget_old_failures(struct registry *registry)
{
    size_t failed = 0;
    struct entry *oldest = NULL;
    for (struct entry *entry = registry->entries; entry; entry = entry->next)
        if (entry->state == MODEL_FAILED) {
            failed++;
            oldest = entry; /* newest first: the last one is the oldest */
        }
    if (failed > FAILED_MAX)
        detach(registry, oldest);
}

/* A new entry in state "loading" at the head of the list, held by list and caller. */
static struct entry *add_entry(struct registry *registry, const struct model_row *row)
{
    struct entry *entry = memory_new_array(1, sizeof *entry);
    if (!entry)
        return NULL;
    memcpy(entry->name, row->name, sizeof entry->name);
    memcpy(entry->digest, row->digest, sizeof entry->digest);
    entry->state = MODEL_LOADING;
    entry->holds = 2;
    entry->next = registry->entries;
    registry->entries = entry;
    return entry;
}

static bool is_listed(const struct registry *registry, const struct entry *entry)
{
    const struct entry *next = registry->entries;
    while (next && next != entry)
        next = next->next;
    return next != NULL;
}

/* Publishes the outcome of a load. Lock held. */
static void publish(struct registry *registry, struct entry *entry, struct model *model,
                    enum err code, const struct err_info *info)
{
    entry->model = model;
    entry->state = code ? MODEL_FAILED : MODEL_READY;
    if (code) {
        entry->error = *info;
        err_finish(&entry->error, code);
    }
    if (is_listed(registry, entry)) {
        uint64_t bytes = code ? 0 : model_memory(model);
        registry->bytes = registry->bytes - entry->bytes + bytes;
        entry->bytes = bytes;
    }
    forget_old_failures(registry);
    condition_broadcast(&registry->changed);
    tell_metrics(registry);
}

/* Without memory for it requests are computed one by one. Nobody else sees the entry's
 * model yet. */
static void make_batcher(struct registry *registry, struct entry *entry,
                         const struct model *model)
{
    if (model->lm && !model->lm->cheap &&
        batcher_new(model->lm, registry->metrics, &entry->batcher))
        entry->batcher = NULL;
}

/* Loads the row's version into a new entry. Lock held, released while reading. */
static struct entry *load_entry(struct registry *registry, const struct model_row *row,
                                struct err_info *info)
{
    struct err_info local = {0};
    struct model *model = NULL;
    struct entry *entry = add_entry(registry, row);
    if (!entry) {
        err_set(info, ERR_NO_MEMORY, "not enough memory to load model %s", row->name);
        return NULL;
    }
    uint64_t bytes = row->bytes + row->index_bytes;
    enum err code = wait_for_room(registry, bytes, &local);
    if (!code) {
        if (is_listed(registry, entry)) {
            entry->bytes = bytes;
            registry->bytes += bytes;
        }
        lock_release(&registry->lock);
        code = load(registry->store, row, &model, &local);
        if (!code)
            make_batcher(registry, entry, model);
        lock_take(&registry->lock);
    }
    publish(registry, entry, model, code, &local);
    return entry;
}

/* The entry of the row's version, ready or failed, held for the caller. Lock held. */
static struct entry *entry_of(struct registry *registry, const struct model_row *row,
                              struct err_info *info)
{
    struct entry *entry = find_entry(registry, row->name);
    if (entry && strcmp(entry->digest, row->digest) == 0 &&
        entry->state != MODEL_FAILED) {
        entry->holds++;
        while (entry->state == MODEL_LOADING)
            condition_wait(&registry->changed, &registry->lock, -1);
        return entry;
    }
    if (entry)
        detach(registry, entry);
    return load_entry(registry, row, info);
}

/* Reads what the name means. On success the lock is held and nothing has changed since
 * the reading, unless changes come faster than the store can be read. */
static enum err look_up(struct registry *registry, const char *name,
                        struct model_row *row, uint64_t *generation,
                        struct err_info *info)
{
    lock_take(&registry->lock);
    for (int attempt = 0; attempt < LOOK_UPS_MAX; attempt++) {
        *generation = registry->generation;
        lock_release(&registry->lock);
        enum err code = store_model_get(registry->store, name, row);
        if (code)
            return code == ERR_MODEL_NOT_FOUND
                       ? err_set(info, code, REGISTRY_NO_MODEL, name)
                       : err_finish(info, code);
        lock_take(&registry->lock);
        if (*generation == registry->generation)
            break;
        if (attempt + 1 < LOOK_UPS_MAX) {
            model_row_fini(row);
            *row = (struct model_row){0};
        }
    }
    return ERR_OK;
}

/* Asks the store what the name means and has that version loaded. */
static enum err acquire_from_store(struct registry *registry, const char *name,
                                   struct lease *lease, struct err_info *info)
{
    struct model_row row = {0};
    uint64_t generation;
    enum err code = look_up(registry, name, &row, &generation, info);
    if (code) {
        model_row_fini(&row);
        return code;
    }
    struct entry *entry = entry_of(registry, &row, info);
    if (!entry) {
        code = ERR_NO_MEMORY;
    } else if (entry->state == MODEL_FAILED) {
        code = err_set(info, entry->error.code, "%s", entry->error.message);
    } else {
        fill_lease(registry, entry, lease);
        if (generation == registry->generation)
            remember_name(registry, name, entry->name);
    }
    if (entry)
        drop_hold(entry);
    lock_release(&registry->lock);
    model_row_fini(&row);
    return code;
}

enum err registry_acquire(struct registry *registry, const char *name,
                          struct lease *lease, struct err_info *info)
{
    if (registry_try_acquire(registry, name, lease))
        return ERR_OK;
    return acquire_from_store(registry, name, lease, info);
}

/* The entry that holds the lease's very copy of its model. Lock held. */
static struct entry *entry_of_lease(const struct registry *registry,
                                    const struct lease *lease)
{
    struct entry *entry = find_entry(registry, lease->name);
    return entry && entry->model == lease->model ? entry : NULL;
}

enum err registry_reserve(struct registry *registry, const struct lease *lease,
                          uint64_t bytes, struct err_info *info)
{
    enum err code = ERR_OK;
    lock_take(&registry->lock);
    struct entry *entry = entry_of_lease(registry, lease);
    if (!entry)
        code = err_set(info, ERR_CONFLICT, "the model was unloaded meanwhile");
    else if (entry->bytes + bytes > registry->memory_bytes)
        code = err_set(info, ERR_LIMIT,
                       "%llu bytes more than the model are over the setting "
                       "model_cache_bytes",
                       (unsigned long long)bytes);
    else if (!make_room(registry, bytes))
        code = err_set(info, ERR_UNAVAILABLE,
                       "the memory for models is taken by models in use");
    if (!code) {
        entry->bytes += bytes;
        registry->bytes += bytes;
        tell_metrics(registry);
    }
    lock_release(&registry->lock);
    return code;
}

void registry_measure(struct registry *registry, const struct lease *lease)
{
    lock_take(&registry->lock);
    struct entry *entry = entry_of_lease(registry, lease);
    if (entry) {
        uint64_t bytes = model_memory(entry->model);
        registry->bytes = registry->bytes - entry->bytes + bytes;
        entry->bytes = bytes;
        tell_metrics(registry);
    }
    lock_release(&registry->lock);
}

enum model_state registry_state(struct registry *registry, const char *name)
{
    lock_take(&registry->lock);
    struct entry *entry = find_entry(registry, resolve(registry, name));
    enum model_state state = entry ? entry->state : MODEL_UNLOADED;
    lock_release(&registry->lock);
    return state;
}

void registry_forget(struct registry *registry, const char *name)
{
    lock_take(&registry->lock);
    struct entry *entry = find_entry(registry, resolve(registry, name));
    if (entry)
        detach(registry, entry);
    registry->name_count = 0;
    registry->generation++;
    lock_release(&registry->lock);
}

void registry_forget_names(struct registry *registry)
{
    lock_take(&registry->lock);
    registry->name_count = 0;
    registry->generation++;
    lock_release(&registry->lock);
}
