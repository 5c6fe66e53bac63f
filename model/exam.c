/* SPDX-License-Identifier: MIT */
/* One way to measure a model, whoever asks. What it costs is told beforehand from what
 * the model's kind does with a token: an n-gram model looks up a few memory lines, a
 * neural one multiplies by each of its parameters once, an analogy compares one vector
 * with every row. */
#include "model/exam.h"

#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/parallel.h"
#include "model/lm/target.h"
#include "model/model.h"
#include "model/spec_text.h"

static const double BYTES_A_TOKEN = 5, BYTES_A_QUESTION = 28;
/* Of one thread, measured on cores of 2023; see exam_seconds. */
static const double NGRAM_TOKEN_S = 1e-6, OPERATIONS_A_SECOND = 2e10;

const char *const exam_names[EXAM_COUNT] = {"perplexity", "analogies", "word_pairs"};
static const char *const letters_names[] = {"model", "as_is", "lowercase"};

enum err exam_write(const struct exam *exam, struct buffer *text)
{
    (void)buffer_printf(text, "of %s\nmodel %s\ncorpus %s\nmethod %s\n",
                        exam_names[exam->of], exam->model, exam->corpus,
                        analogy_method_names[exam->method]);
    (void)buffer_printf(text,
                        "rows %" PRIu32 "\nletters %s\nlog_base %u\n"
                        "threads %u\n",
                        exam->rows, letters_names[exam->letters], exam->log_base,
                        exam->threads);
    const struct lm_stream_options *order = &exam->in_order;
    (void)buffer_printf(
        text, "carry %s\ncache.size %zu\ncache.theta %.17g\ncache.weight %.17g\n",
        order->carry ? "true" : "false", order->cache.size, order->cache.theta,
        order->cache.weight);
    (void)buffer_printf(text,
                        "dynamic.rate %.17g\ndynamic.decay %.17g\ndynamic.steps %u\n",
                        order->dynamic.rate, order->dynamic.decay, order->dynamic.steps);
    return text->failed;
}

static bool read_order(struct lm_stream_options *order, const char *key,
                       const char *value)
{
    uint32_t size = 0;
    if (strcmp(key, "carry") == 0)
        return spec_text_boolean(value, &order->carry);
    if (strcmp(key, "cache.size") == 0) {
        bool good = spec_text_u32(value, &size);
        order->cache.size = size;
        return good;
    }
    if (strcmp(key, "cache.theta") == 0)
        return spec_text_amount(value, &order->cache.theta);
    if (strcmp(key, "cache.weight") == 0)
        return spec_text_amount(value, &order->cache.weight);
    if (strcmp(key, "dynamic.rate") == 0)
        return spec_text_amount(value, &order->dynamic.rate);
    if (strcmp(key, "dynamic.decay") == 0)
        return spec_text_amount(value, &order->dynamic.decay);
    return strcmp(key, "dynamic.steps") == 0 &&
           spec_text_u32(value, &order->dynamic.steps);
}

static bool read_fact(struct exam *exam, const struct spec_line *line)
{
    const char *key = line->key, *value = line->value;
    unsigned index = 0;
    bool good = true;
    if (strcmp(key, "of") == 0) {
        good = spec_text_word(value, exam_names, EXAM_COUNT, &index);
        exam->of = good ? (enum exam_of)index : EXAM_PERPLEXITY;
    } else if (strcmp(key, "method") == 0) {
        good = spec_text_word(value, analogy_method_names, ANALOGY_METHOD_COUNT, &index);
        exam->method = good ? (enum analogy_method)index : ANALOGY_ADD;
    } else if (strcmp(key, "letters") == 0) {
        good = spec_text_word(value, letters_names, 3, &index);
        exam->letters = good ? index : EXAM_LIKE_MODEL;
    } else if (strcmp(key, "model") == 0) {
        good = spec_text_name(value, exam->model, sizeof exam->model);
    } else if (strcmp(key, "corpus") == 0) {
        good = spec_text_name(value, exam->corpus, sizeof exam->corpus);
    } else if (strcmp(key, "rows") == 0) {
        good = spec_text_u32(value, &exam->rows);
    } else if (strcmp(key, "log_base") == 0) {
        good = spec_text_u32(value, &exam->log_base);
    } else if (strcmp(key, "threads") == 0) {
        good = spec_text_u32(value, &exam->threads);
    } else {
        good = read_order(&exam->in_order, key, value);
    }
    return good;
}

enum err exam_read(struct exam *exam, struct span text, struct err_info *info)
{
    struct spec_line line;
    *exam = (struct exam){0};
    while (spec_text_next(&text, &line))
        if (!read_fact(exam, &line))
            return err_set(info, ERR_INVALID,
                           "The order of an evaluation has an unusable line \"%.60s "
                           "%.60s\"",
                           line.key, line.value);
    return ERR_OK;
}

/* ---- holding ---- */

static enum err measure_text(const struct exam *exam, const struct model *model,
                             struct span text, const struct progress *progress,
                             struct exam_marks *marks, struct err_info *info)
{
    struct target target = {0};
    unsigned threads = exam->threads ? exam->threads : parallel_cores();
    enum err code = target_of_model(model, &target, info);
    if (!code)
        code = lm_stream_check(target.lm, &exam->in_order, "/perplexity", info);
    if (!code)
        code = evaluate_in_order(target.lm, target.tokenizer, target.vocab, text,
                                 &exam->in_order, threads, progress, &marks->perplexity);
    target_fini(&target);
    return code;
}

static enum err measure_vectors(const struct exam *exam, const struct model *model,
                                struct span text, const struct progress *progress,
                                struct exam_marks *marks, struct err_info *info)
{
    enum err code = model_need_vectors(model, info);
    if (code)
        return code;
    bool lowercase = exam->letters == EXAM_LIKE_MODEL
                         ? tokenizer_get_settings(model->tokenizer)->lowercase
                         : exam->letters == EXAM_LOWERCASE;
    const struct measures_options options = {.method = exam->method,
                                             .rows = exam->rows,
                                             .lowercase = lowercase,
                                             .threads = exam->threads};
    return exam->of == EXAM_ANALOGIES
               ? measures_analogies(model->vectors, text, &options, progress,
                                    &marks->analogies, info)
               : measures_pairs(model->vectors, text, &options, &marks->pairs, info);
}

enum err exam_hold(const struct exam *exam, const struct model *model, struct span text,
                   const struct progress *progress, struct exam_marks *marks,
                   struct err_info *info)
{
    memset(marks, 0, sizeof *marks);
    marks->of = exam->of;
    enum err code = exam->of == EXAM_PERPLEXITY
                        ? measure_text(exam, model, text, progress, marks, info)
                        : measure_vectors(exam, model, text, progress, marks, info);
    return code ? err_finish(info, code) : ERR_OK;
}

double exam_seconds(const struct exam *exam, const struct exam_candidate *candidate,
                    uint64_t bytes)
{
    double size = (double)bytes, operations = 2 * (double)candidate->parameters;
    if (exam->of == EXAM_PERPLEXITY) {
        bool looks_up = candidate->kind && strcmp(candidate->kind->name, "ngram") == 0;
        double token = looks_up ? NGRAM_TOKEN_S : operations / OPERATIONS_A_SECOND;
        return size / BYTES_A_TOKEN * token;
    }
    if (exam->of == EXAM_WORD_PAIRS)
        return size * 1e-7;
    double share = exam->rows && exam->rows < candidate->vocab_size
                       ? (double)exam->rows / candidate->vocab_size
                       : 1;
    return size / BYTES_A_QUESTION * operations * share / OPERATIONS_A_SECOND;
}
