/* SPDX-License-Identifier: MIT */
/* Vector files from strangers: the first byte picks the format, the rest is the file.
 * What was imported must load, answer a question and be written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/model.h"
#include "model/vectors/search.h"
#include "model/vectors/vectors_export.h"
#include "model/vectors/vectors_import.h"

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

static void ask(const struct vectors *vectors, enum vectors_format format)
{
    struct neighbour nearest[3];
    size_t found;
    struct search_question question = {.positives = 1};
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        struct search search = {.vectors = vectors_row(vectors, 0),
                                .vector_count = 1,
                                .questions = &question,
                                .question_count = 1,
                                .metric = (enum metric)metric,
                                .k = 3};
        (void)!search_exact(vectors, &search, nearest, &found);
    }
    struct buffer file;
    buffer_init(&file, (size_t)1 << 28);
    struct writer writer = writer_to_buffer(&file);
    (void)!vectors_export(vectors, format, &writer);
    buffer_fini(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum vectors_format format = (enum vectors_format)(data[0] % VECTORS_FORMAT_COUNT);
    struct source source = {data + 1, size - 1};
    const struct reader reader = {&source, read_source};
    struct train_result result;
    struct buffer file;
    buffer_init(&file, (size_t)1 << 28);
    struct writer writer = writer_to_buffer(&file);
    if (vectors_import(format, &reader, "fuzz", NULL, &writer, &result, NULL) == ERR_OK) {
        struct model *model;
        struct err_info info = {0};
        void *copy = memory_new_aligned(file.size, 1);
        if (copy)
            memcpy(copy, file.bytes, file.size);
        enum err code = copy ? model_load_take(copy, file.size, &model, &info)
                             : ERR_NO_MEMORY;
        if (code)
            abort();
        ask(model->vectors, format);
        model_release(model);
    }
    buffer_fini(&file);
    return 0;
}
