/* SPDX-License-Identifier: MIT */
/* Checked allocation: every product of sizes in the project that can be large goes
 * through memory_multiply, so a hostile or absurd size becomes a clean error. */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool memory_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

bool memory_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

void *memory_new_array(size_t count, size_t item_size)
{
    return calloc(count ? count : 1, item_size ? item_size : 1);
}

void *memory_new_aligned(size_t count, size_t item_size)
{
    size_t size;
    if (!memory_multiply(count, item_size, &size) ||
        !memory_add(size, MEMORY_ALIGNMENT, &size))
        return NULL;
    size -= size % MEMORY_ALIGNMENT;
    if (size == 0)
        size = MEMORY_ALIGNMENT;
    void *block = aligned_alloc(MEMORY_ALIGNMENT, size);
    if (block)
        memset(block, 0, size);
    return block;
}

enum err memory_grow(void *array, size_t *capacity, size_t needed, size_t item_size)
{
    if (needed <= *capacity)
        return ERR_OK;
    size_t larger = *capacity < SIZE_MAX / 2 ? *capacity * 2 : SIZE_MAX, size;
    if (larger < needed)
        larger = needed;
    if (larger < 8)
        larger = 8;
    if (!memory_multiply(larger, item_size, &size))
        return ERR_NO_MEMORY;
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, size);
    if (!grown)
        return ERR_NO_MEMORY;
    memcpy(array, &grown, sizeof grown);
    *capacity = larger;
    return ERR_OK;
}
