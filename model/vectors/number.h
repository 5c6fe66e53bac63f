/* SPDX-License-Identifier: MIT */
/* Decimal numbers in text, read and written the same under every locale. */
#ifndef FIRTH_MODEL_VECTORS_NUMBER_H
#define FIRTH_MODEL_VECTORS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

#define NUMBER_SIZE_MAX 24u

/* Reads the whole of `text` as a number: digits with an optional sign, point and
 * exponent. False when it is anything else, "nan" and "inf" included, or too large for a
 * float; what is too small becomes 0. */
bool number_read(struct span text, float *value);

/* Whether `text`, which number_read refuses, was meant as a number: digits written in
 * another way (1,5) or too large, "nan" or "inf". */
bool number_meant(struct span text);

/* Writes the shortest of 6 to 9 significant digits that read back as the same float, into
 * text[NUMBER_SIZE_MAX]; returns the size. The value must be finite. */
size_t number_write(float value, char *text);

#endif
