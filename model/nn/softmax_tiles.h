/* SPDX-License-Identifier: MIT */
/* Softmaxes with cross-entropy over any classes, side by side: the engine below all
 * output layers. */
#ifndef FIRTH_MODEL_NN_SOFTMAX_TILES_H
#define FIRTH_MODEL_NN_SOFTMAX_TILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TILES_SEGMENTS_MAX 2u
#define TILES_PARTS_MAX 9u

/* Classes whose parameters lie together. */
struct tiles_segment {
    size_t count;
    const float *weights, *bias; /* [count][size], [count] */
    float *dweights, *dbias;     /* set; NULL without gradients */
};

/* One softmax: `rows` hidden vectors against the classes of its segments, numbered
 * through. */
struct tiles_part {
    size_t rows, size, segment_count;
    struct tiles_segment segments[TILES_SEGMENTS_MAX];
    const float *hidden;     /* [rows][size] */
    const uint32_t *targets; /* [rows] classes */
    float *logprobs;         /* [rows] out: log p(target) */
    float *dhidden;          /* [rows][size] set; NULL: no gradients */
    float scale;             /* of the gradients: one over the rows of the batch */
    /* [rows] logits of targets that are not among the classes, or NULL. Then the class
     * targets[row] is left out of the row (any number beyond: none is), and own[row]
     * becomes the gradient of the logit. */
    float *own;
};

struct tiles;

MUST_CHECK enum err tiles_new(unsigned threads, struct tiles **out);
void tiles_free(struct tiles *tiles);

/* Runs all parts at once; either all or none want gradients. The workspace grows to what
 * the largest run needs. The same number of threads gives the same bits. */
MUST_CHECK enum err tiles_run(struct tiles *tiles, struct tiles_part *parts,
                              size_t count);

#endif
