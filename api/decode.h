/* SPDX-License-Identifier: MIT */
/* Undoing Content-Encoding gzip and zstd as the bytes stream by. */
#ifndef FIRTH_API_DECODE_H
#define FIRTH_API_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum decode_coding { DECODE_NONE, DECODE_GZIP, DECODE_ZSTD, DECODE_UNKNOWN };

/* The largest window a zstd frame may ask for, as a power of two: 8 MiB, what level 19
 * uses. */
enum { DECODE_ZSTD_WINDOW_LOG = 23 };

struct decoder;

/* The coding a Content-Encoding value names (NULL or "identity": none). */
enum decode_coding decode_coding_of(const char *value);
MUST_CHECK enum err decode_new(enum decode_coding coding, struct decoder **out);
void decode_free(struct decoder *decoder);
/* Decodes from `in` to `out`; *used and *got say how far it came. ERR_SYNTAX for damaged
 * input or a window over the limit. */
MUST_CHECK enum err decode_step(struct decoder *decoder, const void *in, size_t in_size,
                                size_t *used, void *out, size_t out_size, size_t *got,
                                struct err_info *info);
/* True between members or frames: only there may the input end. */
bool decode_is_whole(const struct decoder *decoder);

#endif
