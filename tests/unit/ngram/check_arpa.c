/* SPDX-License-Identifier: MIT */
#include "model/ngram/arpa.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/lm/lm.h"
#include "model/ngram/arpa_file.h"
#include "model/ngram/ngram.h"
#include "model/text/vocab.h"
#include "tests/support/unit.h"

struct text_reader {
    const char *next;
    size_t left, portion;
};

static enum err read_portion(void *context, void *bytes, size_t size, size_t *got)
{
    struct text_reader *reader = context;
    *got = size < reader->portion ? size : reader->portion;
    *got = *got < reader->left ? *got : reader->left;
    memcpy(bytes, reader->next, *got);
    reader->next += *got;
    reader->left -= *got;
    return ERR_OK;
}

static enum err import(const char *text, size_t size, size_t portion,
                       struct model **model, struct train_result *result,
                       struct err_info *info)
{
    struct text_reader source = {text, size, portion};
    const struct reader reader = {&source, read_portion};
    struct buffer file;
    *model = NULL;
    buffer_init(&file, (size_t)1 << 26);
    struct writer writer = writer_to_buffer(&file);
    enum err code = arpa_import(&reader, NULL, &writer, result, info);
    if (!code) {
        void *copy = memory_new_aligned(file.size, 1);
        memcpy(copy, file.bytes, file.size);
        code = model_load_take(copy, file.size, model, info);
    }
    buffer_fini(&file);
    return code;
}

static struct model *import_text(const char *text)
{
    struct model *model;
    struct train_result result;
    struct err_info info = {0};
    enum err code = import(text, strlen(text), 7, &model, &result, &info);
    ck_assert_msg(code == ERR_OK, "%s", info.message);
    return model;
}

static double prob_of(const struct model *model, const char *const *words, size_t count)
{
    uint64_t state[8] __attribute__((aligned(64)));
    void *states = state;
    const struct lm *lm = model->lm;
    bool bos = strcmp(words[0], "<s>") == 0;
    lm->ops->start(lm, bos, state);
    for (size_t i = bos; i + 1 < count; i++) {
        uint32_t id = vocab_id(model->vocab, span_of_text(words[i]));
        ck_assert_int_eq(lm->ops->advance(lm, 1, &states, &id), ERR_OK);
    }
    return exp((double)lm->ops->logprob(
        lm, state, vocab_id(model->vocab, span_of_text(words[count - 1]))));
}

#define PROB(model, ...)                                                                 \
    prob_of(model, (const char *const[]){__VA_ARGS__},                                   \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char small[] = "# a comment\n\n\\data\\\nngram 1=5\nngram 2=3\nngram 3=1\n\n"
                            "\\1-grams:\n"
                            "-1\t<unk>\n"
                            "-99\t<s>\t-0.5\n"
                            "-0.5\t</s>\n"
                            "-0.3\ta\t-0.25\n"
                            "-0.8\tb\t0.1\n"
                            "\n\\2-grams:\n"
                            "-0.2\t<s> a\t-0.4\n"
                            "-0.6\ta b\n"
                            "-0.1\tb </s>\n"
                            "\n\\3-grams:\n"
                            "-0.05\t<s> a b\n"
                            "\n\\end\\\n";

START_TEST(scores_by_hand)
{
    struct model *model = import_text(small);
    ck_assert_uint_eq(model->lm->vocab_size, 5);
    ck_assert_double_eq_tol(PROB(model, "<s>", "a", "b"), pow(10, -0.05), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "<s>", "a"), pow(10, -0.2), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "<s>", "b"), pow(10, -0.5 - 0.8), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "<s>", "a", "a"), pow(10, -0.4 - 0.25 - 0.3),
                            1e-6);
    ck_assert_double_eq_tol(PROB(model, "b", "a"), pow(10, 0.1 - 0.3), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "nowhere"), 0.1, 1e-6);
    ck_assert(PROB(model, "a", "<s>") == 0);
    model_release(model);
}
END_TEST

/* SRILM's pruned files: "a b c" without "b c" and, from elsewhere, without "a b". */
START_TEST(missing_prefixes_and_suffixes)
{
    struct model *model =
        import_text("\\data\\\nngram 1=6\nngram 2=1\nngram 3=2\nngram 4=1\n\\1-grams:\n"
                    "-1 <unk>\n-1 <s> -0.5\n-1 </s>\n-1 a -0.1\n-1 b -0.2\n-1 c -0.3\n"
                    "\\2-grams:\n-0.5 a b -0.4\n"
                    "\\3-grams:\n-0.25 a b c -0.6\n-0.35 c b a\n"
                    "\\4-grams:\n-0.15 b c a a\n\\end\\");
    ck_assert_double_eq_tol(PROB(model, "a", "b", "c"), pow(10, -0.25), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "b", "c"), pow(10, -0.2 - 1), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "c", "b", "a"), pow(10, -0.35), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "c", "b"), pow(10, -0.3 - 1), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "b", "c", "a", "a"), pow(10, -0.15), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "b", "c", "a"), pow(10, -0.3 - 1), 1e-6);
    ck_assert_double_eq_tol(PROB(model, "a", "b", "c", "c"), pow(10, -0.6 - 0.3 - 1),
                            1e-6);
    model_release(model);
}
END_TEST

START_TEST(accepted_variants)
{
    static const char *const same[] = {
        "\\data\\\r\nngram "
        "1=2\r\n\r\n\\1-grams:\r\n-1\ta\r\n-0.5\t<unk>\r\n\r\n\\end\\\r\n",
        "\\data\\\nngram 1 = 2\n\\1-grams:\n-1 a\n-5e-1 <UNK>\n\\end\\",
        "#c\n\\data\\\nngram 1=2\n\n\\1-grams:\n-1.0\ta\n\n-.5\t<unk>\n\\end\\\n\n\n",
        "\\data\\\nngram 1=2\nngram "
        "2=0\n\\1-grams:\n-1\ta\t0\n-0.5\t<unk>\n\\2-grams:\n\\end\\\n",
        "\\data\\\nngram 1=2\nngram 2=0\n\\1-grams:\n-1\ta\n-0.5\t<unk>\n\\end\\\n"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct model *model = import_text(same[i]);
        ck_assert_double_eq_tol(PROB(model, "a"), 0.1, 1e-6);
        ck_assert_double_eq_tol(PROB(model, "zzz"), pow(10, -0.5), 1e-6);
        ck_assert(PROB(model, "</s>") == 0);
        model_release(model);
    }
}
END_TEST

#define HEAD                                                                             \
    "\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-1\ta\t-1\n-1\tb\n\n"

static const struct {
    const char *text, *says;
    unsigned line;
} malformed[] = {
    {"", "empty", 1},
    {"\n\n", "empty", 3},
    {"\x1f\x8b\x08zzzz", "compressed", 1},
    {"iARPA\n\n", "irstlm", 1},
    {"blmt 5 1 2\n", "irstlm", 1},
    {"mmap lm http://kheafield.com/code format version 5\n", "KenLM", 1},
    {"hello\n\\data\\\n", "ARPA", 1},
    {"\\data\\\n\\1-grams:\n", "ngram 1=", 2},
    {"\\data\\\nngram 2=5\n", "orders", 2},
    {"\\data\\\nngram 1=5\nngram 3=5\n", "orders", 3},
    {"\\data\\\nngram 1=5\nngram 1=5\n", "orders", 3},
    {"\\data\\\nngram 1=-5\n", "expected", 2},
    {"\\data\\\nngram 1=x\n", "expected", 2},
    {"\\data\\\nngram 1=99999999999999999999999\n", "expected", 2},
    {"\\data\\\nngram 1=9999999999999\n", "more n-grams", 2},
    {"\\data\\\nngram 1=1\nngram 2=1\nngram 3=1\nngram 4=1\nngram 5=1\nngram 6=1\n"
     "ngram 7=1\nngram 8=1\nngram 9=1\n",
     "order is over 8", 10},
    {"\\data\\\nngram 1=1\n\n\\2-grams:\n", "\\1-grams: was expected", 4},
    {"\\data\\\nngram 1=1\n", "\\1-grams: was expected", 3},
    {"\\data\\\nngram 1=2\n\n\\1-grams:\n-1\ta\n\n\\end\\\n", "1 1-grams, not the 2", 7},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\ta\n-1\tb\n\n\\end\\\n", "more 1-grams", 6},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n0.5\ta\n\\end\\\n", "over 0", 5},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\nnan\ta\n\\end\\\n", "not a log", 5},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-inf\ta\n\\end\\\n", "not a log", 5},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1,5\ta\n\\end\\\n", "not a log", 5},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\n\\end\\\n", "fewer than 1", 5},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\ta\t0\tx\n\\end\\\n", "more than 1", 5},
    {HEAD "\\2-grams:\n-1\ta\n\\end\\\n", "fewer than 2", 11},
    {HEAD "\\2-grams:\n-1\ta zz\n\\end\\\n", "not among the 1-grams", 11},
    {HEAD "\\2-grams:\n-1\ta b\t-0.5\n\\end\\\n", "highest order", 11},
    {HEAD "\\2-grams:\n-1\ta b\tinf\n\\end\\\n", "back-off", 11},
    {HEAD "\\2-grams:\n-1\ta b\n", "without \\end\\", 12},
    {HEAD "\\2-grams:\n-1\ta b\n\\3-grams:\n", "\\end\\ was expected", 12},
    {HEAD "\\2-grams:\n-1\ta b\n\\end\\\nmore\n", "behind \\end\\", 13},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\ta\tNaN\n\\end\\\n", "back-off", 5},
    {"\\data\\\nngram 1=1\nngram 2=1\n\n\\1-grams:\n-1\ta\t1e400\n", "back-off", 6},
    {"\\data\\\nngram 1=1\nngram 2=1\n\n\\1-grams:\n-1\ta\t99\n", "back-off", 6},
    {"\\data\\\nngram 1=2\n\n\\1-grams:\n-1\ta\n-1\ta\n\\end\\\n", "1-grams are unusable",
     4},
    {"\\data\\\nngram 1=1\nngram 2=2\n\n\\1-grams:\n-1\ta\n\n\\2-grams:\n-1\ta a\n-1\ta "
     "a\n"
     "\\end\\\n",
     "twice", 8},
    {"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\t\xff\n\\end\\\n", "UTF-8", 5},
};

START_TEST(malformed_files_are_refused_with_their_line)
{
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct err_info info = {0};
        struct model *model;
        struct train_result result;
        enum err code = import(malformed[i].text, strlen(malformed[i].text), 1 << 20,
                               &model, &result, &info);
        ck_assert_msg(code == ERR_BAD_MODEL_FILE, "case %zu: %d", i, code);
        ck_assert_msg(strstr(info.message, malformed[i].says), "case %zu: %s", i,
                      info.message);
        ck_assert_msg(info.has_line && info.line == malformed[i].line,
                      "case %zu: line %u, \"%s\"", i, (unsigned)info.line, info.message);
        ck_assert(info.has_offset);
        size_t line = 1;
        for (size_t j = 0; j < info.offset && j < strlen(malformed[i].text); j++)
            line += malformed[i].text[j] == '\n';
        ck_assert_msg(line == info.line, "case %zu: offset %u", i, (unsigned)info.offset);
    }
}
END_TEST

START_TEST(too_long_a_line)
{
    struct buffer text;
    struct model *model;
    struct train_result result;
    struct err_info info = {0};
    buffer_init(&text, 1 << 20);
    buffer_append_text(&text, "\\data\\\nngram 1=1\n\\1-grams:\n-1 ");
    for (size_t i = 0; i < ARPA_LINE_MAX; i++)
        buffer_append_char(&text, 'x');
    buffer_append_text(&text, "\n\\end\\\n");
    ck_assert_int_eq(import(text.bytes, text.size, 1000, &model, &result, &info),
                     ERR_BAD_MODEL_FILE);
    ck_assert_uint_eq(info.line, 4);
    buffer_fini(&text);
}
END_TEST

/* Every byte cut off a good file, and every byte changed: an error or a model. */
START_TEST(cut_and_changed_files)
{
    struct train_result result;
    struct model *model;
    struct random random;
    random_seed(&random, 1, 1);
    for (size_t size = 0; size + 1 < sizeof small; size++) {
        struct err_info info = {0};
        enum err code = import(small, size, 50, &model, &result, &info);
        ck_assert(code == ERR_BAD_MODEL_FILE || size + 2 >= sizeof small);
        model_release(model);
        char changed[sizeof small];
        memcpy(changed, small, sizeof small);
        changed[size] = (char)random_below(&random, 256);
        struct err_info other = {0};
        code = import(changed, sizeof small - 1, 50, &model, &result, &other);
        ck_assert(code == ERR_OK || code == ERR_BAD_MODEL_FILE);
        model_release(model);
    }
}
END_TEST

/* ---- what Firth writes ---- */

static struct model *train_text(const char *text, const char *const *params)
{
    struct train_spec spec;
    struct train_result result;
    struct buffer file;
    struct model *model;
    const struct train_input input = {.text = span_of_text(text)};
    train_spec_init(&spec, &kind_ngram);
    spec.tokenizer.unit = UNIT_WHITESPACE;
    for (; params[0]; params += 2)
        ck_assert_int_eq(params_parse(&spec.params, params[0], params[1], NULL), ERR_OK);
    buffer_init(&file, (size_t)1 << 26);
    struct writer writer = writer_to_buffer(&file);
    ck_assert_int_eq(train_run(&spec, &input, NULL, &writer, &result, NULL), ERR_OK);
    void *copy = memory_new_aligned(file.size, 1);
    memcpy(copy, file.bytes, file.size);
    ck_assert_int_eq(model_load_take(copy, file.size, &model, NULL), ERR_OK);
    buffer_fini(&file);
    return model;
}

static char *random_text(size_t lines)
{
    struct random random;
    char *text = malloc(lines * 80 + 1), *end = text;
    random_seed(&random, 77, 3);
    for (size_t i = 0; i < lines; i++) {
        size_t words = 1 + random_below(&random, 9);
        for (size_t j = 0; j < words; j++)
            end += sprintf(end, "é%d%c",
                           (int)(random_uniform(&random) * random_uniform(&random) * 50),
                           j + 1 == words ? '\n' : ' ');
    }
    *end = 0;
    return text;
}

static void compare_scores(const struct model *left, const struct model *right,
                           const char *text)
{
    struct token_list a = {0}, b = {0};
    struct span all = span_of_text(text);
    ck_assert_int_eq(token_list_encode(&a, left->tokenizer, left->vocab, all), ERR_OK);
    ck_assert_int_eq(token_list_encode(&b, right->tokenizer, right->vocab, all), ERR_OK);
    ck_assert_uint_eq(a.count, b.count);
    float *p = calloc(a.count, sizeof *p), *q = calloc(a.count, sizeof *q);
    struct lm_segment one = {a.ids, a.count, true, p, NULL};
    struct lm_segment two = {b.ids, b.count, true, q, NULL};
    ck_assert_int_eq(left->lm->ops->score(left->lm, &one, 1), ERR_OK);
    ck_assert_int_eq(right->lm->ops->score(right->lm, &two, 1), ERR_OK);
    for (size_t i = 0; i < a.count; i++)
        ck_assert_msg(fabsf(p[i] - q[i]) < 1e-6f || (isinf(p[i]) && isinf(q[i])),
                      "token %zu: %.9g, read back %.9g", i, (double)p[i], (double)q[i]);
    free(p);
    free(q);
    token_list_fini(&a);
    token_list_fini(&b);
}

START_TEST(reads_back_to_the_same_scores)
{
    static const char *const variants[][5] = {
        {"order", "1", NULL},
        {"order", "4", NULL},
        {"order", "3", "prune", "0,1", NULL},
        {"order", "3", "smoothing", "katz", NULL},
        {"order", "3", "smoothing", "mle", NULL},
        {"order", "5", "smoothing", "jelinek-mercer", NULL},
        {"order", "1", "smoothing", "additive", NULL},
        {"order", "3", "compact", "true", NULL},
    };
    char *text = random_text(300);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        struct model *model = train_text(text, variants[i]), *back;
        struct train_result result;
        struct buffer arpa;
        struct err_info info = {0};
        buffer_init(&arpa, (size_t)1 << 26);
        struct writer writer = writer_to_buffer(&arpa);
        ck_assert_int_eq(arpa_export(model, &writer, &info), ERR_OK);
        enum err code = import(arpa.bytes, arpa.size, 4096, &back, &result, &info);
        ck_assert_msg(code == ERR_OK, "%s", info.message);
        ck_assert_uint_eq(result.parameters, model->result.parameters);
        compare_scores(model, back, text);
        compare_scores(model, back, "é1 é2 zzz é3 é3 é3 <unk> é49 é48 é0 é0 é0 é0 é0");
        model_release(model);
        model_release(back);
        buffer_fini(&arpa);
    }
    free(text);
}
END_TEST

START_TEST(additive_smoothing_cannot_be_exported)
{
    const char *const params[] = {"smoothing", "additive", NULL};
    struct model *model = train_text("a b\nb a\n", params);
    struct buffer arpa;
    buffer_init(&arpa, 1 << 20);
    struct writer writer = writer_to_buffer(&arpa);
    ck_assert_int_eq(arpa_export(model, &writer, NULL), ERR_NOT_ABLE);
    ck_assert_uint_eq(arpa.size, 0);
    buffer_fini(&arpa);
    model_release(model);
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+1.5", 1.5},
                {"-.25", -0.25},
                {"3.", 3},
                {"1e3", 1000},
                {"-2.5E-3", -.0025},
                {"1e-400", 0},
                {"12345678901234567890123", 1.2345678901234568e22},
                {"0.00000000000000000000000123", 1.23e-24}};
    static const char *const bad[] = {"",      "-",       ".",   "e5",   "1e",
                                      "1e+",   "1x",      "--1", "1..2", "0x10",
                                      "1e999", "1e99999", "inf", "nan",  "1,5"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(arpa_number(span_of_text(good[i].text), &value), "%s",
                      good[i].text);
        ck_assert_double_eq_tol(value, good[i].value,
                                1e-15 * fabs(good[i].value) + 1e-300);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!arpa_number(span_of_text(bad[i]), &value), "%s", bad[i]);
}
END_TEST

UNIT_SUITE(arpa)
{
    tcase_add_test(unit, scores_by_hand);
    tcase_add_test(unit, missing_prefixes_and_suffixes);
    tcase_add_test(unit, accepted_variants);
    tcase_add_test(unit, malformed_files_are_refused_with_their_line);
    tcase_add_test(unit, too_long_a_line);
    tcase_add_test(unit, cut_and_changed_files);
    tcase_add_test(unit, reads_back_to_the_same_scores);
    tcase_add_test(unit, additive_smoothing_cannot_be_exported);
    tcase_add_test(unit, numbers);
}
