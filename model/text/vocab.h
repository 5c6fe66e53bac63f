/* SPDX-License-Identifier: MIT */
/* The vocabulary: token ids 0 … size-1, in falling count after the three reserved ones.
 * Immutable once made; shared by threads. */
#ifndef FIRTH_MODEL_TEXT_VOCAB_H
#define FIRTH_MODEL_TEXT_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "model/text/tokenizer.h"

enum { VOCAB_UNK = 0, VOCAB_BOS = 1, VOCAB_EOS = 2, VOCAB_RESERVED = 3 };
#define VOCAB_SIZE_MAX (1u << 30)

struct vocab;
struct buffer;

/* Counts the tokens of `text` (on `threads` threads) and keeps those the settings keep.
 * A literal "<unk>" in the text is counted as VOCAB_UNK itself; the counts of dropped
 * words are added to it. "<s>" and "</s>" in the text are ordinary text and become
 * VOCAB_UNK. ERR_EMPTY_CORPUS when there is no token. New; free with vocab_free. */
MUST_CHECK enum err vocab_build(const struct tokenizer *tokenizer, struct span text,
                                unsigned threads, const struct progress *progress,
                                struct vocab **out, struct err_info *info);

/* A vocabulary from a list of words that may not repeat (imports); the reserved three
 * are added when missing and moved to the front. `counts` may be NULL. */
MUST_CHECK enum err vocab_from_words(const struct span *words, const uint64_t *counts,
                                     size_t count, struct vocab **out,
                                     struct err_info *info);
void vocab_free(struct vocab *vocab);

uint32_t vocab_size(const struct vocab *vocab);
uint32_t vocab_id(const struct vocab *vocab, struct span word); /* VOCAB_UNK if absent */
struct span vocab_word(const struct vocab *vocab, uint32_t id); /* id < size; borrowed */
uint64_t vocab_count(const struct vocab *vocab, uint32_t id);

/* Up to `most` words nearest to `word` in spelling (for error messages); their ids. */
size_t vocab_near_spellings(const struct vocab *vocab, struct span word, uint32_t *ids,
                            size_t most);

MUST_CHECK enum err vocab_save(const struct vocab *vocab, struct buffer *bytes);
/* Reads what vocab_save wrote; `bytes` is borrowed and must outlive the vocabulary. */
MUST_CHECK enum err vocab_load(struct span bytes, struct vocab **out,
                               struct err_info *info);

/* Text to ids in blocks, for corpora of any size: each segment's tokens followed by
 * VOCAB_EOS. This is the fast path: no allocation a token. One thread an encoder. */
struct encoder;
MUST_CHECK enum err encoder_new(const struct tokenizer *tokenizer,
                                const struct vocab *vocab, struct span text,
                                struct encoder **out);
void encoder_free(struct encoder *encoder);

/* Fills ids[most]; *count 0 means the end. */
MUST_CHECK enum err encoder_next(struct encoder *encoder, uint32_t *ids, size_t most,
                                 size_t *count);

/* Byte position reached in the text, for progress. */
size_t encoder_position(const struct encoder *encoder);

/* Cuts `text` into `parts` pieces at segment boundaries (a line end, or a blank line for
 * documents), of about equal size; pieces may be empty. Their concatenation is `text`. */
void text_split(const struct tokenizer_settings *settings, struct span text,
                unsigned parts, struct span *pieces);

/* One inference input as ids. */
struct token_list {
    uint32_t *ids;   /* [count] */
    size_t *offsets; /* [count] byte offsets in the input */
    uint8_t *oov;    /* [count] 1: the word is not in the vocabulary */
    size_t count, capacity;
};
/* Encodes `text` as one segment, without <s> and </s>; replaces the list's content. */
MUST_CHECK enum err token_list_encode(struct token_list *list,
                                      const struct tokenizer *tokenizer,
                                      const struct vocab *vocab, struct span text);
void token_list_fini(struct token_list *list);

#endif
