/* SPDX-License-Identifier: MIT */
/* The encoder is a faster way to what a cursor and the vocabulary say. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "tests/unit/text/check_text.h"

/* The ids of a text the slow way. */
static size_t slow_ids(const struct tokenizer *tokenizer, const struct vocab *vocab,
                       struct span text, uint32_t *ids)
{
    struct token_cursor *cursor;
    struct token token;
    enum token_event event;
    size_t count = 0;
    ck_assert_int_eq(token_cursor_new(tokenizer, text, false, &cursor), ERR_OK);
    while ((event = token_cursor_next(cursor, &token)) != TOKEN_TEXT_END) {
        uint32_t id = VOCAB_EOS;
        if (event == TOKEN_WORD) {
            id = vocab_id(vocab, token.text);
            ck_assert_uint_le(token.text.size, 2 * TOKEN_SIZE_MAX);
            if (id == VOCAB_BOS || id == VOCAB_EOS)
                id = VOCAB_UNK;
        }
        ids[count++] = id;
    }
    token_cursor_free(cursor);
    return count;
}

static void same_ids(const struct tokenizer *tokenizer, const struct vocab *vocab,
                     struct span text, size_t block)
{
    uint32_t *slow = calloc(2 * text.size + 2, sizeof *slow);
    uint32_t *fast = calloc(2 * text.size + 2 + block, sizeof *fast);
    size_t expected = slow_ids(tokenizer, vocab, text, slow), count = 0, got;
    struct encoder *encoder;
    ck_assert_int_eq(encoder_new(tokenizer, vocab, text, &encoder), ERR_OK);
    do {
        ck_assert_int_eq(encoder_next(encoder, fast + count, block, &got), ERR_OK);
        count += got;
    } while (got > 0);
    ck_assert_uint_eq(count, expected);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(fast[i], slow[i]);
    ck_assert_uint_eq(encoder_position(encoder), text.size);
    encoder_free(encoder);
    free(slow);
    free(fast);
}

/* The text in a block of exactly its size, so that a sanitizer sees any step beyond. */
static struct span tight_copy(const struct buffer *text)
{
    char *copy = malloc(text->size);
    memcpy(copy, text->bytes, text->size);
    return span_of(copy, text->size);
}

START_TEST(encoder_equals_cursor_and_vocabulary)
{
    struct random random;
    random_seed(&random, 11, 0);
    for (unsigned round = 0; round < 96; round++) {
        struct tokenizer_settings settings = {
            .unit = (enum text_unit)(round % UNIT_COUNT),
            .segment = (enum text_segment)(round / 4 % 3),
            .lowercase = round / 12 % 2,
            .min_count = 2,
            .max_vocab = 400};
        struct buffer text;
        struct tokenizer *tokenizer;
        struct vocab *vocab;
        buffer_init(&text, 1u << 20);
        buffer_append_text(&text, "<unk> <s> a </s> b\n");
        text_random(&random, 19 + 20 * round, false, &text);
        struct span tight = tight_copy(&text);
        ck_assert_int_eq(tokenizer_train(&settings, tight, NULL, &tokenizer, NULL),
                         ERR_OK);
        ck_assert_int_eq(vocab_build(tokenizer, tight, 1, NULL, &vocab, NULL), ERR_OK);
        same_ids(tokenizer, vocab, tight, round % 3 ? 1000 : 7);
        vocab_free(vocab);
        tokenizer_free(tokenizer);
        free((void *)(uintptr_t)tight.bytes);
        buffer_fini(&text);
    }
}
END_TEST

START_TEST(encoder_on_known_text)
{
    struct span text = span_of_text("b a a\r\n\n \t \n<unk> zz <s> a");
    static const uint32_t expected[] = {4, 3, 3, 2, 0, 5, 0, 3, 2};
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WHITESPACE, SEGMENT_LINE, false, text);
    struct vocab *vocab;
    struct encoder *encoder;
    uint32_t ids[20];
    size_t count;
    ck_assert_int_eq(vocab_build(tokenizer, text, 1, NULL, &vocab, NULL), ERR_OK);
    ck_assert_uint_eq(vocab_size(vocab), 6);
    ck_assert_int_eq(encoder_new(tokenizer, vocab, text, &encoder), ERR_OK);
    ck_assert_int_eq(encoder_next(encoder, ids, 20, &count), ERR_OK);
    ck_assert_uint_eq(count, 9);
    for (size_t i = 0; i < 9; i++)
        ck_assert_uint_eq(ids[i], expected[i]);
    ck_assert_int_eq(encoder_next(encoder, ids, 20, &count), ERR_OK);
    ck_assert_uint_eq(count, 0);
    encoder_free(encoder);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
}
END_TEST

START_TEST(encoder_with_very_long_words)
{
    struct buffer text;
    buffer_init(&text, 1u << 20);
    for (size_t i = 0; i < 5000; i++)
        buffer_append_text(&text, i % 700 == 3 ? " \xc3\xa9" : "\xe2\x82\xac");
    struct span tight = tight_copy(&text);
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WHITESPACE, SEGMENT_LINE, true, tight);
    struct vocab *vocab;
    ck_assert_int_eq(vocab_build(tokenizer, tight, 1, NULL, &vocab, NULL), ERR_OK);
    same_ids(tokenizer, vocab, tight, 64);
    for (uint32_t id = VOCAB_RESERVED; id < vocab_size(vocab); id++)
        ck_assert_uint_le(vocab_word(vocab, id).size, TOKEN_SIZE_MAX);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
    free((void *)(uintptr_t)tight.bytes);
    buffer_fini(&text);
}
END_TEST

START_TEST(token_list_says_where_and_what_is_unknown)
{
    struct span text = span_of_text("one two <unk>");
    struct tokenizer *tokenizer =
        text_tokenizer(UNIT_WHITESPACE, SEGMENT_LINE, true, text);
    struct vocab *vocab;
    struct token_list list = {0};
    ck_assert_int_eq(vocab_build(tokenizer, text, 1, NULL, &vocab, NULL), ERR_OK);
    struct span input = span_of_text(" Two\nthree <unk> </s>");
    ck_assert_int_eq(token_list_encode(&list, tokenizer, vocab, input), ERR_OK);
    ck_assert_uint_eq(list.count, 4);
    ck_assert_uint_eq(list.ids[0], vocab_id(vocab, span_of_text("two")));
    ck_assert_uint_eq(list.offsets[0], 1);
    ck_assert_uint_eq(list.offsets[1], 5);
    static const uint8_t oov[] = {0, 1, 0, 1};
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(list.oov[i], oov[i]);
        ck_assert(i == 0 || list.ids[i] == VOCAB_UNK);
    }
    ck_assert_int_eq(token_list_encode(&list, tokenizer, vocab, span_of("", 0)), ERR_OK);
    ck_assert_uint_eq(list.count, 0);
    token_list_fini(&list);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
}
END_TEST

UNIT_SUITE(encoder)
{
    tcase_add_test(unit, encoder_on_known_text);
    tcase_add_test(unit, encoder_equals_cursor_and_vocabulary);
    tcase_add_test(unit, encoder_with_very_long_words);
    tcase_add_test(unit, token_list_says_where_and_what_is_unknown);
}
