/* SPDX-License-Identifier: MIT */
/* Byte pairs: the same merges as counting everything anew for each of them, the same
 * tokens as applying the merges one after the other, and the text itself from its tokens.
 */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "model/text/bpe_cache.h"
#include "model/text/bpe_int.h"
#include "tests/unit/text/check_text.h"

/* A text as pieces of symbols, each symbol a string of bytes named by its token. */
struct slow {
    size_t pieces;
    size_t count[4000];
    uint32_t symbols[4000][BPE_PIECE_MAX];
};

static struct slow *cut_slowly(struct span text)
{
    struct slow *slow = calloc(1, sizeof *slow);
    while (text.size > 0) {
        size_t line = 0, size;
        while (line < text.size && text.bytes[line] != '\n')
            line++;
        for (size_t at = 0; at < line; at += size) {
            size = bpe_piece(span_of(text.bytes + at, line - at));
            ck_assert_uint_ge(size, 1);
            ck_assert_uint_le(size, BPE_PIECE_MAX);
            ck_assert_uint_lt(slow->pieces, 4000);
            slow->count[slow->pieces] = size;
            for (size_t i = 0; i < size; i++)
                slow->symbols[slow->pieces][i] = (unsigned char)text.bytes[at + i];
            slow->pieces++;
        }
        line += line < text.size;
        text = span_of(text.bytes + line, text.size - line);
    }
    return slow;
}

static uint64_t slow_count(const struct slow *slow, uint32_t left, uint32_t right)
{
    uint64_t count = 0;
    for (size_t i = 0; i < slow->pieces; i++)
        for (size_t j = 0; j + 1 < slow->count[i]; j++)
            count += slow->symbols[i][j] == left && slow->symbols[i][j + 1] == right;
    return count;
}

static void slow_merge(struct slow *slow, uint32_t left, uint32_t right, uint32_t token)
{
    for (size_t i = 0; i < slow->pieces; i++) {
        size_t out = 0;
        for (size_t j = 0; j < slow->count[i]; j++) {
            uint32_t *symbols = slow->symbols[i];
            bool here =
                j + 1 < slow->count[i] && symbols[j] == left && symbols[j + 1] == right;
            symbols[out++] = here ? token : symbols[j];
            j += here;
        }
        slow->count[i] = out;
    }
}

/* Do two tokens together make one that is not there yet? */
static bool may_merge(const struct bpe *bpe, uint32_t tokens, uint32_t left,
                      uint32_t right)
{
    struct span a = bpe_token(bpe, left), b = bpe_token(bpe, right);
    if (a.size + b.size > BPE_TOKEN_SIZE_MAX)
        return false;
    for (uint32_t i = 0; i < tokens; i++) {
        struct span c = bpe_token(bpe, i);
        if (c.size == a.size + b.size && memcmp(c.bytes, a.bytes, a.size) == 0 &&
            memcmp(c.bytes + a.size, b.bytes, b.size) == 0)
            return false;
    }
    return true;
}

/* The most frequent pair of the text as it stands; false when none comes twice. */
static bool slow_best(const struct slow *slow, const struct bpe *bpe, uint32_t tokens,
                      uint32_t *left, uint32_t *right)
{
    uint64_t best = 1;
    *left = *right = 0;
    for (uint32_t a = 0; a < tokens; a++)
        for (uint32_t b = 0; b < tokens; b++) {
            /* Only letters, space and what was merged: the texts below have no more. */
            if ((a < 256 && !strchr(" abcdef", (int)a)) ||
                (b < 256 && !strchr(" abcdef", (int)b)))
                continue;
            uint64_t count = slow_count(slow, a, b);
            if (count > best && may_merge(bpe, tokens, a, b)) {
                best = count;
                *left = a;
                *right = b;
            }
        }
    return best > 1;
}

static void random_letters(struct random *random, unsigned letters, size_t size,
                           struct buffer *text)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t dice = random_below(random, 12);
        buffer_append_char(text, dice == 0 ? '\n'
                                 : dice <= 2
                                     ? ' '
                                     : (char)('a' + random_below(random, letters)));
    }
}

static struct bpe *learn(struct span text, uint32_t tokens)
{
    struct tokenizer_settings settings = {UNIT_BPE, SEGMENT_LINE, false, 1, tokens};
    struct bpe *bpe;
    ck_assert_int_eq(bpe_train(&settings, text, NULL, &bpe, NULL), ERR_OK);
    return bpe;
}

START_TEST(bpe_learns_what_counting_anew_finds)
{
    struct random random;
    random_seed(&random, 21, 0);
    for (unsigned round = 0; round < 6; round++) {
        struct buffer text;
        buffer_init(&text, 1u << 16);
        random_letters(&random, 1 + round, round == 0 ? 900 : 400, &text);
        struct span span = span_of(text.bytes, text.size);
        struct bpe *bpe = learn(span, 256 + 25);
        struct slow *slow = cut_slowly(span);
        uint32_t tokens = 256, left, right;
        while (tokens < 256 + 25 && slow_best(slow, bpe, tokens, &left, &right)) {
            ck_assert_uint_lt(tokens, bpe_token_count(bpe));
            struct span a = bpe_token(bpe, left), b = bpe_token(bpe, right);
            struct span made = bpe_token(bpe, tokens);
            ck_assert_uint_eq(made.size, a.size + b.size);
            ck_assert_mem_eq(made.bytes, a.bytes, a.size);
            ck_assert_mem_eq(made.bytes + a.size, b.bytes, b.size);
            slow_merge(slow, left, right, tokens++);
        }
        ck_assert_uint_eq(tokens, bpe_token_count(bpe));
        free(slow);
        bpe_free(bpe);
        buffer_fini(&text);
    }
}
END_TEST

/* Applies every merge in the order of learning to one piece; the merges are read from the
 * saved form. */
static size_t slow_encode(const struct buffer *saved, struct span piece, uint8_t *sizes)
{
    uint32_t symbols[256], count, merge[2];
    size_t length = piece.size;
    memcpy(&count, saved->bytes, sizeof count);
    for (size_t i = 0; i < length; i++) {
        symbols[i] = (unsigned char)piece.bytes[i];
        sizes[i] = 1;
    }
    for (uint32_t rank = 0; rank < count; rank++) {
        size_t out = 0;
        memcpy(merge, saved->bytes + 8 + 8 * (size_t)rank, 8);
        for (size_t i = 0; i < length; i++, out++) {
            bool here =
                i + 1 < length && symbols[i] == merge[0] && symbols[i + 1] == merge[1];
            symbols[out] = here ? 256 + rank : symbols[i];
            sizes[out] = (uint8_t)(sizes[i] + (here ? sizes[i + 1] : 0));
            i += here;
        }
        length = out;
    }
    return length;
}

START_TEST(bpe_encodes_as_the_merges_one_by_one)
{
    struct random random;
    struct buffer text, saved;
    random_seed(&random, 22, 0);
    buffer_init(&text, 1u << 20);
    buffer_init(&saved, 1u << 20);
    random_letters(&random, 4, 30000, &text);
    text_random(&random, 60000, false, &text);
    struct bpe *bpe = learn(span_of(text.bytes, text.size), 900);
    ck_assert_uint_eq(bpe_token_count(bpe), 900);
    ck_assert_int_eq(bpe_save(bpe, &saved), ERR_OK);
    size_t size;
    for (size_t at = 0; at < text.size; at += size) {
        uint8_t fast[256], slow[256];
        struct span piece = span_of(text.bytes + at, text.size - at);
        size = piece.size = bpe_piece(piece);
        size_t count = bpe_encode(bpe, piece, fast);
        ck_assert_uint_eq(count, slow_encode(&saved, piece, slow));
        ck_assert_mem_eq(fast, slow, count);
    }
    bpe_free(bpe);
    buffer_fini(&saved);
    buffer_fini(&text);
}
END_TEST

START_TEST(bpe_remembers_pieces_as_it_encodes_them)
{
    struct random random;
    struct buffer text;
    random_seed(&random, 23, 0);
    buffer_init(&text, 1u << 20);
    random_letters(&random, 5, 20000, &text);
    text_random(&random, 60000, false, &text);
    struct span tight = span_of(malloc(text.size), text.size);
    memcpy((void *)(uintptr_t)tight.bytes, text.bytes, text.size);
    struct bpe *bpe = learn(tight, 600);
    struct bpe_cache *cache = bpe_cache_new();
    ck_assert_ptr_nonnull(cache);
    size_t size;
    for (int round = 0; round < 3; round++)
        for (size_t at = 0; at < tight.size; at += size) {
            uint8_t fresh[BPE_PIECE_MAX], cached[BPE_PIECE_MAX];
            struct span piece = span_of(tight.bytes + at, tight.size - at);
            size = piece.size = bpe_piece(piece);
            size_t count = bpe_encode(bpe, piece, fresh);
            ck_assert_uint_eq(count, bpe_cache_encode(round ? cache : NULL, bpe, piece,
                                                      tight.bytes + tight.size, cached));
            ck_assert_mem_eq(fresh, cached, count);
        }
    bpe_cache_free(cache);
    bpe_free(bpe);
    free((void *)(uintptr_t)tight.bytes);
    buffer_fini(&text);
}
END_TEST

START_TEST(bpe_pieces_keep_words_together)
{
    static const char *const pieces[] = {"I",
                                         " don",
                                         "'t",
                                         " know",
                                         " 12",
                                         "km",
                                         " ,",
                                         "  ",
                                         " \xc3\xa9t\xc3\xa9",
                                         "!?",
                                         "\n\n",
                                         "x",
                                         "\xe3\x80\x80",
                                         "\xe4\xb8\xad\xe6\x96\x87",
                                         "  "};
    struct buffer text;
    buffer_init(&text, 1000);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        buffer_append_text(&text, pieces[i]);
    size_t at = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t size = bpe_piece(span_of(text.bytes + at, text.size - at));
        ck_assert_msg(size == strlen(pieces[i]), "piece %zu has %zu bytes", i, size);
        at += size;
    }
    ck_assert_uint_eq(at, text.size);
    buffer_fini(&text);
}
END_TEST

START_TEST(bpe_learns_whole_words)
{
    struct span text = span_of_text("the cat the cat the cat the dog\n");
    struct bpe *bpe = learn(text, 0);
    uint8_t sizes[16];
    ck_assert_uint_eq(bpe_encode(bpe, span_of_text(" the"), sizes), 1);
    ck_assert_uint_eq(bpe_encode(bpe, span_of_text(" cat"), sizes), 1);
    ck_assert_uint_eq(bpe_encode(bpe, span_of_text("xyz"), sizes), 3);
    bpe_free(bpe);
}
END_TEST

START_TEST(bpe_of_nothing_knows_the_bytes)
{
    struct bpe *bpe = learn(span_of("", 0), 0);
    uint8_t sizes[8];
    ck_assert_uint_eq(bpe_token_count(bpe), 256);
    ck_assert_uint_eq(bpe_encode(bpe, span_of("\0\xff\x80", 3), sizes), 3);
    bpe_free(bpe);
}
END_TEST

START_TEST(bpe_refuses_impossible_sizes)
{
    struct tokenizer_settings settings = {UNIT_BPE, SEGMENT_LINE, false, 1, 255};
    struct tokenizer *tokenizer;
    struct err_info info = {0};
    ck_assert_int_eq(
        tokenizer_train(&settings, span_of_text("text"), NULL, &tokenizer, &info),
        ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/tokenizer/max_vocab");
    ck_assert_ptr_null(tokenizer);
    settings.max_vocab = BPE_TOKENS_MAX + 1;
    ck_assert_int_eq(
        tokenizer_train(&settings, span_of_text("text"), NULL, &tokenizer, NULL),
        ERR_INVALID);
}
END_TEST

static enum err load_merges(const uint32_t *numbers, size_t count)
{
    struct bpe *bpe;
    enum err err = bpe_load(span_of(numbers, count * sizeof *numbers), &bpe, NULL);
    ck_assert(err ? bpe == NULL : bpe != NULL);
    bpe_free(bpe);
    return err;
}

START_TEST(bpe_refuses_merges_that_cannot_be)
{
    static const uint32_t sound[] = {2, 0, 'a', 'b', 256, 'c'};
    static const uint32_t ahead[] = {2, 0, 'a', 257, 256, 'c'};
    static const uint32_t itself[] = {1, 0, 'a', 256};
    static const uint32_t twice[] = {2, 0, 'a', 'b', 'a', 'b'};
    static const uint32_t same[] = {4, 0, 'a', 'b', 'b', 'c', 256, 'c', 'a', 257};
    static const uint32_t fewer[] = {3, 0, 'a', 'b', 256, 'c'};
    static const uint32_t huge[] = {UINT32_MAX, 0, 'a', 'b'};
    ck_assert_int_eq(load_merges(sound, 6), ERR_OK);
    ck_assert_int_eq(load_merges(ahead, 6), ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(load_merges(itself, 4), ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(load_merges(twice, 6), ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(load_merges(same, 10), ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(load_merges(fewer, 6), ERR_BAD_MODEL_FILE);
    ck_assert_int_eq(load_merges(huge, 4), ERR_BAD_MODEL_FILE);
    /* Each token twice the one before: sizes must not run away. */
    uint32_t doubling[2 + 2 * 40] = {40, 0, 'a', 'a'};
    for (uint32_t i = 1; i < 40; i++)
        doubling[2 + 2 * i] = doubling[3 + 2 * i] = 255 + i;
    ck_assert_int_eq(load_merges(doubling, 82), ERR_BAD_MODEL_FILE);
}
END_TEST

static enum progress_answer say_stop(void *context, const struct progress_report *report)
{
    (void)report;
    ++*(int *)context;
    return PROGRESS_STOP;
}

START_TEST(bpe_stops_when_told)
{
    int asked = 0;
    const struct progress progress = {.context = &asked, .report = say_stop};
    struct tokenizer_settings settings = {UNIT_BPE, SEGMENT_LINE, false, 1, 0};
    struct tokenizer *tokenizer;
    ck_assert_int_eq(
        tokenizer_train(&settings, span_of_text("abcabc"), &progress, &tokenizer, NULL),
        ERR_CANCELLED);
    ck_assert_ptr_null(tokenizer);
    ck_assert_int_ge(asked, 1);
}
END_TEST

UNIT_SUITE(bpe)
{
    tcase_add_test(unit, bpe_pieces_keep_words_together);
    tcase_add_test(unit, bpe_learns_whole_words);
    tcase_add_test(unit, bpe_of_nothing_knows_the_bytes);
    tcase_add_test(unit, bpe_refuses_impossible_sizes);
    tcase_add_test(unit, bpe_refuses_merges_that_cannot_be);
    tcase_add_test(unit, bpe_stops_when_told);
    tcase_add_test(unit, bpe_encodes_as_the_merges_one_by_one);
    tcase_add_test(unit, bpe_remembers_pieces_as_it_encodes_them);
    tcase_add_test(unit, bpe_learns_what_counting_anew_finds);
}
