/* SPDX-License-Identifier: MIT */
/* The one mapping from answers of word vectors to JSON. Scores are floats and printed as
 * such; a vector is printed number by number in the fewest digits that read back to the
 * same float, or as base64 of its bytes, which is exact and a third of the size. */
#include "api/print_vectors.h"

#include <math.h>
#include <string.h>

#include "api/print_infer.h"

static void print_words(struct printer *p, const struct vectors *vectors,
                        const char *score, const struct neighbour *found, size_t count,
                        bool counts)
{
    printer_open(p, '[');
    for (size_t i = 0; i < count; i++) {
        printer_open(p, '{');
        printer_key(p, "word");
        printer_span(p, vectors_word(vectors, found[i].row));
        printer_key(p, score);
        printer_float(p, found[i].score);
        printer_key_integer(p, "rank", (int64_t)i + 1);
        if (counts)
            printer_key_integer(p, "count",
                                (int64_t)vectors_count_of(vectors, found[i].row));
        printer_close(p, '}');
    }
    printer_close(p, ']');
}

void print_neighbors(struct printer *p, const struct vectors *vectors, enum metric metric,
                     const struct neighbour *found, size_t count)
{
    printer_key(p, "neighbors");
    print_words(p, vectors, metric == METRIC_EUCLIDEAN ? "distance" : "similarity", found,
                count, true);
}

void print_analogy_answers(struct printer *p, const struct vectors *vectors,
                           const struct neighbour *found, size_t count)
{
    printer_key(p, "answers");
    print_words(p, vectors, "similarity", found, count, false);
}

void print_similarity(struct printer *p, const struct similarity *similarity)
{
    print_finite(p, "cosine", similarity->has_cosine ? similarity->cosine : (double)NAN);
    print_finite(p, "dot", similarity->dot);
    print_finite(p, "euclidean", similarity->euclidean);
}

static const char DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* A number's bytes, lowest first, on whatever machine. */
static unsigned char byte_of(const float *vector, size_t at)
{
    uint32_t bits;
    memcpy(&bits, vector + at / 4, sizeof bits);
    return (unsigned char)(bits >> (8 * (at % 4)));
}

static void print_base64(struct printer *p, const float *vector, uint32_t dim)
{
    size_t size = (size_t)dim * 4;
    struct buffer *out = p->out;
    printer_text(p, ""); /* the comma that is due, and two quotes to write between */
    if (out->failed)
        return;
    out->size--;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)byte_of(vector, i) << 16;
        if (i + 1 < size)
            group |= (uint32_t)byte_of(vector, i + 1) << 8;
        if (i + 2 < size)
            group |= byte_of(vector, i + 2);
        char text[4] = {DIGITS[group >> 18], DIGITS[group >> 12 & 63],
                        i + 1 < size ? DIGITS[group >> 6 & 63] : '=',
                        i + 2 < size ? DIGITS[group & 63] : '='};
        (void)buffer_append(out, text, sizeof text);
    }
    (void)buffer_append_char(out, '"');
}

void print_vector(struct printer *p, const float *vector, uint32_t dim, bool base64)
{
    if (base64) {
        print_base64(p, vector, dim);
        return;
    }
    printer_open(p, '[');
    for (uint32_t i = 0; i < dim; i++)
        printer_float(p, vector[i]);
    printer_close(p, ']');
}

static void print_section(struct printer *p, const struct measures_section *section,
                          bool named)
{
    printer_open(p, '{');
    if (named)
        printer_key_text(p, "name", section->name);
    printer_key_integer(p, "asked", (int64_t)section->asked);
    printer_key_integer(p, "right", (int64_t)section->right);
    printer_key_integer(p, "skipped", (int64_t)section->skipped);
    print_finite(p, "accuracy",
                 section->asked ? (double)section->right / (double)section->asked
                                : (double)NAN);
    printer_close(p, '}');
}

void print_measured_analogies(struct printer *p,
                              const struct measures_analogies *measured)
{
    printer_key(p, "sections");
    printer_open(p, '[');
    for (size_t i = 0; i < measured->section_count; i++)
        print_section(p, &measured->sections[i], true);
    printer_close(p, ']');
    printer_key(p, "semantic");
    print_section(p, &measured->semantic, false);
    printer_key(p, "syntactic");
    print_section(p, &measured->syntactic, false);
    printer_key(p, "total");
    print_section(p, &measured->total, false);
}

void print_measured_pairs(struct printer *p, const struct measures_pairs *measured)
{
    printer_key_integer(p, "pairs", (int64_t)measured->pairs);
    printer_key_integer(p, "skipped", (int64_t)measured->skipped);
    print_finite(p, "spearman", measured->spearman);
    print_finite(p, "pearson", measured->pearson);
}
