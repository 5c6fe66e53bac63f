/* SPDX-License-Identifier: MIT */
/* The toy model of toy.h. */
#include "tests/unit/lm/toy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/support/unit.h"

static const struct toy *toy_of(const struct lm *lm)
{
    return (const struct toy *)lm;
}

static void start(const struct lm *lm, bool bos, void *state)
{
    uint32_t last = bos ? (uint32_t)VOCAB_BOS : lm->vocab_size;
    memcpy(state, &last, sizeof last);
}

static const double *row_of(const struct lm *lm, const void *state)
{
    uint32_t last;
    memcpy(&last, state, sizeof last);
    return toy_of(lm)->table + (size_t)last * lm->vocab_size;
}

static enum err advance(const struct lm *lm, size_t count, void *const *states,
                        const uint32_t *tokens)
{
    (void)lm;
    for (size_t i = 0; i < count; i++)
        memcpy(states[i], &tokens[i], sizeof tokens[i]);
    return ERR_OK;
}

static enum err distribution(const struct lm *lm, size_t count, const void *const *states,
                             float *const *logprobs)
{
    struct toy *toy = (struct toy *)lm;
    if (count > toy->most_at_once)
        toy->most_at_once = (unsigned)count;
    for (size_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < lm->vocab_size; w++)
            logprobs[i][w] = (float)log(row_of(lm, states[i])[w]);
    return ERR_OK;
}

static float logprob(const struct lm *lm, const void *state, uint32_t token)
{
    return (float)log(row_of(lm, state)[token]);
}

static enum err score(const struct lm *lm, struct lm_segment *segments, size_t count)
{
    ((struct toy *)lm)->scored++;
    enum err code = lm_score_by_steps(lm, segments, count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; segments[i].orders && j < segments[i].count; j++)
            segments[i].orders[j] = j > 0 || segments[i].bos ? 2 : 1;
    return code;
}

static void free_nothing(struct lm *lm)
{
    (void)lm;
}

static const struct lm_ops plain = {.start = start,
                                    .advance = advance,
                                    .distribution = distribution,
                                    .score = score,
                                    .free = free_nothing};
static const struct lm_ops with_logprob = {.start = start,
                                           .advance = advance,
                                           .distribution = distribution,
                                           .logprob = logprob,
                                           .score = score,
                                           .free = free_nothing};

static void make_vocab(struct toy *toy, const char *words)
{
    struct span list[256];
    size_t count = 0;
    while (*words) {
        size_t size = strcspn(words, "|");
        list[count++] = span_of(words, size);
        words += size + (words[size] == '|');
    }
    ck_assert_int_eq(vocab_from_words(list, NULL, count, &toy->vocab, NULL), ERR_OK);
}

struct toy *toy_new(enum text_unit unit, const char *words, bool tricks)
{
    struct tokenizer_settings settings = {.unit = unit, .min_count = 1};
    struct toy *toy = calloc(1, sizeof *toy);
    ck_assert_int_eq(
        tokenizer_train(&settings, span_of_text(""), NULL, &toy->tokenizer, NULL),
        ERR_OK);
    make_vocab(toy, words);
    toy->lm = (struct lm){.ops = tricks ? &with_logprob : &plain,
                          .vocab_size = vocab_size(toy->vocab),
                          .state_size = 8,
                          .batch = 3,
                          .context_max = 1,
                          .cheap = true};
    size_t size = toy->lm.vocab_size;
    toy->table = calloc((size + 1) * size, sizeof *toy->table);
    for (size_t i = 0; i < (size + 1) * size; i++)
        toy->table[i] = i % size == VOCAB_BOS ? 0 : 1.0 / (double)(size - 1);
    toy->target = (struct target){&toy->lm, toy->tokenizer, toy->vocab, NULL};
    return toy;
}

void toy_free(struct toy *toy)
{
    vocab_free(toy->vocab);
    tokenizer_free(toy->tokenizer);
    free(toy->table);
    free(toy);
}

uint32_t toy_id(const struct toy *toy, const char *word)
{
    return vocab_id(toy->vocab, span_of_text(word));
}

static double *toy_row_at(const struct toy *toy, const char *from)
{
    size_t row = from ? toy_id(toy, from) : toy->lm.vocab_size;
    return toy->table + row * toy->lm.vocab_size;
}

void toy_row(struct toy *toy, const char *from, const char *row)
{
    double *table = toy_row_at(toy, from);
    memset(table, 0, toy->lm.vocab_size * sizeof *table);
    while (*row) {
        char word[32];
        double probability;
        int used;
        ck_assert_int_eq(sscanf(row, "%31s %lf%n", word, &probability, &used), 2);
        table[toy_id(toy, word)] = probability;
        row += used;
        row += *row == ' ';
    }
}

double toy_p(const struct toy *toy, const char *from, const char *to)
{
    return toy_row_at(toy, from)[toy_id(toy, to)];
}

void toy_random_lines(struct buffer *text, size_t lines, unsigned longest,
                      const char *rare)
{
    struct random random;
    random_seed(&random, 4, 0);
    for (size_t i = 0; i < lines; i++) {
        for (uint64_t left = random_below(&random, longest); left > 0; left--)
            buffer_append_text(text, random_below(&random, 9) ? "a " : rare);
        buffer_append_char(text, '\n');
    }
}
