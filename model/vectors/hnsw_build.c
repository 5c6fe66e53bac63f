/* SPDX-License-Identifier: MIT */
/* Building the index by inserting node after node, on several threads.
 *
 * Levels are drawn for all nodes beforehand, so the node with the highest is the entry
 * from the start and nothing but the lists is shared; each node has a lock for its lists,
 * held for the time of a copy or of a choice among some dozens of links. A node links to
 * those of its candidates that are nearer to it than to any link already chosen, which
 * keeps links in all directions instead of all in one cluster. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "model/vectors/hnsw_int.h"

enum { NODES_AT_ONCE = 64 };

struct build {
    struct hnsw *hnsw;
    const struct hnsw_settings *settings;
    const struct progress *progress;
    atomic_uint_fast32_t next;
    atomic_bool stop;
};

struct inserter {
    struct build *build;
    struct hnsw_pool pool;
    float *unit;                    /* [stride] the node's own direction */
    float *other;                   /* [stride] that of one whose links are chosen anew */
    struct hnsw_candidate *nearest; /* [2 links + 1] of a full list */
    uint32_t *chosen;               /* [2 links] */
};

/* ---- layout ---- */

static enum err draw_levels(struct hnsw *hnsw, uint64_t seed)
{
    struct random random;
    uint32_t count = hnsw->vectors->count;
    uint64_t *starts = hnsw->owned[0] =
        memory_new_array((size_t)count + 1, sizeof *starts);
    if (!starts)
        return ERR_NO_MEMORY;
    random_seed(&random, seed, 0);
    for (uint32_t node = 0; node < count; node++) {
        double draw = -log(1 - random_uniform(&random)) / log(hnsw->links);
        uint32_t level = draw < HNSW_LEVELS_MAX ? (uint32_t)draw : HNSW_LEVELS_MAX;
        starts[node + 1] = starts[node] + (uint64_t)level * (hnsw->links + 1);
        if (node == 0 || level > hnsw->top) {
            hnsw->top = level;
            hnsw->entry = node;
        }
    }
    hnsw->starts = starts;
    return ERR_OK;
}

static enum err make_lists(struct hnsw *hnsw)
{
    uint32_t count = hnsw->vectors->count;
    size_t list = 2 * (size_t)hnsw->links + 1;
    hnsw->base = hnsw->owned[1] = memory_new_aligned(count, list * sizeof *hnsw->base);
    hnsw->upper = hnsw->owned[2] =
        memory_new_aligned((size_t)hnsw->starts[count], sizeof *hnsw->upper);
    hnsw->locks = memory_new_array(count, sizeof *hnsw->locks);
    if (!hnsw->base || !hnsw->upper || !hnsw->locks)
        return ERR_NO_MEMORY;
    for (uint32_t node = 0; node < count; node++)
        atomic_flag_clear(&hnsw->locks[node]);
    return ERR_OK;
}

/* ---- choosing links ---- */

static void unit_of(const struct hnsw *hnsw, uint32_t node, float *unit)
{
    const struct vectors *vectors = hnsw->vectors;
    memset(unit, 0, vectors->stride * sizeof *unit);
    hnsw->kernels->add(unit, vectors->inverse_norm[node],
                       vectors->matrix + node * vectors->stride, vectors->stride);
}

static float distance_between(const struct hnsw *hnsw, uint32_t a, uint32_t b)
{
    const struct vectors *vectors = hnsw->vectors;
    float dot =
        hnsw->kernels->dot(vectors->matrix + a * vectors->stride,
                           vectors->matrix + b * vectors->stride, vectors->stride);
    return 1 - dot * vectors->inverse_norm[a] * vectors->inverse_norm[b];
}

/* Of candidates in rising distance, those nearer to the node than to each chosen one. */
static uint32_t choose(const struct hnsw *hnsw, const struct hnsw_candidate *candidates,
                       size_t count, uint32_t most, uint32_t *chosen)
{
    uint32_t kept = 0;
    for (size_t i = 0; i < count && kept < most; i++) {
        bool good = true;
        for (uint32_t j = 0; j < kept && good; j++)
            good = distance_between(hnsw, candidates[i].node, chosen[j]) >=
                   candidates[i].distance;
        if (good)
            chosen[kept++] = candidates[i].node;
    }
    return kept;
}

static int rising(const void *a, const void *b)
{
    const struct hnsw_candidate *x = a, *y = b;
    return x->distance != y->distance
               ? (x->distance > y->distance) - (x->distance < y->distance)
               : (x->node > y->node) - (x->node < y->node);
}

/* The list of `at` is full: chooses anew among its links and `node`. */
static void relink(struct inserter *inserter, uint32_t *list, uint32_t at, uint32_t node,
                   uint32_t most)
{
    const struct hnsw *hnsw = inserter->build->hnsw;
    uint32_t count = list[0];
    unit_of(hnsw, at, inserter->other);
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t link = i < count ? list[1 + i] : node;
        inserter->nearest[i] =
            (struct hnsw_candidate){hnsw_distance(hnsw, inserter->other, link), link};
    }
    qsort(inserter->nearest, count + 1, sizeof *inserter->nearest, rising);
    list[0] = choose(hnsw, inserter->nearest, count + 1, most, inserter->chosen);
    memcpy(list + 1, inserter->chosen, list[0] * sizeof *list);
}

static void lock(const struct hnsw *hnsw, uint32_t node)
{
    while (atomic_flag_test_and_set_explicit(&hnsw->locks[node], memory_order_acquire))
        ;
}

static void unlock(const struct hnsw *hnsw, uint32_t node)
{
    atomic_flag_clear_explicit(&hnsw->locks[node], memory_order_release);
}

/* Links `node` with the candidates in the pool on one level, both ways. */
static void connect(struct inserter *inserter, uint32_t node, uint32_t level)
{
    struct hnsw *hnsw = inserter->build->hnsw;
    uint32_t most = level ? hnsw->links : 2 * hnsw->links, own[2 * HNSW_LINKS_MAX];
    size_t others = 0;
    for (size_t i = 0; i < inserter->pool.count; i++)
        if (inserter->pool.items[i].node != node)
            inserter->pool.items[others++] = inserter->pool.items[i];
    uint32_t count = choose(hnsw, inserter->pool.items, others, hnsw->links, own);
    lock(hnsw, node);
    uint32_t *list = hnsw_list(hnsw, node, level);
    for (uint32_t i = 0; i < count; i++)
        list[1 + i] = own[i];
    list[0] = count;
    unlock(hnsw, node);
    for (uint32_t i = 0; i < count; i++) {
        lock(hnsw, own[i]);
        list = hnsw_list(hnsw, own[i], level);
        if (list[0] < most)
            list[1 + list[0]++] = node;
        else
            relink(inserter, list, own[i], node, most);
        unlock(hnsw, own[i]);
    }
}

static void insert(struct inserter *inserter, uint32_t node)
{
    const struct hnsw *hnsw = inserter->build->hnsw;
    uint32_t level = hnsw_level(hnsw, node);
    unit_of(hnsw, node, inserter->unit);
    struct hnsw_candidate start =
        hnsw_descend(hnsw, inserter->unit, level, &inserter->pool);
    for (uint32_t l = level + 1; l-- > 0;) {
        hnsw_explore(hnsw, inserter->unit, l, &inserter->pool, start);
        start = inserter->pool.items[0];
        connect(inserter, node, l);
    }
}

/* ---- threads ---- */

static enum err init_inserter(struct inserter *inserter, struct build *build)
{
    const struct hnsw *hnsw = build->hnsw;
    size_t stride = hnsw->vectors->stride, links = 2 * (size_t)hnsw->links + 1;
    *inserter = (struct inserter){.build = build};
    inserter->unit = memory_new_aligned(stride, sizeof(float));
    inserter->other = memory_new_aligned(stride, sizeof(float));
    inserter->nearest = memory_new_array(links, sizeof *inserter->nearest);
    inserter->chosen = memory_new_array(links, sizeof *inserter->chosen);
    enum err code = hnsw_pool_init(&inserter->pool, hnsw, build->settings->width);
    if (!inserter->unit || !inserter->other || !inserter->nearest || !inserter->chosen)
        code = ERR_NO_MEMORY;
    return code;
}

static void fini_inserter(struct inserter *inserter)
{
    free(inserter->unit);
    free(inserter->other);
    free(inserter->nearest);
    free(inserter->chosen);
    hnsw_pool_fini(&inserter->pool);
}

static void report(struct build *build, uint32_t node)
{
    uint32_t count = build->hnsw->vectors->count;
    struct progress_report now = {.fraction = (double)node / count,
                                  .step = node,
                                  .steps_total = count,
                                  .phase = "indexing"};
    if (progress_report(build->progress, &now) == PROGRESS_STOP)
        atomic_store(&build->stop, true);
}

static enum err insert_nodes(void *context, unsigned index, unsigned count)
{
    (void)count;
    struct build *build = context;
    struct inserter inserter;
    uint32_t nodes = build->hnsw->vectors->count;
    enum err code = init_inserter(&inserter, build);
    while (!code && !atomic_load(&build->stop)) {
        uint32_t first = (uint32_t)atomic_fetch_add(&build->next, NODES_AT_ONCE);
        if (first >= nodes)
            break;
        if (index == 0)
            report(build, first);
        for (uint32_t n = first; n < first + NODES_AT_ONCE && n < nodes; n++)
            if (n != build->hnsw->entry)
                insert(&inserter, n);
    }
    fini_inserter(&inserter);
    return code ? code : atomic_load(&build->stop) ? ERR_CANCELLED : ERR_OK;
}

enum err hnsw_build(const struct vectors *vectors, const struct hnsw_settings *settings,
                    const struct progress *progress, struct hnsw **out)
{
    *out = NULL;
    if (vectors->count == 0 || vectors->count >= HNSW_EXPANDED || settings->links < 2 ||
        settings->links > HNSW_LINKS_MAX || settings->width < 1)
        return ERR_INVALID;
    struct hnsw *hnsw = memory_new_array(1, sizeof *hnsw);
    if (!hnsw)
        return ERR_NO_MEMORY;
    hnsw->vectors = vectors;
    hnsw->kernels = kernels_best();
    hnsw->links = settings->links;
    struct build build = {.hnsw = hnsw, .settings = settings, .progress = progress};
    enum err code = draw_levels(hnsw, settings->seed);
    if (!code)
        code = make_lists(hnsw);
    if (!code)
        code = parallel_run(settings->threads, insert_nodes, &build);
    free(hnsw->locks);
    hnsw->locks = NULL;
    if (code)
        hnsw_free(hnsw);
    else
        *out = hnsw;
    return code;
}
