/* SPDX-License-Identifier: MIT */
/* The shape of an n-gram model in its file. */
#include "model/ngram/form.h"

#include <string.h>

#include "model/text/vocab.h"

enum { SHAPE_WORDS = sizeof(struct shape) / sizeof(uint64_t) };

enum err shape_write(struct artefact_writer *writer, const struct levels *levels,
                     enum form form, bool uniform_remainder)
{
    struct shape shape = {.form = form,
                          .order = levels->order,
                          .vocab_size = levels->vocab_size,
                          .uniform_remainder = uniform_remainder};
    uint64_t words = SHAPE_WORDS;
    for (unsigned k = 1; k <= levels->order; k++)
        shape.counts[k - 1] = levels->at[k].count;
    return artefact_put(writer, "ngram.shape", ARTEFACT_U64, 1, &words, &shape);
}

static bool sensible(const struct shape *shape)
{
    if (shape->form >= FORM_COUNT || shape->uniform_remainder > 1 || shape->order < 1 ||
        shape->order > NGRAM_ORDER_MAX || shape->vocab_size < VOCAB_RESERVED ||
        shape->vocab_size > VOCAB_SIZE_MAX || shape->counts[0] != shape->vocab_size)
        return false;
    for (unsigned k = 1; k <= NGRAM_ORDER_MAX; k++)
        if (shape->counts[k - 1] > (k > shape->order ? 0 : NGRAM_COUNT_MAX))
            return false;
    return true;
}

enum err shape_read(const struct artefact *artefact, struct shape *shape,
                    struct err_info *info)
{
    const struct artefact_section *section;
    enum err code =
        artefact_need(artefact, "ngram.shape", ARTEFACT_U64, 1, &section, info);
    if (code)
        return code;
    if (section->content.size != sizeof *shape)
        return err_set(info, ERR_BAD_MODEL_FILE, "The n-gram model's shape is malformed");
    memcpy(shape, section->content.bytes, sizeof *shape);
    if (!sensible(shape))
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The n-gram model's shape holds impossible numbers");
    return ERR_OK;
}

void grams_of(const struct lm *lm, struct grams *grams)
{
    if (fast_is(lm))
        fast_grams(lm, grams);
    else
        compact_grams(lm, grams);
}
