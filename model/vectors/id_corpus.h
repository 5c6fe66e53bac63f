/* SPDX-License-Identifier: MIT */
/* A corpus as token ids, read once from text and then often: written to temporary space
 * and mapped, so that it may be larger than memory. */
#ifndef FIRTH_MODEL_VECTORS_ID_CORPUS_H
#define FIRTH_MODEL_VECTORS_ID_CORPUS_H

#include "model/text/tokenizer.h"
#include "model/text/vocab.h"
#include "model/train.h"

#define ID_CHUNK_TOKENS ((size_t)1 << 14)

/* A run of whole segments of about ID_CHUNK_TOKENS tokens (one of a very long segment is
 * cut). Segments end with VOCAB_EOS. */
struct id_chunk {
    const uint32_t *ids; /* [count] */
    size_t count;
};

struct id_corpus {
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    uint32_t words;          /* of the vocabulary, without the reserved ones */
    uint64_t *counts;        /* [words] of id VOCAB_RESERVED + i */
    uint64_t tokens;         /* all ids, <unk> and </s> included */
    struct id_chunk *chunks; /* [chunk_count] */
    size_t chunk_count;
    struct spill **spills; /* [spill_count] what the chunks point into */
    unsigned spill_count;
};

/* The text to learn vectors from: the training part and, where it is the end of the same
 * text, the validation part too, since these trainers do not evaluate on it. */
struct span id_corpus_text(const struct train_input *input);

/* The threads a spec asks for: its own number, or as many as there are cores. */
unsigned id_corpus_threads(const struct train_spec *spec);

/* New: learns the tokenizer, counts the words, encodes the text on the spec's threads.
 * ERR_CORPUS_TOO_SMALL when fewer than two words are frequent enough, or no two of them
 * stand in one segment. With `encode` false there are no chunks. */
MUST_CHECK enum err id_corpus_new(const struct train_spec *spec,
                                  const struct train_input *input, bool encode,
                                  const struct progress *progress, struct id_corpus **out,
                                  struct err_info *info);
void id_corpus_free(struct id_corpus *corpus);

#endif
