/* SPDX-License-Identifier: MIT */
/* The model file: what is written is read, and nothing damaged is. */
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/artefact.h"
#include "model/model.h"

/* A file with sections of all types; free() it. */
static char *some_file(size_t *size)
{
    struct buffer bytes;
    struct artefact_writer *file;
    uint64_t two_three[] = {2, 3}, five = 5, none = 0;
    float floats[] = {1, 2, 3, 4, 5, 6};
    double doubles[] = {0.5, 1, 2, 4, 8};
    uint32_t number = 7;
    buffer_init(&bytes, 1 << 20);
    struct writer to = writer_to_buffer(&bytes);
    ck_assert_int_eq(artefact_begin(&to, "ngram", &file), ERR_OK);
    ck_assert_int_eq(artefact_put(file, "floats", ARTEFACT_F32, 2, two_three, floats),
                     ERR_OK);
    ck_assert_int_eq(artefact_put(file, "empty", ARTEFACT_BYTES, 1, &none, NULL), ERR_OK);
    ck_assert_int_eq(artefact_put(file, "doubles", ARTEFACT_F64, 1, &five, doubles),
                     ERR_OK);
    ck_assert_int_eq(artefact_open_section(file, "pieces", ARTEFACT_U32), ERR_OK);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(artefact_append(file, &number, sizeof number), ERR_OK);
    ck_assert_int_eq(artefact_close_section(file), ERR_OK);
    ck_assert_int_eq(artefact_finish(file), ERR_OK);
    artefact_writer_free(file);
    return buffer_release(&bytes, size);
}

/* An aligned copy of exactly this size, so that a sanitizer sees reads beyond it. */
static char *aligned(const char *bytes, size_t size)
{
    char *copy;
    ck_assert_int_eq(posix_memalign((void **)&copy, MEMORY_ALIGNMENT, size ? size : 1),
                     0);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

static enum err parse_copy(const char *bytes, size_t size)
{
    struct artefact *artefact;
    struct err_info info = {0};
    char *copy = aligned(bytes, size);
    enum err code = artefact_parse(span_of(copy, size), &artefact, &info);
    ck_assert_ptr_eq(code ? artefact : NULL, NULL);
    if (code)
        ck_assert_str_ne(info.message, "");
    artefact_free(artefact);
    free(copy);
    return code;
}

START_TEST(reads_what_was_written)
{
    size_t size;
    struct artefact *artefact;
    const struct artefact_section *section;
    char *file = some_file(&size), *bytes = aligned(file, size);
    ck_assert_int_eq(artefact_parse(span_of(bytes, size), &artefact, NULL), ERR_OK);
    ck_assert_str_eq(artefact_kind(artefact), "ngram");
    ck_assert_int_eq(artefact_need(artefact, "floats", ARTEFACT_F32, 2, &section, NULL),
                     ERR_OK);
    ck_assert_uint_eq(section->shape[0], 2);
    ck_assert_uint_eq(section->shape[1], 3);
    ck_assert_float_eq(((const float *)section->content.bytes)[5], 6);
    section = artefact_find(artefact, "pieces");
    ck_assert_uint_eq(section->shape[0], 20);
    ck_assert_uint_eq((uintptr_t)section->content.bytes % 64, 0);
    ck_assert_uint_eq(((const uint32_t *)section->content.bytes)[19], 7);
    ck_assert_uint_eq(artefact_find(artefact, "empty")->content.size, 0);
    ck_assert_ptr_null(artefact_find(artefact, "float"));
    artefact_free(artefact);
    free(bytes);
    free(file);
}
END_TEST

START_TEST(says_what_is_missing)
{
    size_t size;
    struct artefact *artefact;
    const struct artefact_section *section;
    struct err_info info = {0};
    char *file = some_file(&size), *bytes = aligned(file, size);
    ck_assert_int_eq(artefact_parse(span_of(bytes, size), &artefact, NULL), ERR_OK);
    ck_assert_int_eq(artefact_need(artefact, "floats", ARTEFACT_F32, 1, &section, NULL),
                     ERR_BAD_MODEL_FILE);
    ck_assert_ptr_null(section);
    ck_assert_int_eq(artefact_need(artefact, "oddly", ARTEFACT_F32, 1, &section, &info),
                     ERR_BAD_MODEL_FILE);
    ck_assert_ptr_nonnull(strstr(info.message, "oddly"));
    artefact_free(artefact);
    free(bytes);
    free(file);
}
END_TEST

START_TEST(refuses_every_truncation)
{
    size_t size;
    char *file = some_file(&size);
    ck_assert_int_eq(parse_copy(file, size), ERR_OK);
    for (size_t cut = 0; cut < size; cut++)
        ck_assert_int_eq(parse_copy(file, cut), ERR_BAD_MODEL_FILE);
    free(file);
}
END_TEST

START_TEST(refuses_trailing_bytes)
{
    size_t size;
    char *file = some_file(&size);
    file = realloc(file, size + 200);
    memset(file + size, 0, 200);
    for (size_t more = 1; more <= 200; more++)
        ck_assert_int_eq(parse_copy(file, size + more), ERR_BAD_MODEL_FILE);
    free(file);
}
END_TEST

/* Every single byte changed, once to a random value. */
START_TEST(refuses_every_changed_byte)
{
    size_t size;
    char *file = some_file(&size);
    struct random random;
    random_seed(&random, 1, 0);
    for (size_t i = 0; i < size; i++) {
        char kept = file[i];
        file[i] = (char)(file[i] ^ (char)(1 + random_below(&random, 255)));
        ck_assert_int_eq(parse_copy(file, size), ERR_BAD_MODEL_FILE);
        file[i] = kept;
    }
    free(file);
}
END_TEST

START_TEST(refuses_2000_random_flips)
{
    size_t size;
    char *file = some_file(&size);
    struct random random;
    random_seed(&random, 2, 0);
    for (int i = 0; i < 2000; i++) {
        char *copy = malloc(size);
        memcpy(copy, file, size);
        size_t flips = 1 + random_below(&random, 8);
        for (size_t flip = 0; flip < flips; flip++)
            copy[random_below(&random, size)] ^= (char)(1u << random_below(&random, 8));
        if (memcmp(copy, file, size) != 0)
            ck_assert_int_eq(parse_copy(copy, size), ERR_BAD_MODEL_FILE);
        free(copy);
    }
    free(file);
}
END_TEST

/* A table made up with a right checksum is still not believed. */
START_TEST(refuses_made_up_tables)
{
    enum { ENTRY = 96, FOOTER = 28, RANK = 36, SHAPE = 40, OFFSET = 72, SIZE = 80 };
    static const uint64_t lies[] = {
        0, 1, 63, 64, 65, 1u << 20, UINT64_MAX, UINT64_MAX / 4, (uint64_t)1 << 62};
    size_t size, table;
    char *file = some_file(&size);
    table = size - FOOTER - 4 * ENTRY;
    for (size_t entry = 0; entry < 4; entry++)
        for (size_t field = 32; field < ENTRY; field += 8)
            for (size_t lie = 0; lie < sizeof lies / sizeof lies[0]; lie++) {
                char *copy = malloc(size), *at = copy + table + entry * ENTRY + field;
                memcpy(copy, file, size);
                bool same = memcmp(at, &lies[lie], 8) == 0;
                memcpy(at, &lies[lie], 8);
                uint32_t crc = crc32c(crc32c(0, copy, 64), copy + table, 4 * ENTRY);
                memcpy(copy + size - 12, &crc, 4);
                bool harmless = same || (field == 88 && lie == 0 && entry == 1);
                ck_assert_int_eq(parse_copy(copy, size),
                                 harmless ? ERR_OK : ERR_BAD_MODEL_FILE);
                free(copy);
            }
    free(file);
}
END_TEST

struct failing {
    size_t left; /* bytes it still takes */
};
static enum err fail_later(void *context, const void *bytes, size_t size)
{
    struct failing *failing = context;
    (void)bytes;
    if (size > failing->left)
        return ERR_NO_SPACE;
    failing->left -= size;
    return ERR_OK;
}

/* Wherever the disk fills up, the end says so. */
START_TEST(a_failed_write_stays_failed)
{
    uint64_t shape = 100;
    char content[100] = {0};
    for (size_t room = 0; room < 400; room += 7) {
        struct failing failing = {room};
        struct writer to = {&failing, fail_later};
        struct artefact_writer *file;
        enum err code = artefact_begin(&to, "ngram", &file);
        if (code) {
            ck_assert_int_eq(code, ERR_NO_SPACE);
            continue;
        }
        code = artefact_put(file, "content", ARTEFACT_BYTES, 1, &shape, content);
        if (code)
            ck_assert_int_eq(
                artefact_put(file, "more", ARTEFACT_BYTES, 1, &shape, content), code);
        ck_assert_int_eq(artefact_finish(file),
                         room < 64 + 128 + 96 + 28 ? ERR_NO_SPACE : ERR_OK);
        artefact_writer_free(file);
    }
}
END_TEST

/* A whole file of an unknown kind, and one without its common sections. */
START_TEST(models_need_more_than_a_whole_file)
{
    size_t size;
    struct model *model;
    struct err_info info = {0};
    char *file = some_file(&size);
    void *bytes = memory_new_aligned(size, 1);
    memcpy(bytes, file, size);
    ck_assert_int_eq(model_load_take(bytes, size, &model, &info), ERR_BAD_MODEL_FILE);
    ck_assert_ptr_null(model);
    ck_assert_str_ne(info.message, "");
    free(file);
}
END_TEST

UNIT_SUITE(artefact)
{
    tcase_add_test(unit, reads_what_was_written);
    tcase_add_test(unit, says_what_is_missing);
    tcase_add_test(unit, refuses_every_truncation);
    tcase_add_test(unit, refuses_trailing_bytes);
    tcase_add_test(unit, refuses_every_changed_byte);
    tcase_add_test(unit, refuses_2000_random_flips);
    tcase_add_test(unit, refuses_made_up_tables);
    tcase_add_test(unit, a_failed_write_stays_failed);
    tcase_add_test(unit, models_need_more_than_a_whole_file);
}
