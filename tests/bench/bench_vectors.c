/* SPDX-License-Identifier: MIT */
/* Measures a set of word vectors; decides nothing.
 *
 *     bench_vectors accuracy FORMAT FILE DATA   analogies and word pairs of the folder
 *     bench_vectors search FORMAT FILE          exact search, the index, a map
 *     bench_vectors synthetic COUNT DIM         exact search and the index, random rows
 *
 * Synthetic rows stand around one centre for each 100 of them: centres have normal
 * numbers, rows differ from theirs by 0.7 times normal numbers. Questions are more of
 * them, which are no rows; those to a model are rows, which do not count as found.
 *
 * FORMAT is word2vec, word2vec-bin, glove or model (a model file). One line of
 * tab-separated figures a result. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/simd.h"
#include "model/maps/maps.h"
#include "model/model.h"
#include "model/vectors/hnsw.h"
#include "model/vectors/measures.h"
#include "model/vectors/vectors_import.h"

enum {
    K = 10,
    ASKED = 500,
    FREQUENT = 30000,
    TIMES = 30,
    MAPPED = 5000,
    CLUSTER = 100 /* synthetic rows around one centre */
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_vectors: %s: %s\n", what, why);
    exit(1);
}

static struct span read_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &status) || status.st_size == 0)
        fail(path, "cannot be read");
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        fail(path, "cannot be mapped");
    return span_of(bytes, (size_t)status.st_size);
}

static struct model *load_model(struct span file)
{
    struct model *model;
    struct err_info info = {0};
    char *copy = memory_new_aligned(file.size, 1);
    if (!copy)
        fail("model", "no memory");
    memcpy(copy, file.bytes, file.size);
    if (model_load_take(copy, file.size, &model, &info))
        fail("model", info.message);
    return model;
}

static struct model *load(const char *format, const char *path)
{
    if (strcmp(format, "model") == 0)
        return load_model(read_file(path));
    int number = 0, fd = open(path, O_RDONLY);
    while (number < VECTORS_FORMAT_COUNT &&
           strcmp(format, vectors_format_names[number]) != 0)
        number++;
    if (fd < 0 || number == VECTORS_FORMAT_COUNT)
        fail(path, "cannot be read in this format");
    struct reader reader = reader_from_fd(&fd);
    struct buffer bytes;
    struct train_result result;
    struct err_info info = {0};
    buffer_init(&bytes, SIZE_MAX / 2);
    struct writer writer = writer_to_buffer(&bytes);
    if (vectors_import((enum vectors_format)number, &reader, "bench", NULL, &writer,
                       &result, &info))
        fail(path, info.message);
    close(fd);
    struct model *model = load_model(span_of(bytes.bytes, bytes.size));
    buffer_fini(&bytes);
    return model;
}

static struct span data_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return read_file(path);
}

static double share(const struct measures_section *section)
{
    return section->asked ? (double)section->right / (double)section->asked : 0;
}

static void measure_accuracy(const struct vectors *vectors, const char *folder)
{
    static const char *const pairs[] = {"wordsim/EN-WS-353-ALL.txt",
                                        "wordsim/EN-SIMLEX-999.txt",
                                        "wordsim/EN-MEN-TR-3k.txt"};
    static struct measures_analogies analogies;
    struct measures_options options = {.rows = FREQUENT, .lowercase = true};
    struct err_info info = {0};
    if (measures_analogies(vectors, data_file(folder, "questions-words.txt"), &options,
                           NULL, &analogies, &info))
        fail("questions-words.txt", info.message);
    printf("%.3f\t%.3f\t%.3f", share(&analogies.semantic), share(&analogies.syntactic),
           share(&analogies.total));
    for (int i = 0; i < 3; i++) {
        struct measures_pairs result;
        if (measures_pairs(vectors, data_file(folder, pairs[i]), &options, &result,
                           &info))
            fail(pairs[i], info.message);
        printf("\t%.3f", result.spearman);
    }
    printf("\n");
}

typedef float lanes __attribute__((vector_size(64)));

/* The sum of count (a multiple of 64) numbers: nothing but reading them. */
SIMD_CLONES static float read_all(const float *numbers, size_t count)
{
    lanes a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i < count; i += 64) {
        const lanes *from = (const void *)(numbers + i);
        a += from[0];
        b += from[1];
        c += from[2];
        d += from[3];
    }
    a += b + c + d;
    return a[0];
}

/* Milliseconds to read the matrix once, the least of some times. */
static double read_time(const struct vectors *vectors)
{
    double best = 1e9;
    size_t count = vectors->count * vectors->stride / 64 * 64;
    volatile float kept = 0;
    for (int i = 0; i < TIMES; i++) {
        double started = clock_monotonic();
        kept = read_all(vectors->matrix, count);
        double seconds = clock_monotonic() - started;
        best = seconds < best ? seconds : best;
    }
    (void)kept;
    return best * 1e3;
}

struct asked {
    float *queries;       /* [ASKED][stride] */
    uint32_t rows[ASKED]; /* where they were taken from, or VECTORS_NO_ROW */
    struct search_question questions[ASKED];
    struct neighbour exact[ASKED * (K + 1)];
    size_t found[ASKED];
};

/* Milliseconds for each of the first `count` questions. */
static double exact_time(const struct vectors *vectors, struct asked *asked, size_t count,
                         unsigned threads)
{
    double best = 1e9;
    for (int i = 0; i < TIMES; i++) {
        struct search search = {.vectors = asked->queries,
                                .vector_count = count,
                                .questions = asked->questions,
                                .question_count = count,
                                .k = K + 1,
                                .threads = threads};
        double started = clock_monotonic();
        if (search_exact(vectors, &search, asked->exact, asked->found))
            fail("search", "no memory");
        double seconds = clock_monotonic() - started;
        best = seconds < best ? seconds : best;
        if (count == ASKED)
            break;
    }
    return best * 1e3 / (double)count;
}

/* How many of the K nearest are among what was found, the question's own row aside. */
static size_t hits(const struct asked *asked, size_t q, const struct neighbour *near,
                   size_t found)
{
    size_t right = 0, counted = 0;
    for (size_t j = 0; j <= K && counted < K; j++) {
        uint32_t row = asked->exact[q * (K + 1) + j].row;
        if (row == asked->rows[q])
            continue;
        counted++;
        for (size_t i = 0; i < found; i++)
            right += near[i].row == row;
    }
    return right;
}

/* `exact` is the time of one exact question on one thread. */
static void index_time(const struct hnsw *hnsw, const struct vectors *vectors,
                       const struct asked *asked, size_t width, double exact)
{
    size_t right = 0, found;
    double best = 1e9;
    struct neighbour near[K + 1];
    for (int time = 0; time < 3; time++) {
        double started = clock_monotonic();
        right = 0;
        for (size_t q = 0; q < ASKED; q++) {
            if (hnsw_search(hnsw, asked->queries + q * vectors->stride, K + 1, width,
                            near, &found))
                fail("index", "no memory");
            right += hits(asked, q, near, found);
        }
        double seconds = clock_monotonic() - started;
        best = seconds < best ? seconds : best;
    }
    best *= 1e3 / ASKED;
    printf("index, width %zu\t%.4f ms\trecall@10 %.4f, %.0f× exact\n", width, best,
           (double)right / (ASKED * K), exact / best);
}

static void map_time(const struct vectors *vectors)
{
    uint32_t count = vectors->count < MAPPED ? vectors->count : MAPPED;
    const struct maps_rows rows = {vectors->matrix, count, vectors->stride, vectors->dim};
    struct maps_settings settings = maps_defaults(MAPS_TSNE);
    struct map *map = NULL;
    struct err_info info = {0};
    double started = clock_monotonic();
    if (maps_make(&rows, &settings, NULL, &map, &info))
        fail("map", info.message);
    printf("t-SNE of %u words, %u iterations\t%.2f s\tKL %.3f\n", count, map->iterations,
           clock_monotonic() - started, map->kl[map->iterations - 1]);
    maps_free(map);
}

/* Exact search beside the time to read the matrix, then the index. */
static void measure_asking(const struct vectors *vectors, struct asked *asked)
{
    double read = read_time(vectors), one = exact_time(vectors, asked, 1, 1);
    printf("%u rows of %u numbers: one read\t%.3f ms\n", vectors->count, vectors->dim,
           read);
    printf("exact, one query, 1 thread\t%.3f ms\t%.0f %% of the reading limit\n", one,
           100 * read / one);
    printf("exact, one query, all threads\t%.3f ms\n", exact_time(vectors, asked, 1, 0));
    printf("exact, each of 64, all threads\t%.4f ms\n",
           exact_time(vectors, asked, 64, 0));
    (void)exact_time(vectors, asked, ASKED, 0);
    struct hnsw_settings settings = hnsw_defaults();
    struct hnsw *hnsw;
    settings.threads = parallel_cores();
    double started = clock_monotonic();
    if (hnsw_build(vectors, &settings, NULL, &hnsw))
        fail("index", "no memory");
    printf("index built, %.0f MB\t%.1f s\n", (double)hnsw_memory(hnsw) / 1e6,
           clock_monotonic() - started);
    for (size_t width = 20; width <= 320; width *= 2)
        index_time(hnsw, vectors, asked, width, one);
    hnsw_free(hnsw);
}

static void prepare(struct asked *asked, const struct vectors *vectors)
{
    asked->queries = memory_new_aligned(ASKED, vectors->stride * sizeof(float));
    if (!asked->queries)
        fail("search", "no memory");
    for (size_t q = 0; q < ASKED; q++)
        asked->questions[q] = (struct search_question){q, 1, 0, NULL, 0};
}

static void measure_search(const struct vectors *vectors)
{
    static struct asked asked;
    struct random random;
    prepare(&asked, vectors);
    random_seed(&random, 1, 0);
    for (size_t q = 0; q < ASKED; q++) {
        asked.rows[q] = (uint32_t)random_below(&random, vectors->count);
        memcpy(asked.queries + q * vectors->stride, vectors_row(vectors, asked.rows[q]),
               vectors->stride * sizeof *asked.queries);
    }
    measure_asking(vectors, &asked);
    map_time(vectors);
    free(asked.queries);
}

static void draw_near(struct random *random, const float *centre, uint32_t dim, float *to)
{
    for (uint32_t d = 0; d < dim; d++)
        to[d] = centre[d] + 0.7f * (float)random_normal(random);
}

static void measure_synthetic(uint32_t count, uint32_t dim)
{
    static struct asked asked;
    struct vectors *vectors;
    struct random random;
    size_t stride = vectors_stride(dim), centres = count / CLUSTER + 1;
    float *centre = memory_new_aligned(centres, stride * sizeof *centre);
    float *rows = memory_new_aligned(count, stride * sizeof *rows);
    if (!centre || !rows)
        fail("synthetic", "no memory");
    random_seed(&random, 1, 0);
    for (size_t i = 0; i < centres; i++)
        for (uint32_t d = 0; d < dim; d++)
            centre[i * stride + d] = (float)random_normal(&random);
    for (size_t i = 0; i < count; i++)
        draw_near(&random, centre + i % centres * stride, dim, rows + i * stride);
    if (vectors_new_take(NULL, 0, rows, count, dim, &vectors, NULL))
        fail("synthetic", "no memory");
    prepare(&asked, vectors);
    for (size_t q = 0; q < ASKED; q++) {
        asked.rows[q] = VECTORS_NO_ROW;
        draw_near(&random, centre + random_below(&random, centres) * stride, dim,
                  asked.queries + q * stride);
    }
    measure_asking(vectors, &asked);
    vectors_free(vectors);
    free(asked.queries);
    free(centre);
}

static int usage(void)
{
    fprintf(stderr, "usage: bench_vectors accuracy FORMAT FILE DATA\n"
                    "       bench_vectors search FORMAT FILE\n"
                    "       bench_vectors synthetic COUNT DIM\n");
    return 2;
}

static int synthetic(const char *count, const char *dim)
{
    long rows = strtol(count, NULL, 10), numbers = strtol(dim, NULL, 10);
    if (rows < 100 || rows > 100000000 || numbers < 1 || numbers > 4096)
        return usage();
    measure_synthetic((uint32_t)rows, (uint32_t)numbers);
    return 0;
}

int main(int argc, char **argv)
{
    bool accuracy = argc == 5 && strcmp(argv[1], "accuracy") == 0;
    if (argc == 4 && strcmp(argv[1], "synthetic") == 0)
        return synthetic(argv[2], argv[3]);
    if (!accuracy && (argc != 4 || strcmp(argv[1], "search") != 0))
        return usage();
    struct model *model = load(argv[2], argv[3]);
    if (!model->vectors)
        fail(argv[3], "has no vectors");
    if (accuracy)
        measure_accuracy(model->vectors, argv[4]);
    else
        measure_search(model->vectors);
    model_release(model);
    return 0;
}
