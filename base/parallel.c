/* SPDX-License-Identifier: MIT */
/* Fork-join parallelism for trainers and searches: a few threads for one long call. */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

struct part {
    pthread_t thread;
    bool started;
    enum err (*work)(void *context, unsigned index, unsigned count);
    void *context;
    unsigned index, count;
    enum err result;
};

unsigned parallel_cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1                           ? 1
           : count > (int)PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX
                                               : (unsigned)count;
}

static void *run_part(void *argument)
{
    struct part *part = argument;
    part->result = part->work(part->context, part->index, part->count);
    return NULL;
}

enum err parallel_run(unsigned count,
                      enum err (*work)(void *context, unsigned index, unsigned count),
                      void *context)
{
    struct part parts[PARALLEL_THREADS_MAX];
    if (count == 0 || count > PARALLEL_THREADS_MAX)
        return ERR_INVALID;
    for (unsigned i = 0; i < count; i++)
        parts[i] =
            (struct part){.work = work, .context = context, .index = i, .count = count};
    for (unsigned i = 1; i < count; i++)
        parts[i].started =
            pthread_create(&parts[i].thread, NULL, run_part, &parts[i]) == 0;
    enum err first = ERR_OK;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].started)
            pthread_join(parts[i].thread, NULL);
        else
            run_part(&parts[i]);
        if (!first)
            first = parts[i].result;
    }
    return first;
}
