/* SPDX-License-Identifier: MIT */
/* One tile of a softmax: some of its classes against all rows of its part. */
#ifndef FIRTH_MODEL_NN_SOFTMAX_TILE_H
#define FIRTH_MODEL_NN_SOFTMAX_TILE_H

#include "model/nn/panel.h"
#include "model/nn/softmax_tiles.h"

struct tile {
    struct tiles_part *part;
    const struct tiles_segment *segment;
    size_t at, width;         /* first class within the segment */
    size_t class;             /* the first one's number in the part */
    const float *hidden;      /* panels of the hidden vectors [size][rows] */
    const float *hidden_rows; /* panels of the hidden vectors [rows][size] */
    float *scores;            /* panels of exp(logit - maxima) [width][tile_score_rows] */
    float *maxima;            /* [rows], in whole panels */
    float *sums;              /* [rows], later the factor from score to gradient */
    float *partial;           /* panels [size][rows]: its thread's hidden gradient */
    float *room;              /* [tile_room] of its thread */
    unsigned thread;
};

/* Rows in whole panels. */
size_t tile_rows(const struct tiles_part *part);

/* Rows whose scores are kept: all, or without gradients those of one panel at a time. */
size_t tile_score_rows(const struct tiles_part *part);

/* Floats that tile_differentiate needs of a thread. */
size_t tile_room(const struct tiles_part *part);

/* Fills the panels of a part's hidden vectors: panels[tile_rows][size], and with
 * gradients rows[tile_rows][size in whole panels]. */
void tile_pack_hidden(const struct tiles_part *part, float *panels, float *rows);

/* The number of classes a tile best has. */
size_t tile_width(const struct tiles_part *part);

/* First sweep: the scores with their maxima and sums, and the target's logit in the
 * part's logprobs where it is among the tile's classes. */
void tile_score(const struct tile *tile);

/* Second sweep, the sums having become factors: sets the gradients of the tile's weights
 * and biases, adds to its thread's hidden gradient. */
void tile_differentiate(const struct tile *tile);

#endif
