/* SPDX-License-Identifier: MIT */
/* Making a model of a model file, and giving it up again.
 *
 * What all kinds share is read here (how it was trained, the tokenizer, the vocabulary,
 * the result of training), the rest by the kind's own load. A file is data from outside:
 * its checksums were verified by artefact_parse, and every section is still read as if
 * somebody had made it up, because checksums can be made up too. */
#include "model/model.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/text/tokenizer.h"
#include "model/text/vocab.h"
#include "model/vectors/vectors.h"

#define TEXT_MAX (1u << 20)           /* spec and result */
#define SECTION_MAX ((size_t)1 << 40) /* tokenizer and vocabulary */
#define NAMES_MAX 256                 /* names of kinds in a sentence */

/* Puts what a save filled and answered with `code`; empties the buffer. */
static enum err put_buffer(struct artefact_writer *writer, const char *name,
                           enum err code, struct buffer *bytes)
{
    uint64_t size = bytes->size;
    if (!code)
        code = artefact_put(writer, name, ARTEFACT_BYTES, 1, &size, bytes->bytes);
    buffer_fini(bytes);
    return code;
}

enum err model_write_head(struct artefact_writer *writer, const struct train_spec *spec,
                          const struct tokenizer *tokenizer, const struct vocab *vocab)
{
    struct buffer bytes;
    buffer_init(&bytes, TEXT_MAX);
    enum err code = train_spec_write(spec, &bytes);
    code = put_buffer(writer, "spec", code, &bytes);
    if (code)
        return code;
    buffer_init(&bytes, SECTION_MAX);
    code = tokenizer_save(tokenizer, &bytes);
    code = put_buffer(writer, "tokenizer", code, &bytes);
    if (code)
        return code;
    buffer_init(&bytes, SECTION_MAX);
    code = vocab_save(vocab, &bytes);
    return put_buffer(writer, "vocab", code, &bytes);
}

enum err model_write_result(struct artefact_writer *writer,
                            const struct train_result *result)
{
    struct buffer bytes;
    buffer_init(&bytes, TEXT_MAX);
    enum err code = train_result_write(result, &bytes);
    return put_buffer(writer, "result", code, &bytes);
}

static enum err read_head(struct model *model, struct err_info *info)
{
    const struct artefact_section *section;
    enum err code =
        artefact_need(model->artefact, "spec", ARTEFACT_BYTES, 1, &section, info);
    if (!code)
        code = train_spec_read(&model->spec, section->content, info);
    if (!code && model->spec.kind != model->kind)
        code =
            err_set(info, ERR_BAD_MODEL_FILE, "The model file names two different kinds");
    if (!code)
        code =
            artefact_need(model->artefact, "result", ARTEFACT_BYTES, 1, &section, info);
    if (!code)
        code = train_result_read(&model->result, section->content, info);
    if (!code)
        code = artefact_need(model->artefact, "tokenizer", ARTEFACT_BYTES, 1, &section,
                             info);
    if (!code)
        code = tokenizer_load(section->content, &model->tokenizer, info);
    if (!code)
        code = artefact_need(model->artefact, "vocab", ARTEFACT_BYTES, 1, &section, info);
    if (!code)
        code = vocab_load(section->content, &model->vocab, info);
    return code;
}

static enum err load(struct model *model, struct span bytes, struct err_info *info)
{
    enum err code = artefact_parse(bytes, &model->artefact, info);
    if (code)
        return code;
    model->kind = kind_find(artefact_kind(model->artefact));
    if (!model->kind)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file holds a model of kind \"%s\", which this program "
                       "does not know",
                       artefact_kind(model->artefact));
    code = read_head(model, info);
    if (!code)
        code = model->kind->load(model, model->artefact, info);
    if (!code && model->lm && model->lm->vocab_size != vocab_size(model->vocab))
        code = err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file's vocabulary does not fit its model");
    return code;
}

/* A refusal of a file's content is a bad file, whatever the value was. */
static enum err as_bad_file(enum err code, struct err_info *info)
{
    if (code != ERR_INVALID && code != ERR_SYNTAX && code != ERR_NOT_ABLE &&
        code != ERR_VOCAB_MISMATCH)
        return err_finish(info, code);
    if (info) {
        info->code = ERR_BAD_MODEL_FILE;
        info->pointer[0] = 0;
    }
    return err_finish(info, ERR_BAD_MODEL_FILE);
}

static enum err load_new(void *owned, struct span bytes, unsigned depth,
                         struct model **out, struct err_info *info)
{
    *out = NULL;
    struct model *model = memory_new_array(1, sizeof *model);
    if (!model) {
        free(owned);
        return ERR_NO_MEMORY;
    }
    atomic_init(&model->references, 1);
    model->bytes = owned;
    model->size = bytes.size;
    model->depth = depth;
    enum err code = load(model, bytes, info);
    if (code) {
        model_release(model);
        return as_bad_file(code, info);
    }
    *out = model;
    return ERR_OK;
}

enum err model_load_take(void *bytes, size_t size, struct model **out,
                         struct err_info *info)
{
    return load_new(bytes, span_of(bytes, size), 0, out, info);
}

enum err model_load_component(struct span bytes, unsigned depth, struct model **out,
                              struct err_info *info)
{
    *out = NULL;
    if (depth > MODEL_DEPTH_MAX)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file holds mixtures of mixtures deeper than %d",
                       MODEL_DEPTH_MAX);
    return load_new(NULL, bytes, depth, out, info);
}

struct model *model_retain(struct model *model)
{
    atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
    return model;
}

void model_release(struct model *model)
{
    if (!model)
        return;
    unsigned before =
        atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    if (model->lm)
        model->lm->ops->free(model->lm);
    if (model->vectors && model->free_vectors)
        model->free_vectors(model->vectors);
    vocab_free(model->vocab);
    tokenizer_free(model->tokenizer);
    artefact_free(model->artefact);
    free(model->bytes);
    free(model);
}

enum err model_need_vectors(const struct model *model, struct err_info *info)
{
    struct buffer able;
    if (model->vectors && model->vectors->count > 0)
        return ERR_OK;
    if (model->kind->can & CAN_VECTORS)
        return err_set(
            info, ERR_NOT_ABLE,
            "The model's vocabulary has no word of the text, which is all <unk> "
            "to it: there are no vectors. Train with a smaller min_count");
    buffer_init(&able, NAMES_MAX);
    for (size_t i = 0; kinds[i]; i++)
        if (kinds[i]->can & CAN_VECTORS)
            buffer_printf(&able, "%s%s", able.size ? ", " : "", kinds[i]->name);
    enum err code = err_set(
        info, ERR_NOT_ABLE,
        "A model of the kind %s has no word vectors; those of these kinds have: %s",
        model->kind->name, able.bytes ? able.bytes : "");
    buffer_fini(&able);
    return code;
}

size_t model_memory(const struct model *model)
{
    return sizeof *model + model->size +
           (model->vectors ? vectors_index_memory(model->vectors) : 0);
}
