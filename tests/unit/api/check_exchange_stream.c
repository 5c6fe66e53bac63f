/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/exchange_int.h"
#include "api/ranks.h"
#include "tests/support/unit.h"

/* A loop without a thread and one exchange on it; the test plays both threads. */
static struct exchange *begin(struct loop *loop)
{
    memset(loop, 0, sizeof *loop);
    lock_init(&loop->lock, RANK_API_LOOP);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ck_assert_int_ge(loop->wake_fd, 0);
    struct exchange *x = exchange_new(loop);
    ck_assert_ptr_nonnull(x);
    return x;
}

static void end(struct loop *loop, struct exchange *x)
{
    exchange_destroy(x);
    close(loop->wake_fd);
    lock_fini(&loop->lock);
}

static size_t take(struct exchange *x, size_t size)
{
    char bytes[8192];
    size_t got, total = 0;
    while (total < size) {
        size_t left = size - total;
        ck_assert_int_eq(
            exchange_read(x, bytes, left < sizeof bytes ? left : sizeof bytes, &got),
            ERR_OK);
        ck_assert_uint_gt(got, 0);
        total += got;
    }
    return total;
}

START_TEST(a_full_pipe_pauses_and_an_empty_one_resumes)
{
    static const char bytes[EXCHANGE_PIPE_BYTES + 1];
    struct loop loop;
    struct exchange *x = begin(&loop);
    ck_assert(!exchange_feed(x, bytes, EXCHANGE_PIPE_BYTES));
    ck_assert(exchange_feed(x, bytes, 1));
    take(x, EXCHANGE_PIPE_BYTES / 2);
    ck_assert_ptr_null(loop.attend);
    take(x, 2);
    ck_assert_ptr_eq(loop.attend, x);
    end(&loop, x);
}
END_TEST

/* The library hands over the rest of its buffer after it was told to pause: chunk after
 * chunk, while the handler already reads. */
START_TEST(chunks_after_the_pause_do_not_undo_it)
{
    static const char bytes[EXCHANGE_PIPE_BYTES + 1];
    struct loop loop;
    struct exchange *x = begin(&loop);
    ck_assert(exchange_feed(x, bytes, sizeof bytes));
    take(x, 8192);
    ck_assert(!exchange_feed(x, bytes, 1));
    ck_assert_ptr_null(loop.attend);
    take(x, sizeof bytes - 8192 + 1);
    ck_assert_msg(loop.attend == x, "nobody resumes the connection");
    end(&loop, x);
}
END_TEST

UNIT_SUITE(exchange_stream)
{
    tcase_add_test(unit, a_full_pipe_pauses_and_an_empty_one_resumes);
    tcase_add_test(unit, chunks_after_the_pause_do_not_undo_it);
}
