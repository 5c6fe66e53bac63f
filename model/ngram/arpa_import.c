/* SPDX-License-Identifier: MIT */
/* An ARPA file to a model file: read, complete, write. */
#include <stdio.h>

#include "model/artefact.h"
#include "model/ngram/arpa.h"
#include "model/ngram/arpa_file.h"
#include "model/ngram/form.h"
#include "model/ngram/ngram.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"

static void describe(const struct levels *levels, size_t added,
                     struct train_result *result)
{
    result->vocab_size = levels->vocab_size;
    for (unsigned k = 1; k <= levels->order; k++) {
        char name[48];
        snprintf(name, sizeof name, "ngrams_%u", k);
        train_result_metric(result, name, (double)levels->at[k].count);
        result->parameters += levels->at[k].count;
    }
    train_result_note(result, "Imported from an ARPA file");
    if (added > 0)
        train_result_note(result,
                          "%zu n-grams that others begin or end with were missing and "
                          "got the probability that backing off gives",
                          added);
    if (levels->at[1].prob[VOCAB_UNK] <= 0)
        train_result_note(result, "The file gives unknown words no probability");
}

static enum err write_file(const struct train_spec *spec, const struct arpa_file *file,
                           const struct levels *levels, const struct writer *artefact,
                           const struct train_result *result, struct err_info *info)
{
    struct tokenizer *tokenizer = NULL;
    struct artefact_writer *writer = NULL;
    enum err code =
        tokenizer_train(&spec->tokenizer, span_of("", 0), NULL, &tokenizer, info);
    if (!code)
        code = artefact_begin(artefact, "ngram", &writer);
    if (!code)
        code = model_write_head(writer, spec, tokenizer, file->vocab);
    if (!code)
        code = shape_write(writer, levels, FORM_FAST, false);
    if (!code)
        code = fast_write(writer, levels);
    if (!code)
        code = model_write_result(writer, result);
    if (!code)
        code = artefact_finish(writer);
    artefact_writer_free(writer);
    tokenizer_free(tokenizer);
    return code;
}

enum err arpa_import(const struct reader *from, struct train_spec *spec,
                     const struct writer *artefact, struct train_result *result,
                     struct err_info *info)
{
    struct train_spec own;
    struct arpa_file file;
    struct levels levels;
    size_t added;
    if (!spec) {
        spec = &own;
        train_spec_init(spec, &kind_ngram);
        spec->tokenizer.unit = UNIT_WHITESPACE;
    }
    *result = (struct train_result){0};
    enum err code = arpa_file_read(&file, from, info);
    if (code)
        return err_finish(info, code);
    code = arpa_file_levels(&file, &levels, &added, info);
    if (!code)
        code = params_set_number(&spec->params, "order", levels.order, info);
    if (!code) {
        describe(&levels, added, result);
        code = write_file(spec, &file, &levels, artefact, result, info);
    }
    levels_fini(&levels);
    arpa_file_fini(&file);
    return err_finish(info, code);
}
