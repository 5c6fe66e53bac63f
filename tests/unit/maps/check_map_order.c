/* SPDX-License-Identifier: MIT */
/* From an order's text to a drawn map's bytes and back, with a model made here; and bytes
 * that nobody drew. */
#include "model/maps/map_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/artefact.h"
#include "model/maps/map_file.h"
#include "model/model.h"
#include "model/text/vocab.h"
#include "model/vectors/vectors.h"
#include "tests/support/unit.h"

enum { COUNT = 12, DIM = 5 };

static struct vocab *vocab;
static struct vectors *vectors;
static struct model model;
static float *rows;

static void set_up(void)
{
    struct random random;
    char texts[COUNT][3];
    struct span words[COUNT];
    uint64_t counts[COUNT];
    random_seed(&random, 3, 0);
    for (size_t i = 0; i < COUNT; i++) {
        texts[i][0] = 'w';
        texts[i][1] = (char)('a' + (int)i);
        texts[i][2] = '\0';
        words[i] = span_of_text(texts[i]);
        counts[i] = 100 - i;
    }
    ck_assert_int_eq(vocab_from_words(words, counts, COUNT, &vocab, NULL), ERR_OK);
    rows = memory_new_aligned(COUNT, vectors_stride(DIM) * sizeof *rows);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t d = 0; d < DIM; d++)
            rows[i * vectors_stride(DIM) + d] = (float)random_normal(&random);
    ck_assert_int_eq(vectors_new(vocab, VOCAB_RESERVED, rows, COUNT, DIM,
                                 vectors_stride(DIM), &vectors, NULL),
                     ERR_OK);
    model = (struct model){.vectors = vectors, .kind = kind_find("glove")};
}

static void tear_down(void)
{
    vectors_free(vectors);
    vocab_free(vocab);
    free(rows);
}

static struct map_order an_order(enum maps_method method)
{
    struct map_order order = {.model = "some", .settings = maps_defaults(method)};
    order.settings.perplexity = 2.5;
    order.settings.iterations = 30;
    order.settings.seed = 9007199254740991u;
    order.settings.dims = 3;
    return order;
}

START_TEST(order_comes_back)
{
    struct map_order put = an_order(MAPS_TSNE), got;
    struct err_info info = {0};
    struct buffer text;
    put.top = 7;
    put.settings.threads = 2;
    buffer_init(&text, 4096);
    ck_assert_int_eq(map_order_write(&put, &text), ERR_OK);
    ck_assert_int_eq(map_order_read(&got, span_of(text.bytes, text.size), &info), ERR_OK);
    ck_assert_str_eq(got.model, "some");
    ck_assert_int_eq(got.settings.method, MAPS_TSNE);
    ck_assert_uint_eq(got.settings.dims, 3);
    ck_assert_double_eq(got.settings.perplexity, 2.5);
    ck_assert_uint_eq(got.settings.iterations, 30);
    ck_assert_uint_eq(got.settings.seed, put.settings.seed);
    ck_assert_uint_eq(got.settings.threads, 2);
    ck_assert_uint_eq(got.top, 7);
    buffer_fini(&text);
    static const char *const bad[] = {"colour red\n", "method umap\n",
                                      "seed -1\n",    "dims two\n",
                                      "top\n",        "perplexity nan\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(map_order_read(&got, span_of_text(bad[i]), NULL), ERR_INVALID);
}
END_TEST

static enum err draw(const struct map_order *order, const char *words,
                     struct buffer *bytes, struct err_info *info)
{
    buffer_init(bytes, 1 << 20);
    const struct writer to = writer_to_buffer(bytes);
    return map_order_draw(order, &model, span_of_text(words), NULL, &to, info);
}

/* As a trainer's answer is read: 64-byte aligned. */
static char *aligned(const struct buffer *bytes)
{
    char *copy = memory_new_aligned(bytes->size, 1);
    memcpy(copy, bytes->bytes, bytes->size);
    return copy;
}

START_TEST(drawn_map_comes_back)
{
    for (int method = 0; method < MAPS_METHOD_COUNT; method++)
        for (int top = 0; top <= 5; top += 5) {
            struct map_order order = an_order((enum maps_method)method);
            struct buffer bytes;
            struct map_file file;
            order.top = (uint32_t)top;
            ck_assert_int_eq(draw(&order, "we\nwa\nwb\nwl\nwc", &bytes, NULL), ERR_OK);
            char *copy = aligned(&bytes);
            ck_assert_int_eq(map_file_read(span_of(copy, bytes.size), &file, NULL),
                             ERR_OK);
            ck_assert_uint_eq(file.count, 5);
            ck_assert_uint_eq(file.dims, 3);
            ck_assert_uint_eq(file.iterations, method == MAPS_TSNE ? 30 : 0);
            ck_assert(
                span_equal(map_file_word(&file, 0), span_of_text(top ? "wa" : "we")));
            ck_assert(
                span_equal(map_file_word(&file, 3), span_of_text(top ? "wd" : "wl")));
            if (method == MAPS_PCA)
                ck_assert(file.explained[0] >= file.explained[1] &&
                          file.explained[2] > 0);
            else
                ck_assert(file.kl[29] > 0);
            map_file_fini(&file);
            free(copy);
            buffer_fini(&bytes);
        }
}
END_TEST

START_TEST(what_cannot_be_drawn_says_why)
{
    struct map_order order = an_order(MAPS_PCA);
    struct err_info info = {0};
    struct buffer bytes;
    ck_assert_int_eq(draw(&order, "wa\nwb\nwc\nzz", &bytes, &info), ERR_UNKNOWN_WORDS);
    ck_assert_ptr_nonnull(strstr(info.message, "zz"));
    buffer_fini(&bytes);
    info = (struct err_info){0};
    ck_assert_int_eq(draw(&order, "wa\nwb\nwc", &bytes, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/words");
    buffer_fini(&bytes);
    info = (struct err_info){0};
    order.top = COUNT + 1;
    ck_assert_int_eq(draw(&order, "", &bytes, &info), ERR_INVALID);
    ck_assert_str_eq(info.pointer, "/top");
    buffer_fini(&bytes);
    model.vectors = NULL;
    ck_assert_int_eq(draw(&order, "", &bytes, &info), ERR_NOT_ABLE);
    buffer_fini(&bytes);
}
END_TEST

/* A well-formed artefact whose sections do not fit each other. */
static enum err read_forged(uint64_t points, uint64_t dims, uint64_t ends, uint64_t last)
{
    struct artefact_writer *writer;
    struct buffer bytes;
    struct map_file file;
    static const float zeros[64];
    static const double nothing[8];
    const uint64_t shape[] = {points, dims}, bytes_of_words = 4, explained = 2;
    uint64_t places[16] = {0};
    places[ends - 1] = last;
    buffer_init(&bytes, 1 << 16);
    const struct writer to = writer_to_buffer(&bytes);
    ck_assert_int_eq(artefact_begin(&to, "map", &writer), ERR_OK);
    ck_assert_int_eq(artefact_put(writer, "points", ARTEFACT_F32, 2, shape, zeros),
                     ERR_OK);
    ck_assert_int_eq(
        artefact_put(writer, "words", ARTEFACT_BYTES, 1, &bytes_of_words, "abcd"),
        ERR_OK);
    ck_assert_int_eq(artefact_put(writer, "ends", ARTEFACT_U64, 1, &ends, places),
                     ERR_OK);
    ck_assert_int_eq(
        artefact_put(writer, "explained", ARTEFACT_F64, 1, &explained, nothing), ERR_OK);
    ck_assert_int_eq(artefact_finish(writer), ERR_OK);
    artefact_writer_free(writer);
    char *copy = aligned(&bytes);
    enum err code = map_file_read(span_of(copy, bytes.size), &file, NULL);
    if (!code)
        map_file_fini(&file);
    free(copy);
    buffer_fini(&bytes);
    return code;
}

START_TEST(forged_maps_are_refused)
{
    ck_assert_int_eq(read_forged(2, 2, 2, 4), ERR_OK);
    ck_assert_int_eq(read_forged(2, 2, 3, 4), ERR_BAD_MODEL_FILE); /* a word too many */
    ck_assert_int_eq(read_forged(2, 2, 2, 5), ERR_BAD_MODEL_FILE); /* beyond the words */
    ck_assert_int_eq(read_forged(2, 4, 2, 4), ERR_BAD_MODEL_FILE); /* four dimensions */
    ck_assert_int_eq(read_forged(2, 3, 2, 4), ERR_BAD_MODEL_FILE); /* two are explained */
}
END_TEST

UNIT_SUITE(map_order)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, order_comes_back);
    tcase_add_test(unit, drawn_map_comes_back);
    tcase_add_test(unit, what_cannot_be_drawn_says_why);
    tcase_add_test(unit, forged_maps_are_refused);
}
