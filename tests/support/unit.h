/* SPDX-License-Identifier: MIT */
/* Unit tests on Check. A test file says UNIT_SUITE(name) { tcase_add_test(unit, …); } and
 * is linked into its folder's program; main() is here and prints TAP. */
#ifndef FIRTH_TESTS_UNIT_H
#define FIRTH_TESTS_UNIT_H

#include <check.h>

struct unit_suite {
    const char *name;
    void (*fill)(TCase *unit);
    struct unit_suite *next;
};
void unit_register(struct unit_suite *suite);

/* Opens the list of a file's tests; the time limit of each is 60 s. */
#define UNIT_SUITE(name_)                                                                \
    static void unit_fill_##name_(TCase *unit);                                          \
    __attribute__((constructor)) static void unit_register_##name_(void)                 \
    {                                                                                    \
        static struct unit_suite suite = {#name_, unit_fill_##name_, NULL};              \
        unit_register(&suite);                                                           \
    }                                                                                    \
    static void unit_fill_##name_(TCase *unit)

#endif
