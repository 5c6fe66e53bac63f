/* SPDX-License-Identifier: MIT */
/* Starting and ending trainer processes. */
#ifndef FIRTH_SERVER_SPAWN_H
#define FIRTH_SERVER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "server/feed.h"

#define TRAINER_SOCKET 3 /* the trainer's end; what it reads follows from 4 on */

/* Starts `program --trainer` (NULL: the running program itself) in a process group of its
 * own, with its socket and read-only descriptors of the feed. Call from a thread that
 * outlives the trainer: its end kills the trainer. The caller gets the socket's other
 * end, non-blocking. */
MUST_CHECK enum err spawn_trainer(const char *program, struct feed *feed, pid_t *pid,
                                  int *socket_fd, struct err_info *info);

/* Waits up to `seconds` for the process to end, then kills it; returns its wait status.
 */
int spawn_reap(pid_t pid, double seconds);

/* How many processes the kernel has killed for want of memory since it started. */
unsigned long long spawn_memory_kills(void);

#endif
