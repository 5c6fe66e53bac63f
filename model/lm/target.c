/* SPDX-License-Identifier: MIT */
/* Choosing what inference works on: a model's own lm, or a mixture made for one request
 * out of several loaded models. */
#include "model/lm/target.h"

#include "model/artefact.h"
#include "model/lm/lm.h"
#include "model/lm/mixture.h"
#include "model/model.h"

enum err target_of_model(const struct model *model, struct target *target,
                         struct err_info *info)
{
    *target = (struct target){0};
    if (!model->lm)
        return err_set(info, ERR_NOT_ABLE,
                       "A model of kind %s is no language model: it has no probabilities",
                       model->kind->name);
    target->lm = model->lm;
    target->tokenizer = model->tokenizer;
    target->vocab = model->vocab;
    return ERR_OK;
}

/* Equal sections are the usual case and quickly seen; words are compared otherwise. */
static bool share_vocab(const struct model *a, const struct model *b)
{
    const struct artefact_section *mine =
        a->artefact ? artefact_find(a->artefact, "vocab") : NULL;
    const struct artefact_section *theirs =
        b->artefact ? artefact_find(b->artefact, "vocab") : NULL;
    const struct tokenizer_settings *left = tokenizer_get_settings(a->tokenizer);
    const struct tokenizer_settings *right = tokenizer_get_settings(b->tokenizer);
    if (left->unit != right->unit || left->lowercase != right->lowercase)
        return false;
    if (mine && theirs && span_equal(mine->content, theirs->content))
        return true;
    return mixture_same_vocab(a->vocab, b->vocab);
}

enum err target_of_views(struct model *const *models, const struct lm *const *views,
                         const double *weights, size_t count, struct target *target,
                         struct err_info *info)
{
    const struct lm *lms[TARGET_MODELS_MAX];
    double equal[TARGET_MODELS_MAX];
    *target = (struct target){0};
    if (count < 1 || count > TARGET_MODELS_MAX)
        return err_set_field(info, ERR_INVALID, "/ensemble",
                             "An ensemble has 1 to %d models", TARGET_MODELS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct target one;
        enum err code = target_of_model(models[i], &one, info);
        if (code)
            return code;
        if (!share_vocab(models[i], models[0]))
            return err_set_field(info, ERR_VOCAB_MISMATCH, "/ensemble",
                                 "Models 1 and %zu of the ensemble do not share a "
                                 "vocabulary and tokenizer: train them on one corpus "
                                 "with the same tokenizer settings",
                                 i + 1);
        lms[i] = views && views[i] ? views[i] : one.lm;
        equal[i] = 1;
    }
    enum err code =
        mixture_lm_new(lms, weights ? weights : equal, count, &target->mixture, info);
    if (code)
        return code;
    target->lm = target->mixture;
    target->tokenizer = models[0]->tokenizer;
    target->vocab = models[0]->vocab;
    return ERR_OK;
}

enum err target_of_ensemble(struct model *const *models, const double *weights,
                            size_t count, struct target *target, struct err_info *info)
{
    return target_of_views(models, NULL, weights, count, target, info);
}

void target_fini(struct target *target)
{
    if (target->mixture)
        target->mixture->ops->free(target->mixture);
    *target = (struct target){0};
}
