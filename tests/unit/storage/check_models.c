/* SPDX-License-Identifier: MIT */
#include "tests/unit/storage/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct scratch scratch;

static void set_up(void)
{
    scratch_open(&scratch);
}

static void tear_down(void)
{
    scratch_close(&scratch);
}

static const char *resolve(const char *name)
{
    static char found[STORE_NAME_SIZE];
    struct model_row row;
    enum err code = store_model_get(scratch.store, name, &row);
    snprintf(found, sizeof found, "%s", code ? err_word(code) : row.name);
    if (!code)
        model_row_fini(&row);
    return found;
}

START_TEST(model_comes_back_as_it_went_in)
{
    struct store_upload *upload;
    struct model_row put = {.name = "m",
                            .kind = "lstm",
                            .parameters = 1ull << 40,
                            .vocab_size = 4000000000u,
                            .job = "job-1"};
    put.spec = strdup("kind lstm\n");
    put.metrics = strdup("valid_perplexity 81.5\n");
    put.metadata = strdup("{\"a\":\"\xc3\xa4\"}");
    ck_assert_int_eq(store_upload_begin(scratch.store, &upload), ERR_OK);
    struct writer writer = store_upload_writer(upload);
    ck_assert_int_eq(writer.write(writer.context, "ab", 2), ERR_OK);
    ck_assert_int_eq(writer.write(writer.context, "c", 1), ERR_OK);
    ck_assert_int_eq(store_model_commit(upload, &put, false, NULL), ERR_OK);
    ck_assert_str_eq(put.digest,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct model_row got;
    ck_assert_int_eq(store_model_get(scratch.store, "m", &got), ERR_OK);
    ck_assert_str_eq(got.kind, "lstm");
    ck_assert_uint_eq(got.parameters, 1ull << 40);
    ck_assert_uint_eq(got.vocab_size, 4000000000u);
    ck_assert_str_eq(got.job, "job-1");
    ck_assert_str_eq(got.spec, put.spec);
    ck_assert_str_eq(got.metrics, put.metrics);
    ck_assert_str_eq(got.metadata, put.metadata);
    ck_assert_str_eq(got.digest, put.digest);
    ck_assert_uint_eq(got.bytes, 3);
    ck_assert_int_eq(got.object, put.object);
    ck_assert_uint_eq(got.alias_count, 0);
    model_row_fini(&put);
    model_row_fini(&got);
}
END_TEST

START_TEST(a_taken_name_needs_replace)
{
    struct model_row row;
    ck_assert_int_eq(scratch_model(scratch.store, "m", "one", false), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "m", "two!", false), ERR_EXISTS);
    ck_assert_int_eq(store_model_get(scratch.store, "m", &row), ERR_OK);
    ck_assert_uint_eq(row.bytes, 3);
    model_row_fini(&row);
    ck_assert_int_eq(scratch_model(scratch.store, "m", "two!", true), ERR_OK);
    ck_assert_int_eq(store_model_get(scratch.store, "m", &row), ERR_OK);
    ck_assert_uint_eq(row.bytes, 4);
    ck_assert_str_eq(row.metadata, "{}");
    model_row_fini(&row);
}
END_TEST

START_TEST(aliases_move_and_share_the_name_space)
{
    static const char both[2][STORE_NAME_SIZE] = {"best", "live"};
    static const char one[1][STORE_NAME_SIZE] = {"live"};
    static const char taken[2][STORE_NAME_SIZE] = {"new", "b"};
    static const char bad[1][STORE_NAME_SIZE] = {"../x"};
    struct err_info info = {0};
    struct model_row row;
    ck_assert_int_eq(scratch_model(scratch.store, "a", "1", false), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "b", "2", false), ERR_OK);
    ck_assert_int_eq(store_model_patch(scratch.store, "a", NULL, both, 2, NULL), ERR_OK);
    ck_assert_str_eq(resolve("live"), "a");
    ck_assert_int_eq(store_model_get(scratch.store, "best", &row), ERR_OK);
    ck_assert_uint_eq(row.alias_count, 2);
    ck_assert_str_eq(row.aliases[0], "best");
    ck_assert_str_eq(row.aliases[1], "live");
    model_row_fini(&row);
    ck_assert_int_eq(store_model_patch(scratch.store, "b", "{\"x\":1}", one, 1, NULL),
                     ERR_OK);
    ck_assert_str_eq(resolve("live"), "b");
    ck_assert_str_eq(resolve("best"), "a");
    ck_assert_int_eq(store_model_patch(scratch.store, "a", "{\"y\":1}", taken, 2, &info),
                     ERR_EXISTS);
    ck_assert_str_eq(info.pointer, "/aliases");
    ck_assert_str_eq(resolve("new"), "model_not_found");
    ck_assert_str_eq(resolve("best"), "a");
    ck_assert_int_eq(store_model_patch(scratch.store, "a", NULL, bad, 1, NULL),
                     ERR_INVALID);
    ck_assert_int_eq(store_model_get(scratch.store, "a", &row), ERR_OK);
    ck_assert_str_eq(row.metadata, "{}");
    model_row_fini(&row);
    ck_assert_int_eq(store_model_patch(scratch.store, "none", "{}", NULL, 0, NULL),
                     ERR_MODEL_NOT_FOUND);
    ck_assert_int_eq(store_model_patch(scratch.store, "a", NULL, one, 0, NULL), ERR_OK);
    ck_assert_str_eq(resolve("best"), "model_not_found");
}
END_TEST

START_TEST(a_replaced_model_keeps_its_aliases_and_an_alias_can_become_a_model)
{
    static const char live[1][STORE_NAME_SIZE] = {"live"};
    ck_assert_int_eq(scratch_model(scratch.store, "a", "1", false), ERR_OK);
    ck_assert_int_eq(store_model_patch(scratch.store, "a", NULL, live, 1, NULL), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "a", "2", true), ERR_OK);
    ck_assert_str_eq(resolve("live"), "a");
    ck_assert_int_eq(scratch_model(scratch.store, "live", "3", false), ERR_EXISTS);
    ck_assert_int_eq(scratch_model(scratch.store, "live", "3", true), ERR_OK);
    ck_assert_str_eq(resolve("live"), "live");
    ck_assert_int_eq(store_model_delete(scratch.store, "a"), ERR_OK);
    ck_assert_str_eq(resolve("live"), "live");
}
END_TEST

START_TEST(delete_takes_the_aliases_along)
{
    static const char live[1][STORE_NAME_SIZE] = {"live"};
    ck_assert_int_eq(scratch_model(scratch.store, "a", "1", false), ERR_OK);
    ck_assert_int_eq(store_model_patch(scratch.store, "a", NULL, live, 1, NULL), ERR_OK);
    ck_assert_int_eq(store_model_delete(scratch.store, "a"), ERR_OK);
    ck_assert_str_eq(resolve("live"), "model_not_found");
    ck_assert_int_eq(store_model_delete(scratch.store, "a"), ERR_MODEL_NOT_FOUND);
    ck_assert_int_eq(scratch_model(scratch.store, "live", "1", false), ERR_OK);
}
END_TEST

START_TEST(models_are_listed_with_their_aliases)
{
    static const char live[1][STORE_NAME_SIZE] = {"live"};
    struct model_row rows[2];
    size_t count;
    bool has_more;
    ck_assert_int_eq(scratch_model(scratch.store, "a", "1", false), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "b", "1", false), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "c", "1", false), ERR_OK);
    ck_assert_int_eq(store_model_patch(scratch.store, "b", NULL, live, 1, NULL), ERR_OK);
    ck_assert_int_eq(store_model_list(scratch.store, "", 2, rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(has_more);
    ck_assert_str_eq(rows[0].name, "c");
    ck_assert_str_eq(rows[1].name, "b");
    ck_assert_str_eq(rows[1].aliases[0], "live");
    model_row_fini(&rows[0]);
    model_row_fini(&rows[1]);
    ck_assert_int_eq(store_model_list(scratch.store, "b", 2, rows, &count, &has_more),
                     ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert(!has_more);
    ck_assert_str_eq(rows[0].name, "a");
    model_row_fini(&rows[0]);
}
END_TEST

static struct model_row row_of(const char *name)
{
    struct model_row row;
    ck_assert_int_eq(store_model_get(scratch.store, name, &row), ERR_OK);
    return row;
}

START_TEST(an_index_is_kept_beside_its_version_of_the_model)
{
    char bytes[8];
    size_t got;
    struct store_object *object;
    ck_assert_int_eq(scratch_model(scratch.store, "m", "one", false), ERR_OK);
    struct model_row before = row_of("m");
    ck_assert_int_eq(before.index_object, 0);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "two", "index"), ERR_CONFLICT);
    ck_assert_int_eq(scratch_index(scratch.store, "n", "one", "index"),
                     ERR_MODEL_NOT_FOUND);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "one", "first"), ERR_OK);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "one", "index"), ERR_OK);
    struct model_row after = row_of("m");
    ck_assert_str_eq(after.digest, before.digest);
    ck_assert_uint_eq(after.bytes, 3);
    ck_assert_uint_eq(after.index_bytes, 5);
    ck_assert_int_eq(store_object_open(scratch.store, after.index_object, &object),
                     ERR_OK);
    ck_assert_int_eq(store_object_read(object, 0, bytes, sizeof bytes, &got), ERR_OK);
    ck_assert(got == 5 && memcmp(bytes, "index", 5) == 0);
    store_object_close(object);
    ck_assert_int_eq(store_check(scratch.store, NULL, NULL, NULL), ERR_OK);
    model_row_fini(&before);
    model_row_fini(&after);
}
END_TEST

START_TEST(an_index_goes_with_its_model)
{
    struct store_stats stats;
    ck_assert_int_eq(scratch_model(scratch.store, "m", "one", false), ERR_OK);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "one", "index"), ERR_OK);
    ck_assert_int_eq(scratch_model(scratch.store, "m", "two!", true), ERR_OK);
    struct model_row row = row_of("m");
    ck_assert_int_eq(row.index_object, 0);
    model_row_fini(&row);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "one", "late"), ERR_CONFLICT);
    ck_assert_int_eq(scratch_index(scratch.store, "m", "two!", "again"), ERR_OK);
    ck_assert_int_eq(store_model_delete(scratch.store, "m"), ERR_OK);
    ck_assert_int_eq(store_stats_get(scratch.store, &stats), ERR_OK);
    ck_assert_uint_eq(stats.objects, 0);
    ck_assert_uint_eq(stats.object_bytes, 0);
}
END_TEST

UNIT_SUITE(models)
{
    tcase_add_checked_fixture(unit, set_up, tear_down);
    tcase_add_test(unit, model_comes_back_as_it_went_in);
    tcase_add_test(unit, a_taken_name_needs_replace);
    tcase_add_test(unit, aliases_move_and_share_the_name_space);
    tcase_add_test(unit,
                   a_replaced_model_keeps_its_aliases_and_an_alias_can_become_a_model);
    tcase_add_test(unit, delete_takes_the_aliases_along);
    tcase_add_test(unit, models_are_listed_with_their_aliases);
    tcase_add_test(unit, an_index_is_kept_beside_its_version_of_the_model);
    tcase_add_test(unit, an_index_goes_with_its_model);
}
