/* SPDX-License-Identifier: MIT */
/* An examination of a model: which measure, of which text, how. The same structure comes
 * from a request that is answered at once and from a stored job; its marks are the same
 * numbers either way. */
#ifndef FIRTH_MODEL_EXAM_H
#define FIRTH_MODEL_EXAM_H

#include "base/stream.h"
#include "model/lm/evaluate.h"
#include "model/lm/lm_stream.h"
#include "model/train.h"
#include "model/vectors/measures.h"

struct model;

enum exam_of { EXAM_PERPLEXITY, EXAM_ANALOGIES, EXAM_WORD_PAIRS, EXAM_COUNT };
/* "perplexity", "analogies", "word_pairs" */
extern const char *const exam_names[EXAM_COUNT];

struct exam {
    enum exam_of of;
    char model[NAME_SIZE];
    char corpus[NAME_SIZE];            /* perplexity: the text's name, */
    struct lm_stream_options in_order; /* and what goes on from segment to segment */
    enum analogy_method method;        /* analogies */
    uint32_t rows; /* of vectors: only the most frequent words; 0: all */
    enum { EXAM_LIKE_MODEL, EXAM_AS_IS, EXAM_LOWERCASE } letters; /* of vectors' files */
    unsigned log_base; /* of the printed marks: 2, 10, or 0 for natural logarithms */
    unsigned threads;  /* 0: all cores */
};

/* The text form, "key value" lines. */
struct buffer;
enum err exam_write(const struct exam *exam, struct buffer *text);
MUST_CHECK enum err exam_read(struct exam *exam, struct span text, struct err_info *info);

struct exam_marks {
    enum exam_of of; /* which of these holds */
    struct evaluation perplexity;
    struct measures_analogies analogies;
    struct measures_pairs pairs;
};

/* Examines. `text` is the corpus, the questions or the pairs. ERR_NOT_ABLE when the model
 * cannot do what is measured, ERR_INVALID names a bad line of the text, ERR_CANCELLED. */
MUST_CHECK enum err exam_hold(const struct exam *exam, const struct model *model,
                              struct span text, const struct progress *progress,
                              struct exam_marks *marks, struct err_info *info);

/* What is known of a model without loading it. */
struct exam_candidate {
    const struct kind *kind;
    uint64_t parameters;
    uint32_t vocab_size;
};
/* About how many seconds it takes on one thread: of a text of `bytes`, from the kind's
 * arithmetic; right within a factor of a few. */
double exam_seconds(const struct exam *exam, const struct exam_candidate *candidate,
                    uint64_t bytes);

/* Marks as bytes: an artefact (model/artefact.h) of the kind "exam". */
MUST_CHECK enum err exam_marks_write(const struct exam_marks *marks,
                                     const struct writer *to);
/* `bytes` are borrowed and 64-byte aligned. ERR_BAD_MODEL_FILE. */
MUST_CHECK enum err exam_marks_read(struct span bytes, struct exam_marks *marks,
                                    struct err_info *info);

#endif
