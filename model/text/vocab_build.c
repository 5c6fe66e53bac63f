/* SPDX-License-Identifier: MIT */
/* From the counts of a corpus to a vocabulary: the words in falling count, equal counts
 * by their bytes, as many as the settings keep. What they do not keep goes to <unk>.
 *
 * Learned (bpe) vocabularies are closed: all their tokens are kept whatever their count,
 * so nothing is ever unknown. */
#include <stdlib.h>

#include "base/memory.h"
#include "model/text/tally.h"
#include "model/text/tokenizer_int.h"
#include "model/text/vocab.h"

/* Takes the reserved words out of the ranked ones, which keep their order; returns how
 * often they came. */
static uint64_t drop_reserved(struct tally_word *ranked, size_t *size)
{
    uint64_t unknown = 0;
    size_t kept = 0;
    for (size_t i = 0; i < *size; i++) {
        struct span word = ranked[i].word;
        if (span_equal(word, span_of_text("<unk>")) ||
            span_equal(word, span_of_text("<s>")) ||
            span_equal(word, span_of_text("</s>")))
            unknown += ranked[i].count;
        else
            ranked[kept++] = ranked[i];
    }
    *size = kept;
    return unknown;
}

/* How many of the ranked words the settings keep; the rest are added to *unknown. */
static size_t keep(const struct tokenizer_settings *settings,
                   const struct tally_word *ranked, size_t size, uint64_t *unknown)
{
    size_t kept = size;
    if (settings->unit == UNIT_BPE)
        return size;
    if (settings->max_vocab > 0 && kept > settings->max_vocab)
        kept = settings->max_vocab;
    while (kept > 0 && ranked[kept - 1].count < settings->min_count)
        kept--;
    for (size_t i = kept; i < size; i++)
        *unknown += ranked[i].count;
    return kept;
}

/* The vocabulary of ranked[size] behind <unk>. */
static enum err from_ranked(const struct tally_word *ranked, size_t size,
                            uint64_t unknown, struct vocab **out, struct err_info *info)
{
    struct span *words = memory_new_array(size + 1, sizeof *words);
    uint64_t *counts = memory_new_array(size + 1, sizeof *counts);
    enum err err = ERR_NO_MEMORY;
    if (words && counts) {
        words[0] = span_of_text("<unk>");
        counts[0] = unknown;
        for (size_t i = 0; i < size; i++) {
            words[i + 1] = ranked[i].word;
            counts[i + 1] = ranked[i].count;
        }
        err = vocab_from_words(words, counts, size + 1, out, info);
    }
    free(words);
    free(counts);
    return err;
}

/* A closed vocabulary has every token, also those this text does not use. */
static enum err add_closed(const struct tokenizer *tokenizer, struct tally *tally)
{
    enum err err = ERR_OK;
    if (tokenizer->settings.unit != UNIT_BPE)
        return ERR_OK;
    for (uint32_t i = 0; !err && i < bpe_token_count(tokenizer->bpe); i++)
        err = tally_add(tally, bpe_token(tokenizer->bpe, i), 0);
    return err;
}

enum err vocab_build(const struct tokenizer *tokenizer, struct span text,
                     unsigned threads, const struct progress *progress,
                     struct vocab **out, struct err_info *info)
{
    struct tally tally;
    struct tally_word *ranked = NULL;
    *out = NULL;
    enum err err = tally_text(&tally, tokenizer, text, threads, progress);
    if (!err && tally.tokens == 0)
        err = ERR_EMPTY_CORPUS;
    if (!err)
        err = add_closed(tokenizer, &tally);
    if (!err)
        err = tally_rank(&tally, &ranked);
    if (!err) {
        size_t size = tally.words.count;
        uint64_t unknown = drop_reserved(ranked, &size);
        size = keep(&tokenizer->settings, ranked, size, &unknown);
        err = from_ranked(ranked, size, unknown, out, info);
    }
    free(ranked);
    tally_fini(&tally);
    return err ? err_finish(info, err) : ERR_OK;
}
