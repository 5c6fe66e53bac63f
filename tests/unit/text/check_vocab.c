/* SPDX-License-Identifier: MIT */
/* The vocabulary: what is counted and kept, the same on any number of threads, and a file
 * form of which nothing but the whole is accepted. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "model/text/word_table.h"
#include "tests/unit/text/check_text.h"

static struct vocab *build(const struct tokenizer_settings *settings, struct span text,
                           unsigned threads)
{
    struct tokenizer *tokenizer;
    struct vocab *vocab;
    ck_assert_int_eq(tokenizer_train(settings, text, NULL, &tokenizer, NULL), ERR_OK);
    ck_assert_int_eq(vocab_build(tokenizer, text, threads, NULL, &vocab, NULL), ERR_OK);
    tokenizer_free(tokenizer);
    return vocab;
}

static struct vocab *build_words(const char *text, uint32_t min_count, uint32_t max_vocab)
{
    struct tokenizer_settings settings = {UNIT_WHITESPACE, SEGMENT_LINE, false, min_count,
                                          max_vocab};
    return build(&settings, span_of_text(text), 1);
}

static void word_is(const struct vocab *vocab, uint32_t id, const char *word,
                    uint64_t count)
{
    struct span got = vocab_word(vocab, id);
    ck_assert_msg(span_equal(got, span_of_text(word)), "word %u is %.*s, not %s", id,
                  (int)got.size, got.bytes, word);
    ck_assert_uint_eq(vocab_count(vocab, id), count);
    ck_assert_uint_eq(vocab_id(vocab, got), id);
}

START_TEST(vocab_orders_by_count_then_bytes)
{
    struct vocab *vocab = build_words("b c a\nb <unk> d c b \xc3\xa9", 1, 0);
    ck_assert_uint_eq(vocab_size(vocab), 8);
    word_is(vocab, 0, "<unk>", 1);
    word_is(vocab, 1, "<s>", 0);
    word_is(vocab, 2, "</s>", 0);
    word_is(vocab, 3, "b", 3);
    word_is(vocab, 4, "c", 2);
    word_is(vocab, 5, "a", 1);
    word_is(vocab, 6, "d", 1);
    word_is(vocab, 7, "\xc3\xa9", 1);
    ck_assert_uint_eq(vocab_id(vocab, span_of_text("nowhere")), VOCAB_UNK);
    ck_assert_uint_eq(vocab_id(vocab, span_of_text("")), VOCAB_UNK);
    vocab_free(vocab);
}
END_TEST

START_TEST(vocab_gives_dropped_words_to_unk)
{
    struct vocab *vocab = build_words("a a a b b c c d <unk> </s> <s>", 2, 2);
    ck_assert_uint_eq(vocab_size(vocab), 5);
    word_is(vocab, 0, "<unk>", 6); /* c c d, the literal, </s> and <s> */
    word_is(vocab, 3, "a", 3);
    word_is(vocab, 4, "b", 2);
    vocab_free(vocab);
    vocab = build_words("x y z", 9, 0);
    ck_assert_uint_eq(vocab_size(vocab), VOCAB_RESERVED);
    word_is(vocab, 0, "<unk>", 3);
    vocab_free(vocab);
}
END_TEST

START_TEST(vocab_of_nothing_is_an_error)
{
    static const char *const texts[] = {"", "\n\n", " \t\r\n \xe2\x80\x83\xc2\xa0\n"};
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WHITESPACE, SEGMENT_LINE, false, span_of("", 0));
    for (int i = 0; i < 3; i++) {
        struct vocab *vocab;
        struct err_info info = {0};
        ck_assert_int_eq(
            vocab_build(tokenizer, span_of_text(texts[i]), 4, NULL, &vocab, &info),
            ERR_EMPTY_CORPUS);
        ck_assert_int_eq(info.code, ERR_EMPTY_CORPUS);
        ck_assert_ptr_null(vocab);
    }
    tokenizer_free(tokenizer);
}
END_TEST

static void same_vocab(const struct vocab *a, const struct vocab *b)
{
    ck_assert_uint_eq(vocab_size(a), vocab_size(b));
    for (uint32_t id = 0; id < vocab_size(a); id++) {
        ck_assert(span_equal(vocab_word(a, id), vocab_word(b, id)));
        ck_assert_uint_eq(vocab_count(a, id), vocab_count(b, id));
    }
}

START_TEST(vocab_is_the_same_on_any_number_of_threads)
{
    struct random random;
    struct buffer text;
    random_seed(&random, 5, 0);
    buffer_init(&text, 1u << 22);
    text_random(&random, 300000, false, &text);
    for (unsigned i = 0; i < UNIT_COUNT * SEGMENT_COUNT; i++) {
        struct tokenizer_settings settings = {(enum text_unit)(i % UNIT_COUNT),
                                              (enum text_segment)(i / UNIT_COUNT), i % 2,
                                              2, 5000};
        if (settings.unit == UNIT_BPE)
            settings.max_vocab = 400;
        struct vocab *one = build(&settings, span_of(text.bytes, text.size), 1);
        struct vocab *four = build(&settings, span_of(text.bytes, text.size), 4);
        same_vocab(one, four);
        vocab_free(one);
        vocab_free(four);
    }
    buffer_fini(&text);
}
END_TEST

START_TEST(vocab_from_words_moves_the_reserved)
{
    struct span words[] = {span_of_text("the"), span_of_text("</s>"),
                           span_of_text("<unk>"),
                           span_of_text("a word longer than a slot")};
    static const uint64_t counts[] = {9, 8, 7, 6};
    struct vocab *vocab;
    struct err_info info = {0};
    ck_assert_int_eq(vocab_from_words(words, counts, 4, &vocab, NULL), ERR_OK);
    ck_assert_uint_eq(vocab_size(vocab), 5);
    word_is(vocab, 0, "<unk>", 7);
    word_is(vocab, 1, "<s>", 0);
    word_is(vocab, 2, "</s>", 8);
    word_is(vocab, 3, "the", 9);
    word_is(vocab, 4, "a word longer than a slot", 6);
    vocab_free(vocab);
    words[1] = words[3];
    ck_assert_int_eq(vocab_from_words(words, NULL, 4, &vocab, &info), ERR_INVALID);
    ck_assert_uint_eq(info.line, 4);
    ck_assert_ptr_null(vocab);
    words[1] = span_of_text("");
    ck_assert_int_eq(vocab_from_words(words, NULL, 4, &vocab, NULL), ERR_INVALID);
    words[1] = words[2];
    ck_assert_int_eq(vocab_from_words(words, NULL, 4, &vocab, NULL), ERR_INVALID);
}
END_TEST

START_TEST(vocab_keeps_words_with_zero_bytes_apart)
{
    struct span words[] = {span_of("a", 1), span_of("a\0", 2), span_of("\0", 1),
                           span_of("\0\0", 2), span_of("a\0b", 3)};
    struct vocab *vocab;
    ck_assert_int_eq(vocab_from_words(words, NULL, 5, &vocab, NULL), ERR_OK);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(vocab_id(vocab, words[i]), VOCAB_RESERVED + i);
    vocab_free(vocab);
}
END_TEST

/* Saves with `shift` bytes before, so that the numbers lie badly when it is odd. */
static struct buffer saved(const struct vocab *vocab, size_t shift)
{
    struct buffer bytes;
    buffer_init(&bytes, 1u << 24);
    for (size_t i = 0; i < shift; i++)
        buffer_append_char(&bytes, 'x');
    ck_assert_int_eq(vocab_save(vocab, &bytes), ERR_OK);
    return bytes;
}

START_TEST(vocab_reads_back_what_it_wrote)
{
    struct vocab *vocab =
        build_words("one two two three threethreethree \xf0\x9f\x98\x80", 1, 0);
    for (size_t shift = 0; shift < 9; shift++) {
        struct buffer bytes = saved(vocab, shift);
        struct vocab *loaded;
        ck_assert_int_eq(
            vocab_load(span_of(bytes.bytes + shift, bytes.size - shift), &loaded, NULL),
            ERR_OK);
        same_vocab(vocab, loaded);
        ck_assert_uint_eq(vocab_id(loaded, span_of_text("threethreethree")),
                          vocab_id(vocab, span_of_text("threethreethree")));
        vocab_free(loaded);
        buffer_fini(&bytes);
    }
    vocab_free(vocab);
}
END_TEST

static void refused(const char *bytes, size_t size)
{
    struct vocab *vocab;
    struct err_info info = {0};
    ck_assert_int_eq(vocab_load(span_of(bytes, size), &vocab, &info), ERR_BAD_MODEL_FILE);
    ck_assert_ptr_null(vocab);
    ck_assert_str_ne(info.message, "");
}

START_TEST(vocab_refuses_every_truncation_and_bad_number)
{
    struct vocab *vocab = build_words("one two two three", 1, 0), *loaded;
    struct buffer bytes = saved(vocab, 0);
    for (size_t size = 0; size < bytes.size; size++)
        refused(bytes.bytes, size);
    buffer_append_char(&bytes, 'x');
    refused(bytes.bytes, bytes.size);
    bytes.size--;
    /* Wherever a number is made absurd, the answer is an error or a sound vocabulary. */
    for (size_t at = 0; at + 8 <= bytes.size; at += 4) {
        static const uint64_t absurd[] = {0, UINT64_MAX, 1, UINT64_C(1) << 63,
                                          0xffffffff};
        uint64_t before;
        memcpy(&before, bytes.bytes + at, 8);
        for (int i = 0; i < 5; i++) {
            memcpy(bytes.bytes + at, &absurd[i], 8);
            if (vocab_load(span_of(bytes.bytes, bytes.size), &loaded, NULL) == ERR_OK)
                for (uint32_t id = 0; id < vocab_size(loaded); id++)
                    ck_assert_uint_eq(vocab_id(loaded, vocab_word(loaded, id)), id);
            vocab_free(loaded);
        }
        memcpy(bytes.bytes + at, &before, 8);
    }
    buffer_fini(&bytes);
    vocab_free(vocab);
}
END_TEST

START_TEST(vocab_near_spellings_by_distance_then_frequency)
{
    struct vocab *vocab = build_words("government government movement governments "
                                      "cat cat bat the the the then he ab ba "
                                      "caf\xc3\xa9 electroencephalography",
                                      1, 0);
    uint32_t ids[4];
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("goverment"), ids, 4), 3);
    ck_assert_uint_eq(ids[0], vocab_id(vocab, span_of_text("government")));
    ck_assert_uint_eq(ids[1], vocab_id(vocab, span_of_text("governments")));
    ck_assert_uint_eq(ids[2], vocab_id(vocab, span_of_text("movement")));
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("teh"), ids, 1), 1);
    ck_assert_uint_eq(ids[0], vocab_id(vocab, span_of_text("the")));
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("rat"), ids, 4), 2);
    ck_assert_uint_eq(ids[0], vocab_id(vocab, span_of_text("cat")));
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("cafe"), ids, 4), 1);
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("zzzzzzzz"), ids, 4), 0);
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text(""), ids, 4), 0);
    ck_assert_uint_eq(vocab_near_spellings(vocab, span_of_text("cat"), ids, 0), 0);
    vocab_free(vocab);
}
END_TEST

/* The usual table without any short cut. */
static unsigned slow_distance(struct span a, struct span b)
{
    unsigned d[24][24];
    for (unsigned i = 0; i <= a.size; i++)
        for (unsigned j = 0; j <= b.size; j++) {
            d[i][j] = i == 0   ? j
                      : j == 0 ? i
                               : d[i - 1][j - 1] + (a.bytes[i - 1] != b.bytes[j - 1]);
            if (i && j && d[i - 1][j] + 1 < d[i][j])
                d[i][j] = d[i - 1][j] + 1;
            if (i && j && d[i][j - 1] + 1 < d[i][j])
                d[i][j] = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.bytes[i - 1] == b.bytes[j - 2] &&
                a.bytes[i - 2] == b.bytes[j - 1] && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[a.size][b.size];
}

START_TEST(vocab_near_spellings_finds_all_of_short_words)
{
    struct random random;
    random_seed(&random, 8, 0);
    struct buffer text;
    buffer_init(&text, 1u << 20);
    for (int i = 0; i < 4000; i++)
        for (size_t left = 1 + random_below(&random, 7); left > 0; left--)
            buffer_append_char(&text,
                               left == 1 ? ' ' : (char)('a' + random_below(&random, 3)));
    buffer_append_char(&text, '\0');
    struct vocab *vocab = build_words(text.bytes, 1, 0);
    uint32_t ids[2000];
    for (uint32_t id = VOCAB_RESERVED; id < vocab_size(vocab); id += 17) {
        struct span word = vocab_word(vocab, id);
        unsigned edits = word.size > 4 ? 2 : 1;
        size_t expected = 0, got = vocab_near_spellings(vocab, word, ids, 2000);
        for (uint32_t other = VOCAB_RESERVED; other < vocab_size(vocab); other++)
            expected += slow_distance(word, vocab_word(vocab, other)) <= edits;
        ck_assert_uint_eq(got, expected);
        ck_assert_uint_eq(ids[0], id);
        for (size_t i = 1; i < got; i++) {
            unsigned before = slow_distance(word, vocab_word(vocab, ids[i - 1]));
            unsigned after = slow_distance(word, vocab_word(vocab, ids[i]));
            ck_assert(before < after || (before == after && ids[i - 1] < ids[i]));
        }
        got = vocab_near_spellings(vocab, word, ids + 1000, 3);
        for (size_t i = 0; i < got; i++)
            ck_assert_uint_eq(ids[1000 + i], ids[i]);
    }
    vocab_free(vocab);
    buffer_fini(&text);
}
END_TEST

START_TEST(word_table_against_a_list)
{
    enum { WORDS = 3000 };
    struct word_table table;
    struct random random;
    random_seed(&random, 2, 0);
    ck_assert_int_eq(word_table_init(&table), ERR_OK);
    for (int i = 0; i < WORDS; i++) {
        char bytes[40];
        uint32_t index, slow = 0;
        size_t size = 1 + random_below(&random, i % 3 ? 3 : 39);
        for (size_t j = 0; j < size; j++)
            bytes[j] = (char)random_below(&random, 3);
        struct span word = span_of(bytes, size);
        while (slow < table.count && !span_equal(word_table_word(&table, slow), word))
            slow++;
        ck_assert_uint_eq(word_table_find(&table, word),
                          slow < table.count ? slow : WORD_NONE);
        ck_assert_int_eq(word_table_add(&table, word, &index), ERR_OK);
        ck_assert_uint_eq(index, slow);
    }
    ck_assert_uint_gt(table.count, WORDS / 4);
    word_table_fini(&table);
}
END_TEST

UNIT_SUITE(vocab)
{
    tcase_add_test(unit, vocab_orders_by_count_then_bytes);
    tcase_add_test(unit, vocab_gives_dropped_words_to_unk);
    tcase_add_test(unit, vocab_of_nothing_is_an_error);
    tcase_add_test(unit, vocab_from_words_moves_the_reserved);
    tcase_add_test(unit, vocab_keeps_words_with_zero_bytes_apart);
    tcase_add_test(unit, vocab_reads_back_what_it_wrote);
    tcase_add_test(unit, vocab_refuses_every_truncation_and_bad_number);
    tcase_add_test(unit, vocab_is_the_same_on_any_number_of_threads);
    tcase_add_test(unit, vocab_near_spellings_by_distance_then_frequency);
    tcase_add_test(unit, vocab_near_spellings_finds_all_of_short_words);
    tcase_add_test(unit, word_table_against_a_list);
}
