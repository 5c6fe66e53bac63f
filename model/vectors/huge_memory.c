/* SPDX-License-Identifier: MIT */
/* The advice must come before the first touch, which is why memory_new_aligned will not
 * do: it zeroes at once. */
#include "model/vectors/huge_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"

static const size_t huge_page = (size_t)1 << 21;

void *huge_memory_new(size_t size)
{
    size_t whole;
    if (!memory_add(size, huge_page - 1, &whole))
        return NULL;
    whole = whole / huge_page * huge_page;
    void *block = aligned_alloc(huge_page, whole ? whole : huge_page);
    if (!block)
        return NULL;
    madvise(block, whole, MADV_HUGEPAGE);
    memset(block, 0, size);
    return block;
}
