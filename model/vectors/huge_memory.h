/* SPDX-License-Identifier: MIT */
/* Large matrices whose rows are read in random order. */
#ifndef FIRTH_MODEL_VECTORS_HUGE_MEMORY_H
#define FIRTH_MODEL_VECTORS_HUGE_MEMORY_H

#include <stddef.h>

/* New zeroed memory, aligned to and in huge pages where the system has them, so that an
 * access at random seldom has to look its page up; NULL when there is none. free() it. */
void *huge_memory_new(size_t size);

#endif
