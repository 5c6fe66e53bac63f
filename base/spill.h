/* SPDX-License-Identifier: MIT */
/* Temporary space on disk for work that is larger than memory: an unnamed file that grows
 * by appending and vanishes when closed, however the process ends. */
#ifndef FIRTH_BASE_SPILL_H
#define FIRTH_BASE_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/stream.h"

struct spill;

/* New empty spill in `directory` (NULL: the system's temporary folder). */
MUST_CHECK enum err spill_open(const char *directory, struct spill **out);
void spill_close(struct spill *spill);

/* Appends through a buffer of its own; not for two threads at once. */
MUST_CHECK enum err spill_append(struct spill *spill, const void *bytes, size_t size);
struct writer spill_writer(struct spill *spill);
uint64_t spill_size(const struct spill *spill);

/* Reads up to `size` bytes at `offset`; safe from several threads once writing ended. */
MUST_CHECK enum err spill_read(struct spill *spill, uint64_t offset, void *bytes,
                               size_t size, size_t *got);

/* Maps the whole content read-only; valid until spill_close. An empty spill gives an
 * empty span. */
MUST_CHECK enum err spill_map(struct spill *spill, struct span *content);

/* Makes the content `size` bytes long (no less than it is; new ones are zero) and maps it
 * for reading and writing, valid until spill_close: memory that may leave for the disk
 * when it is short. The space is reserved now, so that a full disk is an error here and
 * no signal later. Nothing may be appended afterwards. */
MUST_CHECK enum err spill_map_writable(struct spill *spill, uint64_t size, void **bytes);

/* The file descriptor (borrowed), flushed, to be handed to a child process; -1 on error.
 */
int spill_fd(struct spill *spill);

#endif
