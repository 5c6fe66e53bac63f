/* SPDX-License-Identifier: MIT */
/* The command line's training: the same input files, the same trainer and the same rows
 * as a job's, with the caller's own progress hook in place of a socket. */
#include "server/local.h"

#include "server/feed.h"
#include "server/outcome.h"

static enum err name_is_free(struct store *store, const struct train_spec *spec,
                             struct err_info *info)
{
    struct model_row row = {0};
    if (spec->replace)
        return ERR_OK;
    enum err code = store_model_get(store, spec->model, &row);
    model_row_fini(&row);
    if (code == ERR_MODEL_NOT_FOUND)
        return ERR_OK;
    if (code)
        return err_finish(info, code);
    return err_set_field(info, ERR_EXISTS, "/model",
                         "a model named \"%s\" exists; choose another name or replace it",
                         spec->model);
}

/* Trains into a new upload and puts it in place. */
static enum err train_into_store(struct store *store, const struct train_spec *spec,
                                 const struct train_input *input, const char *metadata,
                                 const struct progress *progress, struct model_row *row,
                                 struct train_result *result, struct err_info *info)
{
    struct store_upload *upload = NULL;
    enum err code = store_upload_begin(store, &upload);
    if (code)
        return err_finish(info, code);
    struct writer artefact = store_upload_writer(upload);
    code = train_run(spec, input, progress, &artefact, result, info);
    if (!code)
        code = outcome_model_row(spec, result, NULL, metadata, row);
    if (code) {
        store_upload_abort(upload);
        return err_finish(info, code);
    }
    return store_model_commit(upload, row, spec->replace, info);
}

/* Opens what the spec names, without its corpora where `input` gives the texts. */
static enum err open_feed(struct store *store, const struct train_spec *spec,
                          const struct train_input *input, const char *scratch,
                          struct feed *feed, struct err_info *info)
{
    struct feed_needs needs;
    feed_needs_of_training(spec, &needs);
    if (input)
        needs.corpus = needs.valid = NULL;
    return feed_open(store, &needs, NULL, scratch, NULL, feed, info);
}

enum err train_local(struct store *store, struct train_spec *spec,
                     const struct train_input *input, const char *scratch,
                     const char *metadata, const struct progress *progress,
                     struct model_row *row, struct train_result *result,
                     struct err_info *info)
{
    struct train_input mapped = {.scratch_directory = scratch};
    struct feed feed = {0};
    *row = (struct model_row){0};
    enum err code = name_is_free(store, spec, info);
    if (!code)
        code = feed_settle_tokenizer(store, spec);
    if (!code)
        code = open_feed(store, spec, input, scratch, &feed, info);
    if (!code)
        code = feed_map(&feed, &mapped);
    if (input) {
        mapped.text = input->text;
        mapped.valid = input->valid;
    }
    if (!code)
        code =
            train_into_store(store, spec, &mapped, metadata, progress, row, result, info);
    feed_close(&feed);
    return code ? err_finish(info, code) : ERR_OK;
}
