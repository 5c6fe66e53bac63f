/* SPDX-License-Identifier: MIT */
/* "key value" lines, the text form of everything a job is asked: one fact a line, the key
 * up to the first space and the value up to the line's end. Readers of values return
 * false for what is not exactly one. */
#ifndef FIRTH_MODEL_SPEC_TEXT_H
#define FIRTH_MODEL_SPEC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define SPEC_TEXT_KEY_MAX 96u
#define SPEC_TEXT_VALUE_MAX 2048u /* a list of names is the longest */

struct spec_line {
    char key[SPEC_TEXT_KEY_MAX];
    char value[SPEC_TEXT_VALUE_MAX];
};

/* Takes the next line off `text`; false at its end. A line too long for the places above
 * gets an empty key, which nobody knows. */
bool spec_text_next(struct span *text, struct spec_line *line);

bool spec_text_name(const char *value, char *name, size_t size);
bool spec_text_double(const char *value, double *number);
bool spec_text_amount(const char *value, double *number); /* finite, not negative */
bool spec_text_u64(const char *value, uint64_t *number);
bool spec_text_u32(const char *value, uint32_t *number);
bool spec_text_boolean(const char *value, bool *truth);
/* The place of `value` among names[count]. */
bool spec_text_word(const char *value, const char *const *names, unsigned count,
                    unsigned *index);

#endif
