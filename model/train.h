/* SPDX-License-Identifier: MIT */
/* One training job as the model core sees it: what to learn, from which text, within
 * which budget. The same structure comes from a request, a command line or a stored job;
 * it has one text form, "key value" lines, for all of them. */
#ifndef FIRTH_MODEL_TRAIN_H
#define FIRTH_MODEL_TRAIN_H

#include "model/kinds.h"

#define NAME_SIZE 65 /* a corpus or model name and its NUL */

struct train_spec {
    char model[NAME_SIZE];
    char corpus[NAME_SIZE];
    char valid_corpus[NAME_SIZE]; /* "" when valid_fraction counts */
    double valid_fraction;        /* default 0.05; 0: none */
    const struct kind *kind;
    struct params params;
    struct tokenizer_settings tokenizer;
    uint64_t seed;
    unsigned threads; /* 0: all cores */
    struct {
        double epochs, tokens, seconds; /* 0: not limited (the kind's default) */
    } budget;
    unsigned patience; /* early stopping; 0: none */
    double checkpoint_every_s;
    uint64_t memory_bytes; /* budget of counting; 0: the default of 1 GiB */
    bool replace;          /* an existing model of the name may be replaced */
    char resume_from[40];  /* job id or "" */
};

/* Defaults of a kind. */
void train_spec_init(struct train_spec *spec, const struct kind *kind);

/* Replaces defaults that hang on other parameters by numbers, so that what is shown and
 * stored is what is used. Called once all that is given has been read. */
void train_spec_settle(struct train_spec *spec);

/* Refuses parameters that do not go together; after settling. */
MUST_CHECK enum err train_spec_check(const struct train_spec *spec,
                                     struct err_info *info);

/* The text form, one "key value" a line; read back by train_spec_read. */
struct buffer;
enum err train_spec_write(const struct train_spec *spec, struct buffer *text);
MUST_CHECK enum err train_spec_read(struct train_spec *spec, struct span text,
                                    struct err_info *info);

struct train_input {
    struct span text;   /* the corpus, UTF-8; usually a mapped file */
    struct span valid;  /* the validation corpus, empty when none or a fraction */
    struct span resume; /* a checkpoint to go on from, or empty */
    const char *scratch_directory;          /* where spills may go; NULL: the system's */
    struct span components[PARAM_LIST_MAX]; /* model files of a mixture, in order */
    size_t component_count;
};

#define TRAIN_METRICS_MAX 32

/* What training has to say at its end, by name: "valid_perplexity", "ngrams_3", … */
struct train_result {
    uint64_t parameters;
    uint32_t vocab_size;
    size_t metric_count;
    struct {
        char name[48];
        double value;
    } metrics[TRAIN_METRICS_MAX];
    char notes[1024]; /* sentences for the user, one a line */
};
void train_result_metric(struct train_result *result, const char *name, double value);
void train_result_note(struct train_result *result, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* The result's text form, for the model file and for stores. */
enum err train_result_write(const struct train_result *result, struct buffer *text);
MUST_CHECK enum err train_result_read(struct train_result *result, struct span text,
                                      struct err_info *info);

struct train_estimate {
    uint64_t parameters, bytes, steps, memory_bytes;
    double seconds;
};

/* Splits a validation part off the end of `text` at a segment boundary near
 * `fraction`; both parts point into it. */
void train_split_valid(const struct tokenizer_settings *settings, struct span text,
                       double fraction, struct span *train, struct span *valid);

/* For trainers of language models, called once the model stands in memory and before
 * model_write_result: scores input->valid with it and adds the metrics valid_perplexity,
 * valid_tokens, valid_unk (tokens that are <unk>) and valid_perplexity_no_unk. Does
 * nothing when the validation part is empty. ERR_CANCELLED when told to stop. */
struct lm;
struct vocab;
MUST_CHECK enum err train_evaluate(const struct lm *lm, const struct tokenizer *tokenizer,
                                   const struct vocab *vocab, struct span valid,
                                   unsigned threads, const struct progress *progress,
                                   struct train_result *result);

/* The number of threads a spec asks for: its own, or the cores there are. */
unsigned train_threads(const struct train_spec *spec);

/* Runs the kind's trainer after the checks all kinds share (valid UTF-8 with offset,
 * not empty) and the split: the trainer finds the training part in input->text and the
 * validation part in input->valid. Trainers evaluate on it by train_evaluate. */
MUST_CHECK enum err train_run(const struct train_spec *spec,
                              const struct train_input *input,
                              const struct progress *progress,
                              const struct writer *artefact, struct train_result *result,
                              struct err_info *info);

#endif
