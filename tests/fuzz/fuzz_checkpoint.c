/* SPDX-License-Identifier: MIT */
/* Fuzz target: a training that goes on from a checkpoint of any content is refused, or
 * ends one way or another without harm. Checkpoints come from our own store and are
 * checked by CRC; this asks what happens when that is not enough.
 *
 * The first byte chooses the kind, and whether the checksum is made right. Corpora hold
 * nothing but this byte: the rest of a short input is taken for changes (place, byte) to
 * a checkpoint that the target makes itself, so that it fits this build. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "model/neural/neural_kinds.h"
#include "model/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "a b c d\nb c d a\nc d a b\nd a b c\na a b b\n";
enum { CHANGE_SIZE = 4, CHANGES_MAX = 64, CALLS_MAX = 200 };

/* What watches a training, and stops it when it has seen enough. */
struct watch {
    struct buffer checkpoint;
    int calls, most;
};

static enum progress_answer report(void *context, const struct progress_report *now)
{
    struct watch *watch = context;
    (void)now;
    return ++watch->calls >= watch->most ? PROGRESS_STOP : PROGRESS_GO_ON;
}

static enum err keep(void *context, uint64_t step, struct span bytes)
{
    struct watch *watch = context;
    (void)step;
    buffer_clear(&watch->checkpoint);
    return buffer_append(&watch->checkpoint, bytes.bytes, bytes.size);
}

static void train(const struct kind *kind, struct span resume, int most,
                  struct watch *watch)
{
    const struct train_input input = {
        .text = span_of_text(text), .valid = span_of_text(text), .resume = resume};
    const struct progress progress = {
        .context = watch, .report = report, .checkpoint = keep};
    struct train_spec spec;
    struct train_result result = {0};
    struct buffer file;
    train_spec_init(&spec, kind);
    spec.tokenizer.unit = UNIT_WHITESPACE;
    spec.threads = 1;
    spec.budget.epochs = 8;
    spec.patience = 3;
    if (params_set_number(&spec.params, "embedding_size", 3, NULL) ||
        params_set_number(&spec.params, "hidden_size", 3, NULL) ||
        params_set_number(&spec.params, "batch_size", 2, NULL))
        abort();
    *watch = (struct watch){.most = most};
    buffer_init(&watch->checkpoint, (size_t)1 << 24);
    buffer_init(&file, (size_t)1 << 24);
    struct writer writer = writer_to_buffer(&file);
    if (train_run(&spec, &input, &progress, &writer, &result, NULL) == ERR_OK &&
        file.size == 0)
        abort();
    buffer_fini(&file);
}

/* Applies changes of three bytes of place and one of content. */
static void change(char *bytes, size_t size, const uint8_t *data, size_t count)
{
    for (size_t i = 0; i + CHANGE_SIZE <= count && i < CHANGE_SIZE * CHANGES_MAX;
         i += CHANGE_SIZE) {
        size_t place =
            (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | (size_t)data[i + 2];
        bytes[place % size] = (char)data[i + 3];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch first, then;
    if (size < 1)
        return 0;
    const struct kind *kind = data[0] & 2 ? &kind_nplm : &kind_lstm;
    train(kind, (struct span){0}, 12, &first);
    struct buffer *made = &first.checkpoint;
    if (made->size > sizeof(uint32_t)) {
        size_t content = made->size - sizeof(uint32_t);
        change(made->bytes, made->size, data + 1, size - 1);
        uint32_t sum = crc32c(0, made->bytes, content);
        if (data[0] & 1)
            memcpy(made->bytes + content, &sum, sizeof sum);
        train(kind, span_of(made->bytes, made->size), CALLS_MAX, &then);
        buffer_fini(&then.checkpoint);
    }
    buffer_fini(&first.checkpoint);
    return 0;
}
