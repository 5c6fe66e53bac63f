/* SPDX-License-Identifier: MIT */
/* Writing the compact form, and the quantisation before it.
 *
 * Counts are what is quantised: 1 … 128 stay exact, larger ones fall into bins of rising
 * width. It happens before estimation, so probabilities, back-off weights and the
 * perplexity reported in training are those of the quantised model. A context's shares
 * can be added up from its continuations' counts; they are stored only where that would
 * be long, or impossible because continuations were pruned. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/ngram/compact.h"
#include "model/ngram/compact_write.h"

enum { EXACT = 128, BYTES_AT_ONCE = 1 << 15 };

/* ---- quantisation ---- */

static void make_values(uint32_t largest, uint32_t *values)
{
    double ratio = largest > EXACT ? (double)largest / EXACT : 1;
    double steps = COMPACT_VALUES - EXACT;
    for (unsigned i = 0; i < COMPACT_VALUES; i++) {
        double bin = i < EXACT ? i + 1.0 : EXACT * pow(ratio, (i - EXACT + 1.0) / steps);
        values[i] = (uint32_t)(bin + 0.5);
    }
}

/* The code whose value is nearest, the smaller of two. */
static uint8_t code_of(const uint32_t *values, uint32_t count)
{
    unsigned low = 0, high = COMPACT_VALUES - 1;
    if (count <= EXACT)
        return (uint8_t)(count ? count - 1 : 0);
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (values[middle] < count)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && count - values[low - 1] <= values[low] - count)
        low--;
    while (low > 0 && values[low - 1] == values[low])
        low--;
    return (uint8_t)low;
}

static uint32_t *counts_of(const struct rules *rules, struct levels *levels, unsigned k)
{
    struct level *level = &levels->at[k];
    return rules->distinct && level->distinct ? level->distinct : level->raw;
}

enum err compact_quantise(const struct rules *rules, struct levels *levels,
                          uint32_t *values)
{
    uint32_t largest = 0;
    for (unsigned k = 2; k <= levels->order; k++) {
        if (levels->at[k - 1].count + levels->at[k].count > UINT32_MAX)
            return ERR_LIMIT;
        const uint32_t *counts = counts_of(rules, levels, k);
        for (size_t i = 0; i < levels->at[k].count; i++)
            largest = counts[i] > largest ? counts[i] : largest;
    }
    make_values(largest, values);
    for (unsigned k = 2; k <= levels->order; k++) {
        uint32_t *counts = counts_of(rules, levels, k);
        for (size_t i = 0; i < levels->at[k].count; i++)
            counts[i] = values[code_of(values, counts[i])];
    }
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k < levels->order; k++)
        code = levels_new_array(levels, k, LEVEL_FACTOR, levels->at[k].count);
    return code;
}

/* ---- sections ---- */

struct section {
    struct artefact_writer *writer;
    unsigned char *bytes; /* [BYTES_AT_ONCE] */
    size_t filled;
    uint64_t bits;  /* not yet a whole byte, or word */
    unsigned count; /* of them */
};

static enum err section_open(struct section *section, struct artefact_writer *writer,
                             const char *what, unsigned k, enum artefact_type type)
{
    char name[ARTEFACT_NAME_SIZE];
    *section = (struct section){.writer = writer};
    snprintf(name, sizeof name, "ngram.compact.%s.%u", what, k);
    section->bytes = malloc(BYTES_AT_ONCE);
    return section->bytes ? artefact_open_section(writer, name, type) : ERR_NO_MEMORY;
}

static enum err section_put(struct section *section, const void *bytes, size_t size)
{
    enum err code = ERR_OK;
    if (section->filled + size > BYTES_AT_ONCE) {
        code = artefact_append(section->writer, section->bytes, section->filled);
        section->filled = 0;
    }
    memcpy(section->bytes + section->filled, bytes, size);
    section->filled += size;
    return code;
}

/* Appends `width` ≤ 32 bits of `value`, lowest first. */
static enum err section_put_bits(struct section *section, uint64_t value, unsigned width)
{
    enum err code = ERR_OK;
    section->bits |= value << section->count;
    section->count += width;
    for (; !code && section->count >= 8; section->count -= 8) {
        unsigned char byte = (unsigned char)section->bits;
        code = section_put(section, &byte, 1);
        section->bits >>= 8;
    }
    return code;
}

static enum err section_close(struct section *section, enum err code)
{
    if (!code)
        code = artefact_append(section->writer, section->bytes, section->filled);
    free(section->bytes);
    return code ? code : artefact_close_section(section->writer);
}

static enum err write_words(struct artefact_writer *writer, const struct level *level,
                            unsigned k, unsigned width)
{
    struct section section;
    enum err code = section_open(&section, writer, "words", k, ARTEFACT_BYTES);
    for (size_t i = 0; !code && i < level->count; i++)
        code = section_put_bits(&section, level->word[i], width);
    for (unsigned i = 0; !code && i < 9; i++) /* the last byte, and 8 to read past it */
        code = section_put_bits(&section, 0, 8);
    return section_close(&section, code);
}

static enum err write_codes(struct artefact_writer *writer, size_t count,
                            const uint32_t *counts, const uint32_t *values, unsigned k)
{
    struct section section;
    enum err code = section_open(&section, writer, "codes", k, ARTEFACT_BYTES);
    for (size_t i = 0; !code && i < count; i++) {
        uint8_t byte = code_of(values, counts[i]);
        code = section_put(&section, &byte, 1);
    }
    return section_close(&section, code);
}

static enum err write_ends(struct artefact_writer *writer, const struct level *level,
                           unsigned k)
{
    struct section section;
    enum err code = section_open(&section, writer, "ends", k, ARTEFACT_U64);
    uint64_t bits = 0;
    for (size_t i = 0; !code && i < level->count; i++) {
        uint32_t zeros = level->begin[i + 1] - level->begin[i];
        bits += zeros + 1u;
        for (; !code && zeros > 0; zeros -= zeros < 32 ? zeros : 32)
            code = section_put_bits(&section, 0, zeros < 32 ? zeros : 32);
        if (!code)
            code = section_put_bits(&section, 1, 1);
    }
    for (; !code && bits % 64 != 0; bits++)
        code = section_put_bits(&section, 0, 1);
    return section_close(&section, code);
}

static enum err write_floats(struct artefact_writer *writer, const char *what, unsigned k,
                             const float *floats, size_t count)
{
    char name[ARTEFACT_NAME_SIZE + 16]; /* `what` is short */
    uint64_t shape = count;
    snprintf(name, sizeof name, "ngram.compact.%s.%u", what, k);
    return artefact_put(writer, name, ARTEFACT_F32, 1, &shape, floats);
}

static bool differs(float a, float b)
{
    return fabsf(a - b) > 1e-6f * fabsf(b) + 1e-9f;
}

/* The contexts of level k whose shares a reader could not add up, or not quickly. */
static enum err write_stored(struct artefact_writer *writer, const struct levels *levels,
                             const struct rules *rules, const uint32_t *values,
                             unsigned k, bool *small)
{
    const struct level *level = &levels->at[k];
    const uint32_t *counts = rules_counts(rules, levels, k + 1);
    struct code_tables tables;
    struct section section;
    compact_tables(&tables, &rules->at[k + 1], values);
    enum err code = section_open(&section, writer, "stored", k, ARTEFACT_U32);
    for (size_t i = 0; !code && i < level->count; i++) {
        size_t begin = level->begin[i], count = level->begin[i + 1] - begin;
        uint8_t codes[COMPACT_SCAN_MOST];
        float factor = 0, left = 0;
        if (count == 0)
            continue;
        for (size_t j = 0; j < count && count <= COMPACT_SCAN_MOST; j++)
            codes[j] = code_of(values, counts[begin + j]);
        if (count <= COMPACT_SCAN_MOST)
            compact_share(&tables, &rules->at[k + 1], codes, count, &factor, &left);
        bool same =
            !differs(factor, level->factor[i]) &&
            (rules->remainder == REMAINDER_UNSEEN || !differs(left, level->backoff[i]));
        const struct stored_share share = {(uint32_t)i, level->factor[i],
                                           level->backoff[i]};
        *small = *small || (!same && count <= COMPACT_SCAN_MOST);
        if (!same)
            code = section_put(&section, &share, sizeof share);
    }
    return section_close(&section, code);
}

/* The rules as doubles, and the values of the codes. */
static enum err write_rules(struct artefact_writer *writer, const struct levels *levels,
                            const struct rules *rules, const uint32_t *values)
{
    uint64_t shape = (levels->order + 1u) * sizeof(struct level_rule) / sizeof(double);
    uint64_t count = COMPACT_VALUES;
    enum err code =
        artefact_put(writer, "ngram.compact.rules", ARTEFACT_F64, 1, &shape, rules->at);
    return code ? code
                : artefact_put(writer, "ngram.compact.values", ARTEFACT_U32, 1, &count,
                               values);
}

static enum err write_level(struct artefact_writer *writer, const struct levels *levels,
                            const struct rules *rules, const uint32_t *values, unsigned k)
{
    const struct level *level = &levels->at[k];
    enum err code = write_words(writer, level, k, compact_width(levels->vocab_size));
    if (!code)
        code =
            write_codes(writer, level->count, rules_counts(rules, levels, k), values, k);
    if (!code && k < levels->order)
        code = write_ends(writer, level, k);
    return code;
}

enum err compact_write(struct artefact_writer *writer, const struct levels *levels,
                       const struct rules *rules, const uint32_t *values)
{
    uint64_t shape = levels->vocab_size + 1u, two = 2;
    bool small = false;
    enum err code = write_rules(writer, levels, rules, values);
    if (!code)
        code = write_floats(writer, "probs", 1, levels->at[1].prob, levels->at[1].count);
    if (!code && levels->order > 1)
        code = artefact_put(writer, "ngram.compact.begin", ARTEFACT_U32, 1, &shape,
                            levels->at[1].begin);
    for (unsigned k = 2; !code && k <= levels->order; k++)
        code = write_level(writer, levels, rules, values, k);
    for (unsigned k = 1; !code && k < levels->order; k++) {
        code = write_stored(writer, levels, rules, values, k, &small);
        if (!code && rules->remainder == REMAINDER_UNSEEN)
            code = write_floats(writer, "backoff", k, levels->at[k].backoff,
                                levels->at[k].count);
    }
    const uint64_t flags[2] = {rules->remainder, small};
    return code ? code
                : artefact_put(writer, "ngram.compact.flags", ARTEFACT_U64, 1, &two,
                               flags);
}

unsigned compact_width(uint32_t vocab_size)
{
    unsigned width = 1;
    while (width < 30 && ((vocab_size - 1) >> width) != 0)
        width++;
    return width;
}
