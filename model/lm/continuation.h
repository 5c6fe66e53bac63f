/* SPDX-License-Identifier: MIT */
/* The text of one growing output: tokens go in, text that is final comes out. Private to
 * model/lm. */
#ifndef FIRTH_MODEL_LM_CONTINUATION_H
#define FIRTH_MODEL_LM_CONTINUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/span.h"
#include "model/lm/target.h"

struct continuation {
    const struct target *target;
    const struct span *stops; /* [stop_count] */
    size_t stop_count;
    struct span *window; /* [window_count] the last tokens' texts, borrowed */
    size_t window_count, window_capacity;
    size_t joined;         /* bytes of the window's joined text */
    struct buffer scratch; /* that text */
    struct buffer pending; /* bytes at the end that are no whole character yet */
    struct buffer text;    /* the output */
    size_t told;           /* bytes of it that were handed out */
    bool skip_space;       /* the prompt ended with a space */
    bool stopped;          /* a stop string was found; the text ends before it */
};

/* Begins after the prompt, whose last tokens' texts are prompt[count] (borrowed). */
MUST_CHECK enum err continuation_init(struct continuation *continuation,
                                      const struct target *target,
                                      const struct span *prompt, size_t count,
                                      bool prompt_ends_in_space);
void continuation_fini(struct continuation *continuation);

/* Appends a token. `continuation->stopped` tells whether a stop string was found. */
MUST_CHECK enum err continuation_add(struct continuation *continuation, uint32_t token);

/* No more tokens: what was not a whole character becomes U+FFFD. */
MUST_CHECK enum err continuation_end(struct continuation *continuation);

/* The text that became final since the last call; with `all`, whatever is left. */
struct span continuation_take(struct continuation *continuation, bool all);

#endif
