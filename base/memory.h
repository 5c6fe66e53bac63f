/* SPDX-License-Identifier: MIT */
/* Allocation with checked products. A size that overflows fails like memory that is not
 * there: NULL, never a smaller block. */
#ifndef FIRTH_BASE_MEMORY_H
#define FIRTH_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The alignment of memory_new_aligned: a cache line, and an AVX-512 register. */
#define MEMORY_ALIGNMENT 64u

/* False when a * b (or a + b) does not fit; otherwise stores it. */
MUST_CHECK bool memory_multiply(size_t a, size_t b, size_t *product);
MUST_CHECK bool memory_add(size_t a, size_t b, size_t *sum);

/* New zeroed array of count items; NULL when it does not fit or memory is out.
 * Free with free(). A count of 0 gives a pointer that may be freed. */
MUST_CHECK void *memory_new_array(size_t count, size_t item_size);

/* As memory_new_array, aligned to MEMORY_ALIGNMENT. Free with free(). */
MUST_CHECK void *memory_new_aligned(size_t count, size_t item_size);

/* As memory_new_aligned with whatever was there before, for what is filled at once. */
MUST_CHECK void *memory_new_unset(size_t count, size_t item_size);

/* Grows *array (of *capacity items) to hold at least `needed` items, at least doubling.
 * New items are not zeroed. ERR_NO_MEMORY leaves everything as it was. */
MUST_CHECK enum err memory_grow(void *array, size_t *capacity, size_t needed,
                                size_t item_size);

#endif
