/* SPDX-License-Identifier: MIT */
/* A thread that keeps the store's gauges fresh, so that GET /metrics never asks the disk.
 */
#ifndef FIRTH_SERVER_GAUGES_H
#define FIRTH_SERVER_GAUGES_H

#include "base/err.h"
#include "storage/store.h"

struct gauges;
struct metrics;

MUST_CHECK enum err gauges_new(struct store *store, struct metrics *metrics,
                               struct gauges **out);
void gauges_free(struct gauges *gauges);

#endif
