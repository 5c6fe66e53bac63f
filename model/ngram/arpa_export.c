/* SPDX-License-Identifier: MIT */
/* Writing ARPA files. The n-grams of each order are visited in the order of the levels;
 * the path of words down to the current one is kept up by moving each level's place on
 * until its continuations reach the level below. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/lm/lm.h"
#include "model/ngram/arpa.h"
#include "model/ngram/form.h"
#include "model/ngram/ngram.h"
#include "model/text/vocab.h"

#define LOG_ZERO (-99.0)
enum { BUFFER_BYTES = 1 << 16, NUMBER_BYTES = 32 };

struct exporter {
    const struct grams *grams;
    const struct vocab *vocab;
    struct writer to;
    char *buffer; /* [BUFFER_BYTES] */
    size_t filled;
    uint32_t words[NGRAM_ORDER_MAX];
};

static enum err put(struct exporter *exporter, const char *bytes, size_t size)
{
    enum err code = ERR_OK;
    if (exporter->filled + size > BUFFER_BYTES) {
        code =
            exporter->to.write(exporter->to.context, exporter->buffer, exporter->filled);
        exporter->filled = 0;
    }
    if (!code && size > BUFFER_BYTES)
        return exporter->to.write(exporter->to.context, bytes, size);
    if (!code && size > 0)
        memcpy(exporter->buffer + exporter->filled, bytes, size);
    exporter->filled += code ? 0 : size;
    return code;
}

static enum err put_text(struct exporter *exporter, const char *text)
{
    return put(exporter, text, strlen(text));
}

/* log10 of a share with eight digits behind the point. */
static size_t print_log(double share, char *text)
{
    double value = share > 0 ? log10(share) : LOG_ZERO;
    if (value < LOG_ZERO)
        value = LOG_ZERO;
    char digits[NUMBER_BYTES];
    uint64_t scaled = (uint64_t)(fabs(value) * 1e8 + 0.5);
    size_t count = 0, size = 0;
    for (; scaled > 0 || count < 9; scaled /= 10)
        digits[count++] = (char)('0' + scaled % 10);
    if (value < 0)
        text[size++] = '-';
    while (count > 8)
        text[size++] = digits[--count];
    text[size++] = '.';
    while (count > 0)
        text[size++] = digits[--count];
    return size;
}

static enum err put_gram(struct exporter *exporter, unsigned k, size_t index)
{
    char number[NUMBER_BYTES];
    double prob, backoff;
    exporter->grams->values(exporter->grams->lm, k, index, exporter->words, &prob,
                            &backoff);
    size_t size = print_log(prob < 1 ? prob : 1, number);
    enum err code = put(exporter, number, size);
    for (unsigned i = 0; !code && i < k; i++) {
        struct span word = vocab_word(exporter->vocab, exporter->words[i]);
        code = put(exporter, i ? " " : "\t", 1);
        if (!code)
            code = put(exporter, word.bytes, word.size);
    }
    if (!code && backoff != 1 && k < exporter->grams->order) {
        number[0] = '\t';
        size = print_log(backoff, number + 1);
        code = put(exporter, number, size + 1);
    }
    return code ? code : put(exporter, "\n", 1);
}

static enum err put_section(struct exporter *exporter, unsigned k)
{
    const struct grams *grams = exporter->grams;
    size_t places[NGRAM_ORDER_MAX + 1] = {0};
    char head[32];
    snprintf(head, sizeof head, "\n\\%u-grams:\n", k);
    enum err code = put_text(exporter, head);
    for (size_t i = 0; !code && i < grams->counts[k]; i++) {
        places[k] = i;
        for (unsigned level = k; level-- > 1;)
            while (grams->begin(grams->lm, level, places[level] + 1) <= places[level + 1])
                places[level]++;
        for (unsigned level = 1; level <= k; level++)
            exporter->words[level - 1] = grams->word(grams->lm, level, places[level]);
        code = put_gram(exporter, k, i);
    }
    return code;
}

static enum err put_all(struct exporter *exporter)
{
    enum err code = put_text(exporter, "\\data\\\n");
    for (unsigned k = 1; !code && k <= exporter->grams->order; k++) {
        char line[48];
        snprintf(line, sizeof line, "ngram %u=%zu\n", k, exporter->grams->counts[k]);
        code = put_text(exporter, line);
    }
    for (unsigned k = 1; !code && k <= exporter->grams->order; k++)
        code = put_section(exporter, k);
    if (!code)
        code = put_text(exporter, "\n\\end\\\n");
    return code ? code
                : exporter->to.write(exporter->to.context, exporter->buffer,
                                     exporter->filled);
}

enum err arpa_export(const struct model *model, const struct writer *to,
                     struct err_info *info)
{
    struct grams grams;
    if (model->kind != &kind_ngram)
        return err_set(info, ERR_NOT_ABLE,
                       "Only n-gram models can be written as ARPA files");
    grams_of(model->lm, &grams);
    if (grams.uniform_remainder && grams.order > 1)
        return err_set(info, ERR_NOT_ABLE,
                       "A model with additive smoothing gives unseen words the same "
                       "probability in every context, which an ARPA file cannot say");
    struct exporter exporter = {.grams = &grams, .vocab = model->vocab, .to = *to};
    exporter.buffer = malloc(BUFFER_BYTES);
    if (!exporter.buffer)
        return ERR_NO_MEMORY;
    enum err code = put_all(&exporter);
    free(exporter.buffer);
    return err_finish(info, code);
}
