/* SPDX-License-Identifier: MIT */
/* Scoring a text of any length line by line, each line one segment, in bounded memory. */
#ifndef FIRTH_MODEL_LM_SCORE_STREAM_H
#define FIRTH_MODEL_LM_SCORE_STREAM_H

#include <stdint.h>

#include "base/err.h"
#include "base/stream.h"
#include "model/lm/infer_score.h"

#define SCORE_LINE_MAX (64u << 20) /* bytes of one line */

struct score_line {
    uint64_t number;  /* from 1 */
    struct span text; /* without its line end */
    const struct score_result *result;
};

/* Reads lines to the end and tells `each` of every one (empty ones too: </s> alone);
 * `each` may be NULL when only the totals matter, which is faster. A code other than
 * ERR_OK from `each` ends the run and is returned. ERR_BAD_UTF8 and ERR_LIMIT say where.
 */
MUST_CHECK enum err
score_stream(const struct target *target, const struct score_options *options,
             const struct reader *from,
             enum err (*each)(void *context, const struct score_line *line),
             void *context, struct score_sums *total, struct err_info *info);

#endif
