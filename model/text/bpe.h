/* SPDX-License-Identifier: MIT */
/* Byte-level byte-pair encoding (Sennrich et al. 2016, on bytes): a text is cut into
 * pieces, a piece into bytes, and neighbours are merged in the order in which merging
 * them was learned. Every byte is a token, so every text has an encoding, and the tokens
 * of a text put together are the text. Immutable once made. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_BPE_H
#define FIRTH_MODEL_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "model/text/tokenizer.h"

#define BPE_BYTES 256u /* the first tokens: all bytes */
#define BPE_DEFAULT_TOKENS 8000u
#define BPE_TOKENS_MAX (1u << 20)
#define BPE_TOKEN_SIZE_MAX 64u /* bytes; longer tokens are not learned */
#define BPE_PIECE_MAX 128u     /* bytes; no merge crosses pieces */

struct bpe;
struct buffer;

/* ERR_INVALID when `max_vocab` is no size for a vocabulary of pieces. */
MUST_CHECK enum err bpe_check(const struct tokenizer_settings *settings,
                              struct err_info *info);

/* New; learns the merges of `text`, cut as the settings say. */
MUST_CHECK enum err bpe_train(const struct tokenizer_settings *settings, struct span text,
                              const struct progress *progress, struct bpe **out,
                              struct err_info *info);
void bpe_free(struct bpe *bpe);

MUST_CHECK enum err bpe_save(const struct bpe *bpe, struct buffer *bytes);
/* Reads what bpe_save wrote: all of `bytes`, nothing trusted. New. */
MUST_CHECK enum err bpe_load(struct span bytes, struct bpe **out, struct err_info *info);

uint32_t bpe_token_count(const struct bpe *bpe);
struct span bpe_token(const struct bpe *bpe, uint32_t token); /* borrowed */

/* The size of the piece at the start of `text` (size > 0), at most BPE_PIECE_MAX. */
size_t bpe_piece(struct span text);

/* Encodes one piece: sizes[0 … count-1] of its tokens, which follow one another. */
size_t bpe_encode(const struct bpe *bpe, struct span piece, uint8_t *sizes);

#endif
