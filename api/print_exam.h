/* SPDX-License-Identifier: MIT */
/* Evaluations as JSON: the same members whether answered at once or by a job. */
#ifndef FIRTH_API_PRINT_EXAM_H
#define FIRTH_API_PRINT_EXAM_H

#include "api/printer.h"
#include "model/exam.h"

/* Members of an open object: what is measured and how. */
void print_exam_order(struct printer *p, const struct exam *exam);
/* Members of an open object: "log_base" where there are logarithms, and "perplexity",
 * "analogies" or "word_pairs". */
void print_exam(struct printer *p, const struct exam *exam, const char *corpus_sha256,
                const struct exam_marks *marks);

#endif
