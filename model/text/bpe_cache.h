/* SPDX-License-Identifier: MIT */
/* Encodings of pieces met before: running text repeats itself, so most pieces of a corpus
 * need no merging at all. Of fixed size; one thread each. Private to model/text. */
#ifndef FIRTH_MODEL_TEXT_BPE_CACHE_H
#define FIRTH_MODEL_TEXT_BPE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "model/text/bpe.h"

struct bpe_cache;

/* New and empty; NULL when memory is out, which bpe_cache_encode allows. */
struct bpe_cache *bpe_cache_new(void);
void bpe_cache_free(struct bpe_cache *cache);

/* As bpe_encode; cache may be NULL. sizes[BPE_PIECE_MAX] at least; bytes up to
 * `limit` may be read beyond the piece. */
size_t bpe_cache_encode(struct bpe_cache *cache, const struct bpe *bpe, struct span piece,
                        const char *limit, uint8_t *sizes);

#endif
