/* SPDX-License-Identifier: MIT */
/* Checkpoints: everything that decides how training goes on, as one block of bytes: a
 * header with the fit's state, the arrays, a checksum. The header names what the training
 * was set up with; a checkpoint of another set-up is refused. Another number of threads
 * or other OpenBLAS kernels only cost the identity of the last bits, which is said in a
 * note. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "model/neural/fit.h"
#include "model/nn/blas.h"

static const char MAGIC[8] = "FIRTHCP1";

struct header {
    char magic[8];
    uint64_t config, total, rows, tokens;
    uint64_t optimizer_step;
    uint32_t threads, state_size;
    char core[32];
    struct fit_state state;
    struct random randoms[PARALLEL_THREADS_MAX];
};

/* Parameters that a sequel may change: how to go on where a training diverged. */
static const char *const free_params[] = {"learning_rate", "clip_norm"};

/* All that must agree, as text, without what may differ between a run and its sequel. */
static enum err config_of(const struct fit *fit, uint64_t *config)
{
    struct train_spec *spec = malloc(sizeof *spec);
    struct buffer text;
    if (!spec)
        return ERR_NO_MEMORY;
    *spec = *fit->spec;
    spec->model[0] = spec->corpus[0] = spec->valid_corpus[0] = spec->resume_from[0] = 0;
    spec->replace = false;
    spec->threads = 0;
    spec->checkpoint_every_s = 0;
    spec->memory_bytes = 0;
    spec->patience = 0;
    spec->budget.epochs = spec->budget.tokens = spec->budget.seconds = 0;
    buffer_init(&text, 1 << 20);
    enum err code = ERR_OK;
    for (size_t i = 0; i < sizeof free_params / sizeof *free_params && !code; i++)
        code = params_set_number(&spec->params, free_params[i], 0, NULL);
    if (!code)
        code = train_spec_write(spec, &text);
    *config = (uint64_t)crc32c(0, text.bytes, text.size) << 32 | fit->shape.vocab;
    buffer_fini(&text);
    free(spec);
    return code;
}

/* Calls visit for every array of the state, in the order they are stored in. */
struct visitor {
    enum err (*visit)(struct visitor *visitor, void *bytes, size_t size);
    struct buffer *to;
    struct span from;
};

static enum err visit_rows(struct fit *fit, struct visitor *visitor)
{
    size_t size = network_state_size(&fit->shape);
    float *state = memory_new_array(size + 1, sizeof *state);
    enum err code = state ? ERR_OK : ERR_NO_MEMORY;
    for (size_t row = 0; row < fit->rows && size > 0 && !code; row++) {
        network_get_state(fit->network, row, state);
        code = visitor->visit(visitor, state, size * sizeof *state);
        network_set_state(fit->network, row, state);
    }
    free(state);
    return code;
}

static enum err visit_all(struct fit *fit, struct visitor *visitor)
{
    struct network *network = fit->network;
    size_t bytes = fit->shape.total * sizeof(float);
    float *blocks[] = {network->values, network->optimizer.first,
                       network->optimizer.second, network->average,
                       fit->state.has_best ? fit->best : NULL};
    enum err code = ERR_OK;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks && !code; i++)
        if (blocks[i])
            code = visitor->visit(visitor, blocks[i], bytes);
    if (!code)
        code = visitor->visit(visitor, fit->stream.positions,
                              fit->rows * sizeof *fit->stream.positions);
    return code ? code : visit_rows(fit, visitor);
}

static enum err store(struct visitor *visitor, void *bytes, size_t size)
{
    return buffer_append(visitor->to, bytes, size);
}

static enum err restore(struct visitor *visitor, void *bytes, size_t size)
{
    if (visitor->from.size < size)
        return ERR_BAD_MODEL_FILE;
    memcpy(bytes, visitor->from.bytes, size);
    visitor->from = span_of(visitor->from.bytes + size, visitor->from.size - size);
    return ERR_OK;
}

static enum err fill_header(struct fit *fit, struct header *header)
{
    memset(header, 0, sizeof *header);
    memcpy(header->magic, MAGIC, sizeof MAGIC);
    header->total = fit->shape.total;
    header->rows = fit->rows;
    header->tokens = fit->stream.count;
    header->optimizer_step = fit->network->optimizer.step;
    header->threads = fit->network->settings.threads;
    header->state_size = sizeof(struct fit_state);
    strncpy(header->core, blas_core(), sizeof header->core - 1);
    header->state = fit->state;
    header->state.seconds += clock_monotonic() - fit->started;
    for (unsigned i = 0; i < header->threads; i++)
        header->randoms[i] = fit->network->shares[i].random;
    return config_of(fit, &header->config);
}

enum err checkpoint_hand_over(struct fit *fit)
{
    struct header header;
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX / 2);
    struct visitor visitor = {.visit = store, .to = &bytes};
    enum err code = fill_header(fit, &header);
    if (!code)
        code = buffer_append(&bytes, &header, sizeof header);
    if (!code)
        code = visit_all(fit, &visitor);
    if (!code) {
        uint32_t sum = crc32c(0, bytes.bytes, bytes.size);
        code = buffer_append(&bytes, &sum, sizeof sum);
    }
    if (!code)
        code = progress_checkpoint(fit->progress, fit->state.step,
                                   span_of(bytes.bytes, bytes.size));
    buffer_fini(&bytes);
    return code;
}

static enum err refuse(struct err_info *info, const char *what)
{
    return err_set_field(info, ERR_INVALID, "/resume_from",
                         "The checkpoint cannot be gone on from: %s", what);
}

static enum err check(struct fit *fit, struct span bytes, struct header *header,
                      struct err_info *info)
{
    uint64_t config;
    uint32_t sum;
    if (bytes.size < sizeof *header + sizeof sum)
        return refuse(info, "it is too short");
    memcpy(header, bytes.bytes, sizeof *header);
    memcpy(&sum, bytes.bytes + bytes.size - sizeof sum, sizeof sum);
    if (memcmp(header->magic, MAGIC, sizeof MAGIC) != 0 ||
        header->state_size != sizeof(struct fit_state))
        return refuse(info, "it was written by another version of the program");
    if (crc32c(0, bytes.bytes, bytes.size - sizeof sum) != sum)
        return refuse(info, "its checksum is wrong");
    enum err code = config_of(fit, &config);
    if (code)
        return code;
    if (header->config != config || header->total != fit->shape.total ||
        header->rows != fit->rows || header->tokens != fit->stream.count ||
        (header->state.has_best && !fit->best))
        return refuse(info, "it belongs to a training with another corpus, seed, "
                            "tokenizer or other parameters");
    return ERR_OK;
}

static void apply_header(struct fit *fit, const struct header *header)
{
    struct network *network = fit->network;
    struct schedule own = fit->state.schedule;
    fit->state = header->state;
    fit->state.schedule.shape = own.shape;
    fit->state.schedule.rate = own.rate;
    fit->state.schedule.warmup = own.warmup;
    network->optimizer.step = header->optimizer_step;
    bool same = header->threads == network->settings.threads &&
                strncmp(header->core, blas_core(), sizeof header->core - 1) == 0;
    for (unsigned i = 0;
         header->threads == network->settings.threads && i < header->threads; i++)
        network->shares[i].random = header->randoms[i];
    if (!same)
        progress_note(fit->progress,
                      "Resumed with another number of threads or other matrix kernels: "
                      "the result will differ in its last bits from an unbroken run's");
}

enum err checkpoint_read(struct fit *fit, struct span bytes, struct err_info *info)
{
    struct header header;
    enum err code = check(fit, bytes, &header, info);
    if (code)
        return code;
    apply_header(fit, &header);
    size_t size = bytes.size - sizeof header - sizeof(uint32_t);
    struct visitor visitor = {.visit = restore,
                              .from = span_of(bytes.bytes + sizeof header, size)};
    code = visit_all(fit, &visitor);
    if (code || visitor.from.size != 0)
        return refuse(info, "its size is wrong");
    for (size_t row = 0; row < fit->rows; row++)
        if (fit->stream.positions[row] >= fit->stream.count)
            return refuse(info, "it points outside the corpus");
    return ERR_OK;
}
