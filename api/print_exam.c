/* SPDX-License-Identifier: MIT */
/* The one frame around the marks of an evaluation; the numbers themselves are printed by
 * print_infer.c and print_vectors.c, as for the command line. */
#include "api/print_exam.h"

#include "api/print_infer.h"
#include "api/print_vectors.h"

void print_exam_order(struct printer *p, const struct exam *exam)
{
    printer_key_text(p, "measure", exam_names[exam->of]);
    if (exam->of == EXAM_ANALOGIES)
        printer_key_text(p, "method", analogy_method_names[exam->method]);
    if (exam->in_order.carry)
        printer_key_flag(p, "carry", true);
    if (exam->in_order.cache.size)
        printer_key_integer(p, "cache_size", (int64_t)exam->in_order.cache.size);
    if (exam->in_order.dynamic.rate > 0)
        printer_key_number(p, "dynamic_rate", exam->in_order.dynamic.rate);
    if (exam->rows)
        printer_key_integer(p, "restrict_vocab", exam->rows);
    if (exam->letters != EXAM_LIKE_MODEL)
        printer_key_flag(p, "lowercase", exam->letters == EXAM_LOWERCASE);
}

void print_exam(struct printer *p, const struct exam *exam, const char *corpus_sha256,
                const struct exam_marks *marks)
{
    const struct log_base base = log_base_of((int)exam->log_base);
    if (exam->of == EXAM_PERPLEXITY)
        print_log_base(p, &base);
    printer_key(p, exam_names[exam->of]);
    printer_open(p, '{');
    if (marks->of == EXAM_PERPLEXITY) {
        printer_key_text(p, "corpus", exam->corpus);
        printer_key_text(p, "corpus_sha256", corpus_sha256);
        print_evaluation(p, &marks->perplexity, &base);
    } else if (marks->of == EXAM_ANALOGIES) {
        print_measured_analogies(p, &marks->analogies);
    } else {
        print_measured_pairs(p, &marks->pairs);
    }
    printer_close(p, '}');
}
