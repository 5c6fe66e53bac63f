/* SPDX-License-Identifier: MIT */
/* The compact form in memory, for the files that write, load and query it. */
#ifndef FIRTH_MODEL_NGRAM_COMPACT_H
#define FIRTH_MODEL_NGRAM_COMPACT_H

#include <string.h>

#include "model/ngram/form.h"
#include "model/ngram/smoothing.h"
#include "model/ngram/successors.h"
#include "model/text/vocab.h"

#define COMPACT_VALUES 256u
#define COMPACT_SCAN_MOST 32u /* continuations a context's sums are added up from */
#define COMPACT_ONES 16u      /* contexts from one sample of `ends` to the next */

/* The shares of a context that are not added up from its continuations' codes. */
struct stored_share {
    uint32_t context;
    float factor, left;
};

/* What adding up codes needs, from the rules of a level. */
struct code_tables {
    float discounted[COMPACT_VALUES]; /* a continuation's own part, before the factor */
    float whole[COMPACT_VALUES];      /* its part in the denominator */
    float count[COMPACT_VALUES];
    bool weighted;                    /* the rule's weights are not all 1 */
    float one_factor[COMPACT_VALUES]; /* of a context with one continuation */
    float one_left[COMPACT_VALUES];
};

struct compact_level {
    size_t count;
    const unsigned char *words; /* [count] numbers of `width` bits, and 8 bytes more */
    const uint8_t *codes;       /* [count] of counts */
    const uint64_t *ends;       /* below the highest: for each n-gram a 0 for each of its
                                   continuations, then a 1 */
    uint32_t *samples;          /* where every COMPACT_ONES-th 1 stands */
    const struct stored_share *stored; /* [stored_count] by rising context */
    size_t stored_count;
    uint64_t *marks;      /* a bit for each n-gram: whether its shares are stored */
    uint32_t *ranks;      /* how many are before each 64 of them */
    const float *backoff; /* [count] where the remainder goes to unseen words only */
    struct code_tables tables;
};

struct compact {
    struct lm lm;
    unsigned order, width;
    bool stores_small; /* contexts of any size may have their shares stored */
    enum remainder remainder;
    double uniform;             /* 1 / (vocab_size - 1) */
    const float *word_probs;    /* [vocab_size] */
    const uint32_t *word_begin; /* [vocab_size + 1] */
    struct rules rules;         /* of the levels */
    struct compact_level at[NGRAM_ORDER_MAX + 1];
    struct words words;
};

/* A state: the n-gram of each length that ends the context, as far as they exist and can
 * be continued. */
struct compact_state {
    uint32_t count;
    uint32_t grams[NGRAM_ORDER_MAX - 1]; /* [level - 1] */
};

/* A context ready to be asked. */
struct opened {
    uint32_t begin, end; /* its continuations in the next level */
    float factor, left;
};

extern const struct lm_ops compact_ops;

/* Fills the tables of a level from its rule and the values of the codes. */
void compact_tables(struct code_tables *tables, const struct level_rule *rule,
                    const uint32_t *values);

/* Adds up codes[count] into factor and left; what readers and the writer agree on. */
void compact_share(const struct code_tables *tables, const struct level_rule *rule,
                   const uint8_t *codes, size_t count, float *factor, float *left);

/* Opens n-gram `gram` of level k (below the highest): first where its continuations are,
 * then its shares; or both. */
void compact_range(const struct compact *compact, unsigned k, uint32_t gram,
                   struct opened *opened);
void compact_shares(const struct compact *compact, unsigned k, uint32_t gram,
                    struct opened *opened);
void compact_open(const struct compact *compact, unsigned k, uint32_t gram,
                  struct opened *opened);

/* Where the `rank`-th 1 (from 0) of `ends` stands. */
uint64_t compact_end(const struct compact_level *level, uint64_t rank);

/* The n-gram of level k among begin … end - 1 whose last word is `word`, or UINT32_MAX.
 */
uint32_t compact_find(const struct compact *compact, unsigned k, uint32_t begin,
                      uint32_t end, uint32_t word);

/* p(word | contexts[0 … count - 1]), where contexts[i] is of level i + 1. Fills grams[]
 * with the n-grams of levels 1 … *length that end in `word`; the longest found has
 * *length words, of which those of the highest order are no contexts. */
double compact_prob(const struct compact *compact, const struct opened *contexts,
                    unsigned count, uint32_t word, uint32_t *grams, unsigned *length);

/* The scoring of many segments, in compact_score.c. */
enum err compact_score(const struct lm *lm, struct lm_segment *segments, size_t count);

static inline uint32_t compact_word(const struct compact *compact, unsigned k,
                                    size_t index)
{
    uint64_t bits, at = (uint64_t)index * compact->width;
    memcpy(&bits, compact->at[k].words + at / 8, sizeof bits);
    return (uint32_t)(bits >> at % 8) & (uint32_t)((1u << compact->width) - 1);
}

#endif
