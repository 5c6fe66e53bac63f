/* SPDX-License-Identifier: MIT */
/* Running one function on several threads at once and waiting for all of them. */
#ifndef FIRTH_BASE_PARALLEL_H
#define FIRTH_BASE_PARALLEL_H

#include <stddef.h>

#include "base/err.h"

#define PARALLEL_THREADS_MAX 64u

/* The number of processors this process may use, at least 1. */
unsigned parallel_cores(void);

/* Calls work(context, index, count) once for each index below `count`, each on a thread
 * of its own (index 0 on the caller's). Returns when all have returned; the first error
 * of the lowest index. Where a thread cannot be started the caller does its part, so the
 * result never depends on it. count is at most PARALLEL_THREADS_MAX. */
MUST_CHECK enum err parallel_run(unsigned count,
                                 enum err (*work)(void *context, unsigned index,
                                                  unsigned count),
                                 void *context);

#endif
