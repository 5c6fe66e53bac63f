/* SPDX-License-Identifier: MIT */
/* Checked allocation: every product of sizes in the project that can be large goes
 * through memory_multiply, so a hostile or absurd size becomes a clean error. */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

bool memory_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

bool memory_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* Tables and parameters are read here and there: with pages of 4 KiB most of such reads
 * miss the processor's table of pages, too. Only a wish, so its answer does not matter.
 */
static void *prefer_huge_pages(void *block, size_t size)
{
    if (block && size >= (size_t)2 * HUGE_PAGE) {
        char *start = block;
        size_t skip = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
        (void)madvise(start + skip, (size - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    }
    return block;
}

void *memory_new_array(size_t count, size_t item_size)
{
    void *block = calloc(count ? count : 1, item_size ? item_size : 1);
    return prefer_huge_pages(block, count * item_size);
}

void *memory_new_unset(size_t count, size_t item_size)
{
    size_t size;
    if (!memory_multiply(count, item_size, &size) ||
        !memory_add(size, MEMORY_ALIGNMENT, &size))
        return NULL;
    size -= size % MEMORY_ALIGNMENT;
    if (size == 0)
        size = MEMORY_ALIGNMENT;
    return prefer_huge_pages(aligned_alloc(MEMORY_ALIGNMENT, size), size);
}

void *memory_new_aligned(size_t count, size_t item_size)
{
    void *block = memory_new_unset(count, item_size);
    if (block)
        memset(block, 0, count * item_size);
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
