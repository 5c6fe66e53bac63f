/* SPDX-License-Identifier: MIT */
/* The daemon without HTTP: it starts, says why it cannot, and takes up what it left. */
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "server/server.h"
#include "tests/unit/server/temporary.h"

static struct temporary temporary;
static struct settings settings;

static void setup(void)
{
    temporary_open(&temporary);
    store_close(temporary.store);
    temporary.store = NULL;
    settings_init(&settings);
    ck_assert_int_eq(settings_set(&settings, "store", temporary.path, NULL), ERR_OK);
    ck_assert_int_eq(settings_set(&settings, "log_level", "silent", NULL), ERR_OK);
}

static void teardown(void)
{
    temporary_close(&temporary);
}

START_TEST(it_starts_and_stops)
{
    struct server *server;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(server_start(&settings, &server, NULL), ERR_OK);
        ck_assert_int_eq(atomic_load(&server->phase), SERVER_READY);
        ck_assert_str_eq(server->scratch, temporary.folder);
        server_drain(server, 1);
        ck_assert_int_eq(atomic_load(&server->phase), SERVER_DRAINING);
        server_stop(server);
    }
    server_stop(NULL);
}
END_TEST

START_TEST(two_do_not_share_a_store)
{
    struct server *server, *second;
    struct err_info info = {0};
    ck_assert_int_eq(server_start(&settings, &server, NULL), ERR_OK);
    ck_assert_int_eq(server_start(&settings, &second, &info), ERR_LOCKED);
    ck_assert_ptr_null(second);
    ck_assert(*info.message);
    server_stop(server);
}
END_TEST

START_TEST(it_says_which_folder_is_missing)
{
    struct server *server;
    struct err_info info = {0};
    ck_assert_int_eq(settings_set(&settings, "scratch", "/nonexistent/x", NULL), ERR_OK);
    ck_assert_int_eq(server_start(&settings, &server, &info), ERR_IO);
    ck_assert_ptr_nonnull(strstr(info.message, "/nonexistent/x"));
    settings_init(&settings);
    info = (struct err_info){0};
    ck_assert_int_eq(settings_set(&settings, "store", "/nonexistent/y.db", NULL), ERR_OK);
    ck_assert_int_eq(server_start(&settings, &server, &info), ERR_IO);
    ck_assert_ptr_nonnull(strstr(info.message, "/nonexistent"));
}
END_TEST

UNIT_SUITE(server)
{
    tcase_add_checked_fixture(unit, setup, teardown);
    tcase_add_test(unit, it_starts_and_stops);
    tcase_add_test(unit, two_do_not_share_a_store);
    tcase_add_test(unit, it_says_which_folder_is_missing);
}
