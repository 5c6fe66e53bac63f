/* SPDX-License-Identifier: MIT */
/* Where the clusters of an adaptive softmax begin. The cost of a class is that of the
 * products it takes part in: a class of the head in all rows of a batch, one of a cluster
 * in the share of rows whose target is there, each times the width of its vectors. To
 * this comes what a class costs however few its rows are (its weights are read, its
 * gradient is written), and what a cluster costs as such.
 *
 * The best cuts for up to CLUSTERS clusters are found exactly by dynamic programming over
 * a geometric grid of places to cut. */
#include "model/nn/softmax.h"

#include <math.h>

enum { CLUSTERS = 4, PLACES_MAX = 256, FIRST = 16 };

/* In rows of a batch of 1, and in classes. */
static const double CLASS_COST = 0.03, CLUSTER_COST = 32, GRID = 1.06;

struct search {
    double reduction;
    size_t count;
    uint32_t places[PLACES_MAX + 1]; /* the last is the vocabulary's size */
    double mass[PLACES_MAX + 1];     /* of the words before, 0 … 1 */
    double best[CLUSTERS + 1][PLACES_MAX + 1];
    size_t from[CLUSTERS + 1][PLACES_MAX + 1];
};

static void make_grid(struct search *search, const double *counts, uint32_t vocab)
{
    double total = 0, before = 0, place = FIRST;
    uint32_t word = 0;
    for (uint32_t i = 0; i < vocab; i++)
        total += counts[i];
    while (place < vocab && search->count < PLACES_MAX) {
        for (; word < (uint32_t)place; word++)
            before += counts[word];
        search->places[search->count] = word;
        search->mass[search->count++] = total > 0 ? before / total : 0;
        place = ceil(place * GRID);
    }
    search->places[search->count] = vocab;
    search->mass[search->count] = 1;
}

/* Of cluster number `k` over the words between two places. */
static double cluster_cost(const struct search *search, size_t k, size_t first,
                           size_t end)
{
    double words = search->places[end] - search->places[first];
    double share = search->mass[end] - search->mass[first];
    double width = pow(search->reduction, -(double)(k + 1));
    return (share + CLASS_COST) * words * width + CLUSTER_COST;
}

/* best[k][i]: the least cost of all before place i, with k clusters. */
static void find_best(struct search *search)
{
    for (size_t i = 0; i <= search->count; i++)
        search->best[0][i] = (1 + CLASS_COST) * search->places[i];
    for (size_t k = 1; k <= CLUSTERS; k++)
        for (size_t i = 0; i <= search->count; i++) {
            search->best[k][i] = INFINITY;
            for (size_t j = 0; j < i; j++) {
                double cost = search->best[k - 1][j] + cluster_cost(search, k - 1, j, i);
                if (cost < search->best[k][i]) {
                    search->best[k][i] = cost;
                    search->from[k][i] = j;
                }
            }
        }
}

size_t softmax_cutoffs(const double *counts, uint32_t vocab, double reduction,
                       uint32_t cuts[SOFTMAX_CLUSTERS_MAX])
{
    struct search search = {.reduction = reduction};
    size_t clusters = 0;
    make_grid(&search, counts, vocab);
    find_best(&search);
    for (size_t k = 1; k <= CLUSTERS; k++)
        if (search.best[k][search.count] < search.best[clusters][search.count])
            clusters = k;
    for (size_t k = clusters, at = search.count; k > 0; k--) {
        at = search.from[k][at];
        cuts[k - 1] = search.places[at];
    }
    return clusters;
}
