/* SPDX-License-Identifier: MIT */
/* Tiny corpora and the plainest possible n-gram models of them: every number is found by
 * reading the corpus again. Slow, and independent of how the library does it. */
#ifndef FIRTH_TESTS_NGRAM_NAIVE_H
#define FIRTH_TESTS_NGRAM_NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/lm/lm.h"
#include "model/ngram/levels.h"
#include "model/ngram/smoothing.h"

struct corpus {
    uint32_t *ids; /* [count] words, each segment ended by </s>, without <s> */
    size_t count;
    uint32_t vocab_size;
};

/* Random segments with few words and steep frequencies; same seed, same corpus. */
struct corpus corpus_random(uint64_t seed, size_t segments, uint32_t vocab_size);
void corpus_free(struct corpus *corpus);

/* Levels of it by the library's counter. */
struct levels corpus_levels(const struct corpus *corpus, unsigned order, unsigned threads,
                            uint64_t memory_bytes);

struct naive {
    const struct corpus *corpus;
    enum smoothing smoothing;
    unsigned order;
    double delta;
    uint32_t least[NGRAM_ORDER_MAX];
    const struct rules *rules; /* discounts of methods that estimate them, weights */
};

/* Occurrences of words[count]; <s> stands before every segment. */
size_t naive_count(const struct corpus *corpus, const uint32_t *words, size_t count);

/* p(word | context[count]); only the last order - 1 words of the context count. */
double naive_prob(const struct naive *naive, const uint32_t *context, size_t count,
                  uint32_t word);

/* Rules of a method for these levels. `least` may be NULL; `say` may be NULL. */
struct rules naive_rules(enum smoothing smoothing, struct levels *levels, double delta,
                         const uint32_t *least, void (*say)(void *, const char *));

/* Writes levels with probabilities in a form and loads it; free with made_free. */
struct made {
    struct lm *lm;
    void *bytes;
    struct artefact *artefact;
};
struct made make_fast(const struct levels *levels, const struct rules *rules);
void made_free(struct made *made);

/* The state of `lm` after context[count], which starts with <s> or not. `state` is
 * 64-byte aligned. */
void lm_state_after(const struct lm *lm, const uint32_t *context, size_t count,
                    void *state);

#endif
