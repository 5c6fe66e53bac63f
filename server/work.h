/* SPDX-License-Identifier: MIT */
/* What jobs do. The queue, the trainer process and the store treat all jobs alike; where
 * they differ stands in one table of works, a row each. To add a work (diagnostics of an
 * optimisation, say): its order and its answer in model/, a row in work.c, and how its
 * order and answer are shown in api/print_job.c. */
#ifndef FIRTH_SERVER_WORK_H
#define FIRTH_SERVER_WORK_H

#include "model/exam.h"
#include "model/maps/map_order.h"
#include "model/train.h"
#include "server/feed.h"
#include "server/jobs.h"

struct work;

/* What one job is asked, read from its spec. */
struct work_order {
    const struct work *work;
    double checkpoint_every_s; /* 0: the work has no checkpoints to ask for */
    union {
        struct train_spec train;
        struct map_order map;
        struct exam exam;
    } as;
};

struct work {
    const char *name; /* the job's type: "train", "maps", "evaluate" */
    enum work_lane lane;
    bool makes_model; /* what it writes is a model; else it is the job's answer */

    /* Reads the spec's text; *order is zeroed and knows its work. */
    enum err (*read)(struct work_order *order, struct span spec, struct err_info *info);
    /* Which objects of the store the trainer is given; texts borrowed from the order. */
    void (*needs)(const struct work_order *order, struct feed_needs *needs);
    /* Does it, in the trainer's process. Writes one model file or answer. */
    enum err (*run)(const struct work_order *order, const struct train_input *input,
                    const struct progress *progress, const struct writer *output,
                    struct train_result *result, struct err_info *info);
};

/* All works; ends with a NULL name. */
extern const struct work works[];
/* NULL when `table` (works, or a test's own) has none of this name. */
const struct work *work_find(const struct work *table, const char *name);

/* A new order of the named work of `table`, free() it. ERR_INVALID. */
MUST_CHECK enum err work_order_read(const struct work *table, const char *name,
                                    struct span spec, struct work_order **out,
                                    struct err_info *info);

#endif
