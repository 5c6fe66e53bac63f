/* SPDX-License-Identifier: MIT */
/* Into the store: a checkpoint is a model file as it is, which is loaded once to see that
 * it can be; ARPA files and word vectors are turned into one by their importers. All end
 * in an upload of the store, which is committed only when everything was checked. */
#include "api/model_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/spill.h"
#include "model/ngram/arpa.h"
#include "model/vectors/vectors_export.h"
#include "model/vectors/vectors_import.h"
#include "server/outcome.h"

enum { PIECE = 1 << 18 };

const char *const model_transfer_formats[MODEL_FORMAT_COUNT] = {
    [MODEL_FORMAT_CHECKPOINT] = "checkpoint",
    [MODEL_FORMAT_ARPA] = "arpa",
    [MODEL_FORMAT_WORD2VEC] = "word2vec",
    [MODEL_FORMAT_WORD2VEC_BIN] = "word2vec-bin",
    [MODEL_FORMAT_GLOVE] = "glove"};

const char *model_transfer_type(enum model_format format)
{
    return format == MODEL_FORMAT_CHECKPOINT || format == MODEL_FORMAT_WORD2VEC_BIN
               ? "application/octet-stream"
               : "text/plain; charset=utf-8";
}

/* False for formats that hold no word vectors. */
static bool is_vectors(enum model_format format, enum vectors_format *kind)
{
    *kind = format == MODEL_FORMAT_WORD2VEC       ? VECTORS_WORD2VEC
            : format == MODEL_FORMAT_WORD2VEC_BIN ? VECTORS_WORD2VEC_BIN
                                                  : VECTORS_GLOVE;
    return format != MODEL_FORMAT_CHECKPOINT && format != MODEL_FORMAT_ARPA;
}

bool model_transfer_format(const char *name, enum model_format *format)
{
    for (size_t i = 0; i < MODEL_FORMAT_COUNT; i++) {
        if (strcmp(name, model_transfer_formats[i]) == 0) {
            *format = (enum model_format)i;
            return true;
        }
    }
    return false;
}

/* ---- in ---- */

/* Says whether the name is taken, before a large body is read. */
static enum err look_up(struct store *store, const struct model_transfer *transfer,
                        bool *replaced, struct err_info *info)
{
    struct model_row row = {0};
    enum err code = store_model_get(store, transfer->name, &row);
    *replaced = code == ERR_OK;
    model_row_fini(&row);
    if (code == ERR_OK && !transfer->replace)
        return err_set(info, ERR_EXISTS,
                       "There is a model or alias '%s' already; choose another name or "
                       "ask to replace it.",
                       transfer->name);
    return code == ERR_MODEL_NOT_FOUND || code == ERR_OK ? ERR_OK : code;
}

static enum err spill_all(const struct model_transfer *transfer,
                          const struct reader *from, struct spill *spill,
                          struct err_info *info)
{
    char *piece = malloc(PIECE);
    enum err code = piece ? ERR_OK : ERR_NO_MEMORY;
    size_t got = 1;
    while (!code && got > 0) {
        code = from->read(from->context, piece, PIECE, &got);
        if (!code && transfer->most_bytes &&
            spill_size(spill) + got > transfer->most_bytes)
            code = err_set(info, ERR_LIMIT,
                           "The model file is larger than the %llu bytes that loaded "
                           "models may take (setting model_cache_bytes).",
                           (unsigned long long)transfer->most_bytes);
        if (!code && got > 0)
            code = spill_append(spill, piece, got);
    }
    free(piece);
    return code;
}

/* Copies the spilled file into aligned memory and loads it from there. */
static enum err load_spilled(struct spill *spill, struct model **model,
                             struct err_info *info)
{
    struct span content = {0};
    enum err code = spill_map(spill, &content);
    if (code)
        return code;
    if (content.size == 0)
        return err_set(info, ERR_BAD_MODEL_FILE, "The model file is empty.");
    void *bytes = memory_new_unset(content.size, 1);
    if (!bytes)
        return ERR_NO_MEMORY;
    memcpy(bytes, content.bytes, content.size);
    return model_load_take(bytes, content.size, model, info);
}

static enum err checkpoint_in(struct store *store, const struct model_transfer *transfer,
                              const struct reader *from, struct store_upload **upload,
                              struct model_row *row, struct err_info *info)
{
    struct spill *spill = NULL;
    struct model *model = NULL;
    enum err code = spill_open(transfer->scratch, &spill);
    if (code)
        return code;
    code = spill_all(transfer, from, spill, info);
    if (!code)
        code = load_spilled(spill, &model, info);
    spill_close(spill);
    if (code)
        return code;
    struct train_spec *spec = malloc(sizeof *spec);
    code = spec ? store_upload_begin(store, upload) : ERR_NO_MEMORY;
    if (!code)
        code = store_upload_write(*upload, model->bytes, model->size);
    if (!code) {
        *spec = model->spec;
        (void)snprintf(spec->model, sizeof spec->model, "%s", transfer->name);
        code = outcome_model_row(spec, &model->result, NULL, NULL, row);
    }
    free(spec);
    model_release(model);
    return code;
}

static enum err arpa_in(struct store *store, const struct model_transfer *transfer,
                        const struct reader *from, struct store_upload **upload,
                        struct model_row *row, struct err_info *info)
{
    struct train_spec *spec = malloc(sizeof *spec);
    struct train_result *result = calloc(1, sizeof *result);
    enum err code = spec && result ? store_upload_begin(store, upload) : ERR_NO_MEMORY;
    if (!code) {
        struct writer to = store_upload_writer(*upload);
        train_spec_init(spec, kind_find("ngram"));
        (void)snprintf(spec->model, sizeof spec->model, "%s", transfer->name);
        spec->tokenizer = transfer->tokenizer;
        spec->valid_fraction = 0;
        code = arpa_import(from, spec, &to, result, info);
    }
    if (!code)
        code = outcome_model_row(spec, result, NULL, NULL, row);
    free(spec);
    free(result);
    return code;
}

/* A reader that refuses to go on when too much has come. */
struct metered {
    const struct reader *from;
    uint64_t got, most; /* most 0: no limit */
    struct err_info *info;
};

static enum err metered_read(void *context, void *bytes, size_t size, size_t *got)
{
    struct metered *metered = context;
    enum err code = metered->from->read(metered->from->context, bytes, size, got);
    if (code)
        return code;
    metered->got += *got;
    if (!metered->most || metered->got <= metered->most)
        return ERR_OK;
    return err_set(metered->info, ERR_LIMIT,
                   "The file is larger than the %llu bytes that loaded models may take "
                   "(setting model_cache_bytes).",
                   (unsigned long long)metered->most);
}

static enum err vectors_in(struct store *store, const struct model_transfer *transfer,
                           enum vectors_format format, const struct reader *from,
                           struct store_upload **upload, struct model_row *row,
                           struct err_info *info)
{
    struct metered metered = {from, 0, transfer->most_bytes, info};
    struct reader reader = {&metered, metered_read};
    struct train_spec *spec = malloc(sizeof *spec);
    struct train_result *result = calloc(1, sizeof *result);
    enum err code = spec && result ? store_upload_begin(store, upload) : ERR_NO_MEMORY;
    if (!code) {
        struct writer to = store_upload_writer(*upload);
        train_spec_init(spec, kind_find("vectors"));
        (void)snprintf(spec->model, sizeof spec->model, "%s", transfer->name);
        code = vectors_import(format, &reader, transfer->name, NULL, &to, result, info);
    }
    if (!code)
        code = outcome_model_row(spec, result, NULL, NULL, row);
    free(spec);
    free(result);
    return code;
}

enum err model_transfer_in(struct store *store, const struct model_transfer *transfer,
                           const struct reader *from, struct model_row *row,
                           bool *replaced, struct err_info *info)
{
    struct store_upload *upload = NULL;
    *row = (struct model_row){0};
    enum err code = look_up(store, transfer, replaced, info);
    if (code)
        return err_finish(info, code);
    enum vectors_format vectors;
    if (is_vectors(transfer->format, &vectors))
        code = vectors_in(store, transfer, vectors, from, &upload, row, info);
    else if (transfer->format == MODEL_FORMAT_ARPA)
        code = arpa_in(store, transfer, from, &upload, row, info);
    else
        code = checkpoint_in(store, transfer, from, &upload, row, info);
    if (code) {
        store_upload_abort(upload);
        return code; /* the reader may know better what went wrong */
    }
    return store_model_commit(upload, row, transfer->replace, info);
}

/* ---- out ---- */

enum err model_transfer_out(const struct model *model, enum model_format format,
                            const struct writer *to, struct err_info *info)
{
    if (format == MODEL_FORMAT_ARPA && model->kind->can & CAN_EXPORT_ARPA)
        return arpa_export(model, to, info);
    enum vectors_format vectors;
    if (is_vectors(format, &vectors) && model->vectors)
        return vectors_export(model->vectors, vectors, to);
    return err_set(info, ERR_NOT_ABLE, "A model of the kind %s has no form as %s.",
                   model->kind->name, model_transfer_formats[format]);
}
