/* SPDX-License-Identifier: MIT */
/* ARPA files from strangers: import, and where that works load the model and ask it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/ngram/arpa.h"

struct source {
    const uint8_t *next;
    size_t left;
};

static enum err read_source(void *context, void *bytes, size_t size, size_t *got)
{
    struct source *source = context;
    *got = size < source->left ? size : source->left;
    if (*got > 0)
        memcpy(bytes, source->next, *got);
    source->next += *got;
    source->left -= *got;
    return ERR_OK;
}

static void ask(const struct lm *lm)
{
    uint64_t state[8] __attribute__((aligned(64)));
    struct lm_prediction best[4];
    struct lm_top top = {.best = best};
    void *states = state;
    lm->ops->start(lm, true, state);
    for (uint32_t token = 0; token < lm->vocab_size && token < 16; token++) {
        (void)lm->ops->logprob(lm, state, token);
        (void)!lm->ops->top(lm, state, 4, true, &top);
        (void)!lm->ops->advance(lm, 1, &states, &token);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {data, size};
    const struct reader reader = {&source, read_source};
    struct train_result result;
    struct buffer file;
    buffer_init(&file, (size_t)1 << 28);
    struct writer writer = writer_to_buffer(&file);
    if (arpa_import(&reader, NULL, &writer, &result, NULL) == ERR_OK) {
        struct model *model;
        void *copy = memory_new_aligned(file.size, 1);
        if (copy)
            memcpy(copy, file.bytes, file.size);
        if (!copy || model_load_take(copy, file.size, &model, NULL))
            abort(); /* what was imported must load */
        ask(model->lm);
        model_release(model);
    }
    buffer_fini(&file);
    return 0;
}
