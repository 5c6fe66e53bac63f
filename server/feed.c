/* SPDX-License-Identifier: MIT */
/* Copies objects of the store into unnamed temporary files. The store's own pages cannot
 * be mapped (an object is many chunks, each with a checksum), and the trainer may not
 * open the database, so the text is laid out once in one piece, checked on the way, and
 * mapped by whoever trains. The files vanish with their last descriptor. */
#include "server/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { COPY_PIECE = 1 << 20 };

static bool is_stopped(const struct feed_stop *stop)
{
    return stop && stop->wanted(stop->context);
}

static enum err copy_pieces(struct store_object *object, uint64_t size,
                            const struct feed_stop *stop, struct spill *to)
{
    char *piece = malloc(COPY_PIECE);
    enum err code = piece ? ERR_OK : ERR_NO_MEMORY;
    for (uint64_t at = 0; !code && at < size;) {
        size_t got = 0, want = size - at < COPY_PIECE ? (size_t)(size - at) : COPY_PIECE;
        code = is_stopped(stop) ? ERR_CANCELLED
                                : store_object_read(object, at, piece, want, &got);
        if (!code)
            code = got > 0 ? spill_append(to, piece, got) : ERR_INTEGRITY;
        at += got;
    }
    free(piece);
    return code;
}

enum err feed_copy(struct store *store, int64_t id, uint64_t most, const char *scratch,
                   const struct feed_stop *stop, struct spill **out)
{
    struct store_object *object = NULL;
    struct spill *spill = NULL;
    *out = NULL;
    enum err code = store_object_open(store, id, &object);
    if (!code)
        code = spill_open(scratch, &spill);
    if (!code) {
        uint64_t size = store_object_size(object);
        code = copy_pieces(object, size < most ? size : most, stop, spill);
    }
    if (object)
        store_object_close(object);
    if (code) {
        spill_close(spill);
        return code;
    }
    *out = spill;
    return ERR_OK;
}

static enum err say(struct err_info *info, enum err code, const char *what,
                    const char *name)
{
    if (!code)
        return ERR_OK;
    return err_set(info, code, "%s %s could not be read: %s", what, name, err_text(code));
}

static enum err feed_corpus(struct store *store, const char *name, const char *scratch,
                            const struct feed_stop *stop, struct spill **out,
                            char sha256[STORE_DIGEST_SIZE], struct err_info *info)
{
    struct corpus_row row = {0};
    enum err code = store_corpus_get(store, name, &row);
    memcpy(sha256, row.sha256, STORE_DIGEST_SIZE);
    if (!code)
        code = feed_copy(store, row.object, UINT64_MAX, scratch, stop, out);
    return say(info, code, "corpus", name);
}

static enum err feed_model(struct store *store, const char *name, const char *scratch,
                           const struct feed_stop *stop, struct spill **out,
                           char digest[STORE_DIGEST_SIZE], struct err_info *info)
{
    struct model_row row = {0};
    enum err code = store_model_get(store, name, &row);
    memcpy(digest, row.digest, STORE_DIGEST_SIZE);
    if (!code)
        code = feed_copy(store, row.object, UINT64_MAX, scratch, stop, out);
    model_row_fini(&row);
    return say(info, code, "model", name);
}

static enum err feed_given(struct store *store, const char *job, const char *scratch,
                           const struct feed_stop *stop, struct spill **out,
                           struct err_info *info)
{
    int64_t object;
    enum err code =
        job ? store_job_object(store, job, JOB_GIVEN, &object) : ERR_NOT_FOUND;
    if (!code)
        code = feed_copy(store, object, UINT64_MAX, scratch, stop, out);
    return say(info, code, "the text given to", job ? job : "no job");
}

static bool is_named(const char *name)
{
    return name && *name;
}

static enum err feed_checkpoint(struct store *store, const struct feed_needs *needs,
                                const char *job, const char *scratch,
                                const struct feed_stop *stop, struct spill **out,
                                struct err_info *info)
{
    int64_t object;
    uint64_t step;
    enum err code =
        job ? store_checkpoint_latest(store, job, &object, &step) : ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND && is_named(needs->resume_from)) {
        job = needs->resume_from;
        code = store_checkpoint_latest(store, job, &object, &step);
    } else if (code == ERR_NOT_FOUND) {
        return ERR_OK; /* nothing to go on from: from the start */
    }
    if (!code)
        code = feed_copy(store, object, UINT64_MAX, scratch, stop, out);
    return say(info, code, "the checkpoint of", job);
}

size_t feed_components(const struct train_spec *spec, const char *names[PARAM_LIST_MAX])
{
    size_t count = 0;
    for (size_t i = 0; spec->kind->params && spec->kind->params[i].name; i++) {
        const struct param_value *value = &spec->params.values[i];
        if (spec->kind->params[i].type != PARAM_NAMES)
            continue;
        for (size_t j = 0; j < value->list_count && count < PARAM_LIST_MAX; j++)
            names[count++] = value->names[j];
    }
    return count;
}

enum err feed_settle_tokenizer(struct store *store, struct train_spec *spec)
{
    const char *names[PARAM_LIST_MAX];
    struct model_row row = {0};
    if (feed_components(spec, names) == 0)
        return ERR_OK;
    struct train_spec *first = memory_new_array(1, sizeof *first);
    if (!first)
        return ERR_NO_MEMORY;
    enum err code = store_model_get(store, names[0], &row);
    if (!code && row.spec && !train_spec_read(first, span_of_text(row.spec), NULL))
        spec->tokenizer = first->tokenizer;
    model_row_fini(&row);
    free(first);
    return code == ERR_MODEL_NOT_FOUND ? ERR_OK : code;
}

void feed_needs_of_training(const struct train_spec *spec, struct feed_needs *needs)
{
    *needs = (struct feed_needs){.corpus = spec->corpus,
                                 .valid = spec->valid_corpus,
                                 .resumes = true,
                                 .resume_from = spec->resume_from};
    needs->model_count = feed_components(spec, needs->models);
}

static enum err feed_models(struct store *store, const struct feed_needs *needs,
                            const char *scratch, const struct feed_stop *stop,
                            struct feed *feed, struct err_info *info)
{
    enum err code = ERR_OK;
    char others[STORE_DIGEST_SIZE];
    feed->component_count = needs->model_count;
    for (size_t i = 0; !code && i < needs->model_count; i++)
        code = feed_model(store, needs->models[i], scratch, stop, &feed->components[i],
                          i == 0 ? feed->model_digest : others, info);
    return code;
}

enum err feed_open(struct store *store, const struct feed_needs *needs, const char *job,
                   const char *scratch, const struct feed_stop *stop, struct feed *feed,
                   struct err_info *info)
{
    enum err code = ERR_OK;
    char other[STORE_DIGEST_SIZE];
    *feed = (struct feed){0};
    if (is_named(needs->corpus))
        code = feed_corpus(store, needs->corpus, scratch, stop, &feed->corpus,
                           feed->corpus_sha256, info);
    else if (needs->given)
        code = feed_given(store, job, scratch, stop, &feed->corpus, info);
    if (!code && is_named(needs->valid))
        code = feed_corpus(store, needs->valid, scratch, stop, &feed->valid, other, info);
    if (!code && needs->resumes)
        code = feed_checkpoint(store, needs, job, scratch, stop, &feed->resume, info);
    if (!code)
        code = feed_models(store, needs, scratch, stop, feed, info);
    if (code)
        feed_close(feed);
    return code;
}

void feed_close(struct feed *feed)
{
    spill_close(feed->corpus);
    spill_close(feed->valid);
    spill_close(feed->resume);
    feed->corpus = feed->valid = feed->resume = NULL;
    for (size_t i = 0; i < PARAM_LIST_MAX; i++) {
        spill_close(feed->components[i]);
        feed->components[i] = NULL;
    }
    feed->component_count = 0;
}

enum err feed_map(struct feed *feed, struct train_input *input)
{
    enum err code = feed->corpus ? spill_map(feed->corpus, &input->text) : ERR_OK;
    if (!code && feed->valid)
        code = spill_map(feed->valid, &input->valid);
    if (!code && feed->resume)
        code = spill_map(feed->resume, &input->resume);
    for (size_t i = 0; !code && i < feed->component_count; i++)
        code = spill_map(feed->components[i], &input->components[i]);
    input->component_count = feed->component_count;
    return code;
}
