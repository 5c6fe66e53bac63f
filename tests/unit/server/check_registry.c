/* SPDX-License-Identifier: MIT */
/* Loaded models: one load for many, the least recently used goes first, models in use
 * stay, and replaced versions live until their last lease is given back. */
#include "tests/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "model/text/vocab.h"
#include "server/metrics.h"
#include "server/registry.h"
#include "tests/unit/server/temporary.h"

static struct temporary temporary;
static struct metrics *metrics;
static struct registry *registry;

static void setup(void)
{
    temporary_open(&temporary);
    metrics = metrics_new();
    temporary_put_corpus(&temporary, "one", "a b c\nb c a\nc a b\n");
    temporary_put_corpus(&temporary, "two", "x y z\ny z x\nz x w\n");
    temporary_train(&temporary, "first", "one");
    temporary_train(&temporary, "second", "two");
}

static void teardown(void)
{
    registry_free(registry);
    metrics_free(metrics);
    temporary_close(&temporary);
}

static void make_registry(uint64_t bytes)
{
    ck_assert_int_eq(registry_new(temporary.store, metrics, bytes, &registry), ERR_OK);
}

static struct lease acquire(const char *name)
{
    struct lease lease;
    struct err_info info = {0};
    enum err code = registry_acquire(registry, name, &lease, &info);
    ck_assert_msg(code == ERR_OK, "%s: %s", name, info.message);
    return lease;
}

static bool knows(const struct lease *lease, const char *word)
{
    return vocab_id(lease->model->vocab, span_of_text(word)) != VOCAB_UNK;
}

START_TEST(a_model_is_loaded_once_and_kept)
{
    struct lease cold, first, again;
    make_registry(1 << 30);
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_UNLOADED);
    ck_assert(!registry_try_acquire(registry, "first", &cold));
    ck_assert_ptr_null(cold.model);
    first = acquire("first");
    ck_assert(knows(&first, "a") && !knows(&first, "x"));
    ck_assert_str_eq(first.name, "first");
    ck_assert_uint_eq(strlen(first.digest), 64);
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_READY);
    ck_assert(registry_try_acquire(registry, "first", &again));
    ck_assert_ptr_eq(first.model, again.model);
    registry_release(&first);
    registry_release(&again);
    registry_release(&again); /* given back already: nothing happens */
    struct err_info info = {0};
    ck_assert_int_eq(registry_acquire(registry, "third", &cold, &info),
                     ERR_MODEL_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(info.message, "third"));
}
END_TEST

enum { TAKERS = 8 };

struct taker {
    pthread_t thread;
    struct lease lease;
    enum err code;
};

static void *take(void *argument)
{
    struct taker *taker = argument;
    taker->code = registry_acquire(registry, "first", &taker->lease, NULL);
    return NULL;
}

START_TEST(many_at_once_get_the_same_copy)
{
    struct taker takers[TAKERS] = {0};
    make_registry(1 << 30);
    for (int i = 0; i < TAKERS; i++)
        ck_assert_int_eq(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(takers[i].thread, NULL);
        ck_assert_int_eq(takers[i].code, ERR_OK);
        ck_assert_ptr_eq(takers[i].lease.model, takers[0].lease.model);
    }
    /* the registry's reference and one for each */
    ck_assert_uint_eq(atomic_load(&takers[0].lease.model->references), TAKERS + 1);
    for (int i = 0; i < TAKERS; i++)
        registry_release(&takers[i].lease);
}
END_TEST

/* Room for either model, not for both. */
static uint64_t room_for_one(void)
{
    make_registry(1 << 30);
    struct lease a = acquire("first"), b = acquire("second");
    uint64_t largest = model_memory(a.model), other = model_memory(b.model);
    registry_release(&a);
    registry_release(&b);
    registry_free(registry);
    registry = NULL;
    return largest > other ? largest : other;
}

START_TEST(the_least_recently_used_goes_first)
{
    uint64_t room = room_for_one();
    make_registry(room);
    struct lease lease = acquire("first");
    registry_release(&lease);
    lease = acquire("second");
    registry_release(&lease);
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_UNLOADED);
    ck_assert_int_eq(registry_state(registry, "second"), MODEL_READY);
    struct buffer text;
    buffer_init(&text, 1 << 20);
    ck_assert_int_eq(metrics_render(metrics, &text), ERR_OK);
    ck_assert_ptr_nonnull(strstr(text.bytes, "\nfirth_models_loaded 1\n"));
    buffer_fini(&text);
}
END_TEST

static void *release_soon(void *lease)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    registry_release(lease);
    return NULL;
}

START_TEST(a_model_in_use_is_waited_for)
{
    pthread_t thread;
    uint64_t room = room_for_one();
    make_registry(room);
    struct lease used = acquire("first");
    ck_assert_int_eq(pthread_create(&thread, NULL, release_soon, &used), 0);
    struct lease lease = acquire("second");
    pthread_join(thread, NULL);
    ck_assert(knows(&lease, "x"));
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_UNLOADED);
    registry_release(&lease);
}
END_TEST

START_TEST(what_never_fits_is_refused_at_once)
{
    struct lease lease;
    struct err_info info = {0};
    make_registry(10);
    ck_assert_int_eq(registry_acquire(registry, "first", &lease, &info), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(info.message, "model_cache_bytes"));
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_FAILED);
}
END_TEST

START_TEST(a_replaced_version_lives_until_its_last_lease)
{
    make_registry(1 << 30);
    struct lease old = acquire("first");
    temporary_train(&temporary, "first", "two");
    registry_forget(registry, "first");
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_UNLOADED);
    struct lease new = acquire("first");
    ck_assert_ptr_ne(old.model, new.model);
    ck_assert_str_ne(old.digest, new.digest);
    ck_assert(knows(&old, "a") && !knows(&old, "x"));
    ck_assert(knows(&new, "x") && !knows(&new, "a"));
    ck_assert_uint_eq(atomic_load(&old.model->references), 1);
    registry_release(&old);
    registry_release(&new);
}
END_TEST

START_TEST(an_alias_moves_and_both_models_stay)
{
    static const char alias[1][STORE_NAME_SIZE] = {"prod"};
    make_registry(1 << 30);
    ck_assert_int_eq(store_model_patch(temporary.store, "first", NULL, alias, 1, NULL),
                     ERR_OK);
    struct lease lease = acquire("prod"), again;
    ck_assert_str_eq(lease.name, "first");
    ck_assert(registry_try_acquire(registry, "prod", &again));
    ck_assert_int_eq(registry_state(registry, "prod"), MODEL_READY);
    registry_release(&again);
    ck_assert_int_eq(store_model_patch(temporary.store, "second", NULL, alias, 1, NULL),
                     ERR_OK);
    registry_forget_names(registry);
    again = acquire("prod");
    ck_assert_str_eq(again.name, "second");
    ck_assert_int_eq(registry_state(registry, "first"), MODEL_READY);
    registry_release(&again);
    registry_release(&lease);
}
END_TEST

START_TEST(a_damaged_model_fails_until_it_is_replaced)
{
    struct lease lease;
    struct err_info info = {0};
    make_registry(1 << 30);
    temporary_put_model(&temporary, "bad", "this is no model file");
    ck_assert_int_eq(registry_acquire(registry, "bad", &lease, &info),
                     ERR_BAD_MODEL_FILE);
    ck_assert(*info.message);
    ck_assert_int_eq(registry_state(registry, "bad"), MODEL_FAILED);
    ck_assert(!registry_try_acquire(registry, "bad", &lease));
    temporary_train(&temporary, "bad", "one");
    lease = acquire("bad");
    registry_release(&lease);
}
END_TEST

static atomic_bool churning;

static void *forget_often(void *unused)
{
    while (atomic_load(&churning)) {
        registry_forget(registry, "first");
        registry_forget_names(registry);
    }
    return unused;
}

START_TEST(forgetting_while_loading_harms_nobody)
{
    pthread_t thread;
    make_registry(1 << 30);
    atomic_store(&churning, true);
    ck_assert_int_eq(pthread_create(&thread, NULL, forget_often, NULL), 0);
    for (int i = 0; i < 200; i++) {
        struct lease lease = acquire(i % 2 ? "first" : "second");
        ck_assert(knows(&lease, i % 2 ? "a" : "x"));
        registry_release(&lease);
    }
    atomic_store(&churning, false);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(what_is_added_to_a_model_is_reserved)
{
    uint64_t one = room_for_one();
    make_registry(one + 1000);
    struct lease first = acquire("first");
    uint64_t own = model_memory(first.model);
    ck_assert_int_eq(registry_reserve(registry, &first, one + 1001 - own, NULL),
                     ERR_LIMIT);
    ck_assert_int_eq(registry_reserve(registry, &first, one + 1000 - own, NULL), ERR_OK);
    ck_assert_int_eq(registry_reserve(registry, &first, 1, NULL), ERR_LIMIT);
    registry_measure(registry, &first);
    ck_assert_int_eq(registry_reserve(registry, &first, one + 1000 - own, NULL), ERR_OK);
    registry_measure(registry, &first);
    registry_forget(registry, "first");
    ck_assert_int_eq(registry_reserve(registry, &first, 1, NULL), ERR_CONFLICT);
    registry_measure(registry, &first);
    registry_release(&first);
    struct lease second = acquire("second");
    registry_release(&second);
}
END_TEST

UNIT_SUITE(registry)
{
    tcase_add_checked_fixture(unit, setup, teardown);
    tcase_add_test(unit, a_model_is_loaded_once_and_kept);
    tcase_add_test(unit, many_at_once_get_the_same_copy);
    tcase_add_test(unit, the_least_recently_used_goes_first);
    tcase_add_test(unit, a_model_in_use_is_waited_for);
    tcase_add_test(unit, what_never_fits_is_refused_at_once);
    tcase_add_test(unit, a_replaced_version_lives_until_its_last_lease);
    tcase_add_test(unit, an_alias_moves_and_both_models_stay);
    tcase_add_test(unit, a_damaged_model_fails_until_it_is_replaced);
    tcase_add_test(unit, forgetting_while_loading_harms_nobody);
    tcase_add_test(unit, what_is_added_to_a_model_is_reserved);
}
