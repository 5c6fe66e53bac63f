/* SPDX-License-Identifier: MIT */
/* Where sentences end, and that cutting a text for threads does not move an end. */
#include "tests/support/unit.h"

#include <stdlib.h>

#include "model/text/segment.h"
#include "model/text/sentence.h"
#include "tests/unit/text/check_text.h"

/* '|' stands where a sentence ends; white space before it is not part of either. */
static const char *const cases[] = {
    "One. |Two! |Three? |Four",
    "Mr. Smith met Dr. Jones. |They talked.",
    "J. R. R. Tolkien wrote it. |He lived in Oxford.",
    "It cost 3.14 dollars. |We paid.",
    "See Fig. 3 and No. 7 there. |Done.",
    "The answer is no. |Ask again.",
    "He lives in the U.S. and works. |She does not.",
    "He moved to the U.S. |The year was 1990.",
    "Apple Inc. Chairman Cook spoke. |All listened.",
    "She said \"Go.\" |He went.",
    "\"Why?\" he asked. |\"Because.\"",
    "\"Stop!\" she cried. |(He did not.) |Later he did.",
    "Wait... what? |Yes.",
    "A sentence that was\nwrapped by hand\nends here. |The next\none too.",
    "A heading without a stop\n\n|Then a sentence. |Another.",
    "A heading\r\n\r\n|Then more.\r\n|And more.",
    "1. Introduction to it. |2. The rest.",
    "He was born in 1980. |She too.",
    "it was late. |he left. |she stayed.",
    "He ate e.g. apples, i.e. fruit. |Good.",
    "At 5 p.m. it rained. |At 6 a.m. it did not.",
    "\xe2\x80\x9cIs it?\xe2\x80\x9d |\xe2\x80\x9cIt is.\xe2\x80\x9d",
    ("\xe6\x98\xa8\xe6\x97\xa5\xe3\x80\x82|\xe4\xbb\x8a\xe6\x97\xa5\xef\xbc\x81|"
     "\xe6\x98\x8e\xe6\x97\xa5"),
    "\xc2\xbfQu\xc3\xa9? |\xc3\x89l se fue. |\xc3\x89sta no.",
    "www.example.com is a site. |Version 2.0.1 is out.",
    "No end",
    "...",
    "",
    " \n \n ",
};

START_TEST(sentences_end_where_they_should)
{
    struct buffer text, found, expected;
    struct span sentence;
    size_t at = 0;
    buffer_init(&text, 4096);
    buffer_init(&found, 4096);
    buffer_init(&expected, 4096);
    for (const char *c = cases[_i]; *c; c++)
        if (*c != '|')
            buffer_append_char(&text, *c);
    for (const char *c = cases[_i]; *c; c++) {
        if (*c == '|')
            while (expected.size > 0 &&
                   strchr(" \r\n", expected.bytes[expected.size - 1]))
                expected.size--;
        buffer_append_char(&expected, *c);
    }
    struct span whole = span_of(text.bytes, text.size);
    while (sentence_next(whole, &at, &sentence)) {
        if (found.size > 0)
            buffer_append_char(&found, '|');
        buffer_append(&found, sentence.bytes, sentence.size);
    }
    if (strspn(cases[_i], " \n") == strlen(cases[_i]))
        ck_assert_uint_eq(found.size, 0);
    else
        ck_assert_str_eq(found.bytes, expected.bytes);
    buffer_fini(&text);
    buffer_fini(&found);
    buffer_fini(&expected);
}
END_TEST

/* The segments of a text, each ended by 0x01. */
static void segments_of(enum text_segment kind, struct span text, struct buffer *out)
{
    struct span segment;
    size_t at = 0;
    while (segment_next(kind, text, &at, &segment)) {
        buffer_append(out, segment.bytes, segment.size);
        buffer_append_char(out, 1);
    }
    ck_assert_uint_eq(at, text.size);
}

static void random_prose(struct random *random, size_t count, struct buffer *text)
{
    static const char *const parts[] = {"the ",
                                        "The ",
                                        "Mr. ",
                                        "U.S. ",
                                        "1. ",
                                        "No. ",
                                        "5 ",
                                        "no. ",
                                        "He ",
                                        ". ",
                                        ".",
                                        "! ",
                                        "?\" ",
                                        "\"",
                                        "\n",
                                        "\n",
                                        "\n\n",
                                        "\r\n",
                                        "(",
                                        ") ",
                                        "A. B. ",
                                        "...",
                                        " ",
                                        "\xe3\x80\x82",
                                        "\xe2\x80\x9c",
                                        "\xc3\xa9 ",
                                        "\xe2\x80\xa6 ",
                                        "- ",
                                        "Inc. ",
                                        "and "};
    for (size_t i = 0; i < count; i++)
        buffer_append_text(text,
                           parts[random_below(random, sizeof parts / sizeof *parts)]);
}

START_TEST(pieces_give_the_segments_of_the_whole)
{
    struct random random;
    random_seed(&random, 21, 0);
    for (unsigned round = 0; round < 3000; round++) {
        struct tokenizer_settings settings = {
            .unit = UNIT_WORD, .segment = (enum text_segment)(round % SEGMENT_COUNT)};
        struct buffer text, whole, cut;
        struct span pieces[4];
        buffer_init(&text, 1u << 20);
        buffer_init(&whole, 1u << 20);
        buffer_init(&cut, 1u << 20);
        random_prose(&random, 5 + round / 10, &text);
        struct span all = span_of(text.bytes, text.size);
        unsigned parts = 2 + round % 3;
        segments_of(settings.segment, all, &whole);
        text_split(&settings, all, parts, pieces);
        const char *next = all.bytes;
        for (unsigned i = 0; i < parts; next += pieces[i++].size) {
            ck_assert_ptr_eq(pieces[i].bytes, next);
            segments_of(settings.segment, pieces[i], &cut);
        }
        ck_assert_ptr_eq(next, all.bytes + all.size);
        ck_assert_uint_eq(cut.size, whole.size);
        ck_assert(cut.size == 0 || memcmp(cut.bytes, whole.bytes, cut.size) == 0);
        buffer_fini(&text);
        buffer_fini(&whole);
        buffer_fini(&cut);
    }
}
END_TEST

UNIT_SUITE(sentence)
{
    tcase_add_loop_test(unit, sentences_end_where_they_should, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_test(unit, pieces_give_the_segments_of_the_whole);
}
