/* SPDX-License-Identifier: MIT */
/* What a training would need, from the beginning of its corpus.
 *
 * The first part of the text is really counted, once half of it and once all. The number
 * of different n-grams of an order grows about as a power of the tokens (Heaps' law); two
 * points give the power. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/ngram/count.h"
#include "model/ngram/fast.h"
#include "model/ngram/ngram.h"
#include "model/ngram/window_sort.h"
#include "model/text/vocab.h"

#define SAMPLE_BYTES ((size_t)1 << 20)
#define TOKENS_PER_SECOND 1.5e6 /* a thread; one order costs a third of order 3 */
enum { IDS_AT_ONCE = 4096 };

struct sample {
    double tokens;
    double grams[NGRAM_ORDER_MAX + 1];
};

static enum err count_sample(const struct tokenizer *tokenizer, const struct vocab *vocab,
                             unsigned order, struct span text, struct sample *sample)
{
    const struct counter_settings settings = {.order = order,
                                              .vocab_size = vocab_size(vocab),
                                              .threads = 1,
                                              .memory_bytes = (uint64_t)1 << 30};
    struct counter *counter = NULL;
    struct encoder *encoder = NULL;
    struct levels levels = {0};
    uint32_t *ids = memory_new_array(IDS_AT_ONCE, sizeof *ids);
    size_t count = 1;
    enum err code = ids ? counter_new(&settings, &counter) : ERR_NO_MEMORY;
    if (!code)
        code = encoder_new(tokenizer, vocab, text, &encoder);
    sample->tokens = 1;
    while (!code && count > 0) {
        code = encoder_next(encoder, ids, IDS_AT_ONCE, &count);
        if (!code)
            code = counter_add(counter, 0, ids, count);
        sample->tokens += (double)count;
    }
    if (!code)
        code = counter_finish(counter, &levels);
    for (unsigned k = 1; k <= order; k++)
        sample->grams[k] = (double)levels.at[k].count;
    levels_fini(&levels);
    encoder_free(encoder);
    counter_free(counter);
    free(ids);
    return code;
}

static double extrapolate(double half, double whole, double growth)
{
    double power = half > 0 && whole > half ? log2(whole / half) : 0;
    return whole * pow(growth, power < 1 ? power : 1);
}

static void fill(const struct train_spec *spec, unsigned order, double growth,
                 const struct sample *half, const struct sample *whole,
                 struct train_estimate *estimate)
{
    double grams = 0, bytes = 0, tokens = whole->tokens * growth;
    for (unsigned k = 1; k <= order; k++) {
        double here = extrapolate(half->grams[k], whole->grams[k], growth);
        grams += here;
        bytes +=
            here * (k == order && k > 1 ? sizeof(struct last_gram) : sizeof(struct gram));
    }
    double memory = tokens * (double)window_sort_bytes_per_id(order);
    double budget = spec->memory_bytes ? (double)spec->memory_bytes : 1073741824.0;
    estimate->parameters = (uint64_t)grams;
    estimate->bytes = (uint64_t)(bytes + 16 * whole->grams[1]);
    estimate->memory_bytes = (uint64_t)((memory < budget ? memory : budget) + grams * 28);
    estimate->steps = 1;
    estimate->seconds =
        tokens * (order + 2) / 5 / TOKENS_PER_SECOND / train_threads(spec);
}

enum err ngram_estimate(const struct train_spec *spec, const struct train_input *input,
                        struct train_estimate *estimate, struct err_info *info)
{
    unsigned order = (unsigned)params_number(&spec->params, "order");
    struct tokenizer *tokenizer = NULL;
    struct vocab *vocab = NULL;
    struct sample half, whole;
    uint32_t least[NGRAM_ORDER_MAX];
    struct span parts[2], text = input->text;
    if (text.size > SAMPLE_BYTES) {
        const char *end = memrchr(text.bytes, '\n', SAMPLE_BYTES);
        text.size = end ? (size_t)(end - text.bytes) + 1 : SAMPLE_BYTES;
        while (text.size < input->text.size && (text.bytes[text.size] & 0xc0) == 0x80)
            text.size++;
    }
    *estimate = (struct train_estimate){0};
    enum err code = ngram_read_prune(&spec->params, least, info);
    if (!code)
        code = tokenizer_train(&spec->tokenizer, text, NULL, &tokenizer, info);
    if (!code)
        code = vocab_build(tokenizer, text, 1, NULL, &vocab, info);
    if (!code) {
        text_split(&spec->tokenizer, text, 2, parts);
        code = count_sample(tokenizer, vocab, order, parts[0], &half);
    }
    if (!code)
        code = count_sample(tokenizer, vocab, order, text, &whole);
    if (!code)
        fill(spec, order, (double)input->text.size / (double)text.size, &half, &whole,
             estimate);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
    return err_finish(info, code);
}
