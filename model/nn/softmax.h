/* SPDX-License-Identifier: MIT */
/* Output layers: from hidden vectors to the probability of the next token. A kind is a
 * row of one table; where its tensors lie in the model's block is a layout. Loss and
 * gradients are of the mean over the rows of a batch. */
#ifndef FIRTH_MODEL_NN_SOFTMAX_H
#define FIRTH_MODEL_NN_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The order of SOFTMAX_NAMES. */
enum softmax_kind {
    SOFTMAX_FULL,     /* the whole vocabulary */
    SOFTMAX_ADAPTIVE, /* a head, and clusters of rare words behind it */
    SOFTMAX_SAMPLED,  /* trained on a sample of the vocabulary, used as the full one */
    SOFTMAX_KIND_COUNT
};
#define SOFTMAX_NAMES "full|adaptive|sampled"

#define SOFTMAX_CLUSTERS_MAX 8u
#define SOFTMAX_NOWHERE SIZE_MAX
#define SOFTMAX_NO_WORD UINT32_MAX

/* Words first … end-1. A cluster with a projection sees `width` numbers made from the
 * hidden vector by it; one without sees the hidden vector itself. */
struct softmax_cluster {
    uint32_t first, end;
    size_t width;
    size_t weights_at;    /* [end - first][width] */
    size_t projection_at; /* [width][size], or SOFTMAX_NOWHERE */
    double share;         /* of the running words; 0 when not known */
};

/* Offsets are floats from the start of the block of parameters; the gradient's block is
 * laid out alike. */
struct softmax_layout {
    enum softmax_kind kind;
    uint32_t vocab, never;      /* the word of probability zero, or SOFTMAX_NO_WORD */
    uint32_t shortlist;         /* words of the head, the first ones: all but adaptive */
    size_t size;                /* of a hidden vector */
    size_t weights_at, bias_at; /* [shortlist][size], [vocab] */
    size_t cluster_weights_at, cluster_bias_at; /* [cluster_count][size] and [...] */
    uint32_t cluster_count;
    struct softmax_cluster clusters[SOFTMAX_CLUSTERS_MAX];
    size_t samples; /* the sampled kind's words a batch, on average */
};

/* A batch at the output. hidden and dhidden are [rows][size]; dhidden is set. */
struct softmax_batch {
    size_t rows, size;
    const float *hidden;
    const uint32_t *targets; /* [rows] token ids */
    float *dhidden;          /* NULL: no gradients wanted */
    float *logprobs;         /* [rows] out: log p(target) */
    uint64_t draw;           /* names the sample; same draw, same words */

    /* Out, with gradients. Where the weights' gradient is set: the head's, and those of
     * clusters whose bit is in `active`; when `touched` is not NULL only the rows of
     * these words. All other tensors' gradients are always set. */
    uint32_t active;
    const uint32_t *touched; /* borrowed until the next run; no word twice */
    size_t touched_count;
};

struct softmax;

/* Workspace for batches of at most `rows_max` rows on `threads` threads. The layout is
 * borrowed. `seed`: of the samples. */
MUST_CHECK enum err softmax_new(const struct softmax_layout *layout, size_t rows_max,
                                unsigned threads, uint64_t seed, struct softmax **out);
void softmax_free(struct softmax *softmax);

/* log p of the targets, and with dhidden the gradients, set in the block `gradient`. The
 * same number of threads gives the same bits. Without gradients the log-probabilities are
 * exact; with them those of the sampled kind are estimates. */
MUST_CHECK enum err softmax_run(struct softmax *softmax, const float *values,
                                struct softmax_batch *batch, float *gradient);

/* logprobs[i][vocab]: the exact distributions after hidden[count][size]. */
MUST_CHECK enum err softmax_distribution(const struct softmax_layout *layout,
                                         const float *values, size_t count,
                                         const float *hidden, float *const *logprobs);

/* Sets the biases so that with zero weights the words have their frequencies: counts
 * [vocab], half an occurrence added to each. */
void softmax_start(const struct softmax_layout *layout, const double *counts,
                   float *values);

/* The cluster a word is in, or cluster_count for the head. */
uint32_t softmax_cluster_of(const struct softmax_layout *layout, uint32_t word);

/* Chooses where clusters begin so that the products of a step cost least: cuts[most],
 * rising, from the words' counts[vocab], which should fall. Narrower clusters (widths
 * size, size/reduction, …) cost less. Returns their number, 0 when none pays. */
size_t softmax_cutoffs(const double *counts, uint32_t vocab, double reduction,
                       uint32_t cuts[SOFTMAX_CLUSTERS_MAX]);

/* Multiplications a token forward, and bytes of workspace for `rows` rows. */
double softmax_work(const struct softmax_layout *layout);
double softmax_memory(const struct softmax_layout *layout, double rows);

#endif
