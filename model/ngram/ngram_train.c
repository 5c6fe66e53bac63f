/* SPDX-License-Identifier: MIT */
/* Training an n-gram model: vocabulary, counting, smoothing, pruning, evaluation, file.
 *
 * The corpus is cut at segment borders into a piece a thread; every thread encodes its
 * own piece into the counter. All later steps run on all threads over the levels. The
 * same corpus and parameters give the same bytes, whatever the threads and the memory. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "model/artefact.h"
#include "model/ngram/compact_write.h"
#include "model/ngram/count.h"
#include "model/ngram/form.h"
#include "model/ngram/levels_lm.h"
#include "model/ngram/ngram.h"
#include "model/ngram/smoothing.h"
#include "model/text/vocab.h"

#define MEMORY_DEFAULT ((uint64_t)1 << 30)
enum { IDS_AT_ONCE = 8192, HELD_OUT_MOST = 1 << 22 };

struct training {
    const struct train_spec *spec;
    const struct train_input *input;
    const struct progress *progress;
    struct train_result *result;
    struct err_info *info;
    unsigned order, threads;
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    struct counter *counter;
    struct span pieces[PARALLEL_THREADS_MAX];
    atomic_bool stop;
    atomic_uint_fast64_t tokens;
    struct levels levels;
    struct rules rules;
    bool compact;
    uint32_t values[256]; /* of the compact form's codes */
};

/* Tells where the job is; ERR_CANCELLED when it is to stop. */
static enum err report(struct training *training, double fraction, const char *phase)
{
    struct progress_report now = {
        .fraction = fraction, .tokens = atomic_load(&training->tokens), .phase = phase};
    return progress_report(training->progress, &now) == PROGRESS_STOP ? ERR_CANCELLED
                                                                      : ERR_OK;
}

/* ---- counting ---- */

static enum err count_with(struct training *training, unsigned thread,
                           struct encoder *encoder, uint32_t *ids)
{
    size_t size = training->pieces[thread].size;
    for (;;) {
        size_t count;
        enum err code = encoder_next(encoder, ids, IDS_AT_ONCE, &count);
        if (code || count == 0)
            return code;
        code = counter_add(training->counter, thread, ids, count);
        atomic_fetch_add(&training->tokens, count);
        if (!code && thread == 0)
            code = report(training,
                          0.1 + 0.4 * (double)encoder_position(encoder) / (double)size,
                          "counting");
        if (code || atomic_load(&training->stop)) {
            atomic_store(&training->stop, true);
            return code ? code : ERR_CANCELLED;
        }
    }
}

static enum err count_piece(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct training *training = context;
    struct encoder *encoder = NULL;
    uint32_t *ids = memory_new_array(IDS_AT_ONCE, sizeof *ids);
    enum err code = ids ? encoder_new(training->tokenizer, training->vocab,
                                      training->pieces[index], &encoder)
                        : ERR_NO_MEMORY;
    if (!code)
        code = count_with(training, index, encoder, ids);
    encoder_free(encoder);
    free(ids);
    return code;
}

static enum err count_corpus(struct training *training)
{
    const struct counter_settings settings = {
        .order = training->order,
        .vocab_size = vocab_size(training->vocab),
        .threads = training->threads,
        .memory_bytes =
            training->spec->memory_bytes ? training->spec->memory_bytes : MEMORY_DEFAULT,
        .directory = training->input->scratch_directory,
        .progress = training->progress};
    enum err code = counter_new(&settings, &training->counter);
    if (code)
        return code;
    text_split(&training->spec->tokenizer, training->input->text, training->threads,
               training->pieces);
    code = parallel_run(training->threads, count_piece, training);
    if (!code)
        code = report(training, 0.5, "counting");
    if (!code)
        code = counter_finish(training->counter, &training->levels);
    if (!code && counter_spilled(training->counter))
        train_result_note(training->result,
                          "Counting went through temporary files to keep within its "
                          "memory budget");
    counter_free(training->counter);
    training->counter = NULL;
    return code == ERR_LIMIT
               ? err_set(training->info, ERR_LIMIT,
                         "The corpus has more than 4 billion n-grams of one "
                         "order, or one of them occurs more often than that")
               : code;
}

/* ---- smoothing ---- */

static void say(void *context, const char *text)
{
    struct training *training = context;
    train_result_note(training->result, "%s", text);
    progress_note(training->progress, text);
}

/* The validation part as ids, at most HELD_OUT_MOST of them. New. */
static enum err encode_held_out(struct training *training, uint32_t **ids, size_t *count)
{
    struct encoder *encoder = NULL;
    size_t capacity = 0, got = 1;
    *ids = NULL;
    *count = 0;
    enum err code = encoder_new(training->tokenizer, training->vocab,
                                training->input->valid, &encoder);
    while (!code && got > 0 && *count < HELD_OUT_MOST) {
        code = memory_grow(ids, &capacity, *count + IDS_AT_ONCE, sizeof **ids);
        if (!code)
            code = encoder_next(encoder, *ids + *count, IDS_AT_ONCE, &got);
        *count += code ? 0 : got;
    }
    encoder_free(encoder);
    return code;
}

static enum err weigh_orders(struct training *training)
{
    uint32_t *ids = NULL;
    size_t count = 0;
    enum err code = ERR_OK;
    if (training->input->valid.size > 0)
        code = encode_held_out(training, &ids, &count);
    if (!code)
        code = rules_jelinek_mercer(&training->rules, &training->levels, ids, count);
    free(ids);
    if (!code)
        train_result_note(training->result,
                          count > 0 ? "The weights of the orders were fitted to the "
                                      "validation part"
                                    : "The weights of the orders were fitted by leaving "
                                      "out each token of the corpus in turn");
    return code;
}

static enum err choose_rules(struct training *training)
{
    struct rules *rules = &training->rules;
    const struct levels *levels = &training->levels;
    const struct params *params = &training->spec->params;
    const struct note note = {training, say};
    rules_init(rules, (enum smoothing)params_number(params, "smoothing"));
    enum err code = ngram_read_prune(params, rules->least, training->info);
    if (code)
        return code;
    switch (rules->smoothing) {
    case SMOOTHING_KNESER_NEY:
        code = levels_count_distinct(&training->levels, training->threads);
        if (!code)
            rules_kneser_ney(rules, levels, &note);
        return code;
    case SMOOTHING_ADDITIVE:
        rules_additive(rules, levels, params_number(params, "delta"));
        return ERR_OK;
    case SMOOTHING_JELINEK_MERCER:
        return weigh_orders(training);
    case SMOOTHING_WITTEN_BELL:
        rules_witten_bell(rules, levels);
        return ERR_OK;
    case SMOOTHING_KATZ:
        rules_katz(rules, levels, &note);
        return ERR_OK;
    case SMOOTHING_MLE:
        break;
    }
    return ERR_OK;
}

static void report_discounts(struct training *training)
{
    char name[48];
    if (training->rules.smoothing != SMOOTHING_KNESER_NEY)
        return;
    for (unsigned k = 1; k <= training->order; k++)
        for (unsigned c = 1; c <= 3 && (k == training->order || c == 1); c++) {
            snprintf(name, sizeof name, "discount_%u_%u", k, c);
            train_result_metric(training->result, name,
                                training->rules.at[k].subtract[c]);
        }
}

static enum err smooth(struct training *training)
{
    enum err code = report(training, 0.6, "estimating");
    if (!code)
        code = choose_rules(training);
    if (!code && training->compact)
        code = compact_quantise(&training->rules, &training->levels, training->values);
    if (code == ERR_LIMIT)
        (void)err_set(training->info, code,
                      "The model is too large for the compact form");
    if (!code)
        code = estimate(&training->rules, &training->levels, training->threads);
    if (!code && training->rules.least[training->order - 1] > 0)
        code = levels_prune(&training->levels, training->rules.least);
    if (code)
        return code;
    for (unsigned k = 1; k <= training->order; k++) {
        char name[48];
        snprintf(name, sizeof name, "ngrams_%u", k);
        train_result_metric(training->result, name, (double)training->levels.at[k].count);
        training->result->parameters += training->levels.at[k].count;
    }
    report_discounts(training);
    training->result->vocab_size = training->levels.vocab_size;
    return report(training, 0.7, "estimating");
}

/* ---- the file ---- */

static enum err write_model(struct training *training, struct artefact_writer *writer)
{
    bool uniform = training->rules.remainder == REMAINDER_UNIFORM;
    enum err code =
        model_write_head(writer, training->spec, training->tokenizer, training->vocab);
    if (!code)
        code = shape_write(writer, &training->levels,
                           training->compact ? FORM_COMPACT : FORM_FAST, uniform);
    if (!code)
        code = training->compact ? compact_write(writer, &training->levels,
                                                 &training->rules, training->values)
                                 : fast_write(writer, &training->levels);
    if (!code)
        code = model_write_result(writer, training->result);
    return code ? code : artefact_finish(writer);
}

static enum err evaluate_and_write(struct training *training,
                                   const struct writer *artefact)
{
    struct levels_lm lm;
    levels_lm_init(&lm, &training->levels,
                   training->rules.remainder == REMAINDER_UNIFORM);
    enum err code = train_evaluate(&lm.lm, training->tokenizer, training->vocab,
                                   training->input->valid, training->threads,
                                   training->progress, training->result);
    struct artefact_writer *writer = NULL;
    if (!code)
        code = artefact_begin(artefact, "ngram", &writer);
    if (!code)
        code = write_model(training, writer);
    artefact_writer_free(writer);
    return code;
}

enum err ngram_train(const struct train_spec *spec, const struct train_input *input,
                     const struct progress *progress, const struct writer *artefact,
                     struct train_result *result, struct err_info *info)
{
    struct training training = {.spec = spec,
                                .input = input,
                                .progress = progress,
                                .result = result,
                                .info = info,
                                .order = (unsigned)params_number(&spec->params, "order"),
                                .threads = train_threads(spec),
                                .compact = params_boolean(&spec->params, "compact")};
    uint32_t least[NGRAM_ORDER_MAX];
    enum err code = ngram_read_prune(&spec->params, least, info);
    if (!code)
        code = tokenizer_train(&spec->tokenizer, input->text, progress,
                               &training.tokenizer, info);
    if (!code)
        code = vocab_build(training.tokenizer, input->text, training.threads, progress,
                           &training.vocab, info);
    if (!code)
        code = count_corpus(&training);
    if (!code)
        code = smooth(&training);
    if (!code)
        code = evaluate_and_write(&training, artefact);
    levels_fini(&training.levels);
    vocab_free(training.vocab);
    tokenizer_free(training.tokenizer);
    return err_finish(info, code);
}

enum err ngram_load(struct model *model, const struct artefact *artefact,
                    struct err_info *info)
{
    struct shape shape;
    enum err code = shape_read(artefact, &shape, info);
    if (code)
        return code;
    return shape.form == FORM_COMPACT ? compact_load(artefact, &shape, &model->lm, info)
                                      : fast_load(artefact, &shape, &model->lm, info);
}
