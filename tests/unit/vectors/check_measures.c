/* SPDX-License-Identifier: MIT */
#include "model/vectors/measures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/text/vocab.h"
#include "model/vectors/rank.h"
#include "tests/support/unit.h"

START_TEST(spearman_with_ties)
{
    const double x[] = {1, 2, 3, 4, 5}, y[] = {5, 6, 7, 8, 7};
    const double tied[] = {1, 1, 2, 2}, other[] = {1, 2, 3, 4}, flat[] = {3, 3, 3, 3};
    double rho;
    /* ranks 1 2 3½ 5 3½: Σd² = 4·… by hand 0.82078 */
    ck_assert_int_eq(rank_spearman(x, y, 5, &rho), ERR_OK);
    ck_assert_double_eq_tol(rho, 0.8207826816681233, 1e-12);
    ck_assert_int_eq(rank_spearman(tied, other, 4, &rho), ERR_OK);
    ck_assert_double_eq_tol(rho, 0.8944271909999159, 1e-12);
    ck_assert_int_eq(rank_spearman(flat, other, 4, &rho), ERR_OK);
    ck_assert(isnan(rho));
    ck_assert_int_eq(rank_spearman(x, y, 1, &rho), ERR_OK);
    ck_assert(isnan(rho));
    ck_assert_double_eq_tol(rank_pearson(x, y, 5), 0.8320502943378437, 1e-12);
}
END_TEST

/* Eight words at the corners of a cube: a + b − c is exact. */
struct cube {
    struct vocab *vocab;
    struct vectors *vectors;
};

static void init_cube(struct cube *cube)
{
    static const char *const names[] = {"man",    "woman",    "king",  "queen",
                                        "prince", "princess", "uncle", "aunt"};
    static const float corners[8][4] = {{1, 0, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0},
                                        {1, 1, 1, 0}, {1, 0, 0, 1}, {1, 1, 0, 1},
                                        {1, 0, 1, 1}, {1, 1, 1, 1}};
    struct span words[8];
    for (int i = 0; i < 8; i++)
        words[i] = span_of_text(names[i]);
    ck_assert_int_eq(vocab_from_words(words, NULL, 8, &cube->vocab, NULL), ERR_OK);
    ck_assert_int_eq(vectors_new(cube->vocab, VOCAB_RESERVED, corners[0], 8, 4, 4,
                                 &cube->vectors, NULL),
                     ERR_OK);
}

static void fini_cube(struct cube *cube)
{
    vectors_free(cube->vectors);
    vocab_free(cube->vocab);
}

START_TEST(analogies_by_section)
{
    static const char text[] = ": family\n"
                               "Man Woman King Queen\r\n"
                               "man woman prince princess\n"
                               "man woman uncle king\n"
                               "man woman boy girl\n"
                               "\n"
                               ": gram1-x\n"
                               "king queen uncle aunt\n";
    struct cube cube;
    init_cube(&cube);
    struct measures_analogies *result = memory_new_array(1, sizeof *result);
    struct measures_options options = {.lowercase = true};
    ck_assert_int_eq(measures_analogies(cube.vectors, span_of_text(text), &options, NULL,
                                        result, NULL),
                     ERR_OK);
    ck_assert_uint_eq(result->section_count, 2);
    ck_assert_str_eq(result->sections[0].name, "family");
    ck_assert_uint_eq(result->sections[0].asked, 3);
    ck_assert_uint_eq(result->sections[0].right, 2);
    ck_assert_uint_eq(result->sections[0].skipped, 1);
    ck_assert_uint_eq(result->syntactic.right, 1);
    ck_assert_uint_eq(result->total.asked, 4);
    ck_assert_uint_eq(result->total.right, 3);
    options.rows = 4;
    ck_assert_int_eq(measures_analogies(cube.vectors, span_of_text(text), &options, NULL,
                                        result, NULL),
                     ERR_OK);
    ck_assert_uint_eq(result->total.asked, 1);
    ck_assert_uint_eq(result->total.skipped, 4);
    free(result);
    fini_cube(&cube);
}
END_TEST

START_TEST(bad_lines_are_named)
{
    struct cube cube;
    struct err_info info = {0};
    init_cube(&cube);
    struct measures_analogies *analogies = memory_new_array(1, sizeof *analogies);
    struct measures_pairs pairs;
    struct measures_options options = {0};
    ck_assert_int_eq(measures_analogies(cube.vectors,
                                        span_of_text(": a\nman woman king\n"), &options,
                                        NULL, analogies, &info),
                     ERR_INVALID);
    ck_assert_uint_eq(info.line, 2);
    ck_assert_uint_eq(info.offset, 4);
    memset(&info, 0, sizeof info);
    ck_assert_int_eq(measures_pairs(cube.vectors, span_of_text("man woman 3\nman x\n"),
                                    &options, &pairs, &info),
                     ERR_INVALID);
    ck_assert_uint_eq(info.line, 2);
    ck_assert_int_eq(
        measures_pairs(cube.vectors, span_of_text(""), &options, &pairs, NULL), ERR_OK);
    ck_assert_uint_eq(pairs.pairs, 0);
    ck_assert(isnan(pairs.spearman));
    free(analogies);
    fini_cube(&cube);
}
END_TEST

START_TEST(pairs_in_three_separations)
{
    static const char text[] = "# comment\nman woman 10\nman,king,2\nman\tprincess\t1\n"
                               "man nobody 5\n";
    struct cube cube;
    init_cube(&cube);
    struct measures_pairs pairs;
    struct measures_options options = {0};
    ck_assert_int_eq(
        measures_pairs(cube.vectors, span_of_text(text), &options, &pairs, NULL), ERR_OK);
    ck_assert_uint_eq(pairs.pairs, 3);
    ck_assert_uint_eq(pairs.skipped, 1);
    ck_assert_double_eq_tol(pairs.spearman, 0.8660254037844387, 1e-12);
    fini_cube(&cube);
}
END_TEST

UNIT_SUITE(vectors_measures)
{
    tcase_add_test(unit, spearman_with_ties);
    tcase_add_test(unit, analogies_by_section);
    tcase_add_test(unit, bad_lines_are_named);
    tcase_add_test(unit, pairs_in_three_separations);
}
