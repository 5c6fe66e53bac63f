/* SPDX-License-Identifier: MIT */
/* main() of every unit-test program: runs the suites its files registered, prints TAP on
 * standard output, and exits non-zero when a test failed. Arguments name suites to run;
 * CK_FORK=no runs without forking, for debuggers and sanitizers. */
#include "tests/support/unit.h"

#include <string.h>

static struct unit_suite *suites;

void unit_register(struct unit_suite *suite)
{
    suite->next = suites;
    suites = suite;
}

static int wanted(const char *name, int count, char **names)
{
    for (int i = 1; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return count <= 1;
}

int main(int argc, char **argv)
{
    SRunner *runner = srunner_create(NULL);
    for (struct unit_suite *suite = suites; suite; suite = suite->next) {
        if (!wanted(suite->name, argc, argv))
            continue;
        Suite *made = suite_create(suite->name);
        TCase *unit = tcase_create(suite->name);
        tcase_set_timeout(unit, 300);
        suite->fill(unit);
        suite_add_tcase(made, unit);
        srunner_add_suite(runner, made);
    }
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
