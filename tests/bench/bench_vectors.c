/* SPDX-License-Identifier: MIT */
/* Measures a set of word vectors; decides nothing.
 *
 *     bench_vectors accuracy FORMAT FILE DATA   analogies and word pairs of the folder
 *     bench_vectors search FORMAT FILE          exact search, the index, a map
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

enum { K = 10, ASKED = 500, FREQUENT = 30000, TIMES = 30, MAPPED = 5000 };

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
    float *queries; /* [ASKED][stride] rows of the set */
    struct search_question questions[ASKED];
    struct neighbour exact[ASKED * K];
    size_t found[ASKED];
};

static double exact_time(const struct vectors *vectors, struct asked *asked, size_t count,
                         unsigned threads)
{
    double best = 1e9;
    for (int i = 0; i < TIMES; i++) {
        struct search search = {.vectors = asked->queries,
                                .vector_count = count,
                                .questions = asked->questions,
                                .question_count = count,
                                .k = K,
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

static void index_time(const struct hnsw *hnsw, const struct vectors *vectors,
                       struct asked *asked, size_t width)
{
    size_t right = 0, found;
    double started = clock_monotonic();
    struct neighbour near[K];
    for (size_t q = 0; q < ASKED; q++) {
        if (hnsw_search(hnsw, asked->queries + q * vectors->stride, K, width, near,
                        &found))
            fail("index", "no memory");
        for (size_t i = 0; i < found; i++)
            for (size_t j = 0; j < K; j++)
                right += near[i].row == asked->exact[q * K + j].row;
    }
    printf("index, width %zu\t%.4f ms\trecall@10 %.4f\n", width,
           (clock_monotonic() - started) * 1e3 / ASKED, (double)right / (ASKED * K));
}

static void map_time(const struct vectors *vectors)
{
    uint32_t count = vectors->count < MAPPED ? vectors->count : MAPPED;
    uint32_t *rows = memory_new_array(count, sizeof *rows);
    struct maps_settings settings = maps_defaults(MAPS_TSNE);
    struct map *map;
    struct err_info info = {0};
    for (uint32_t i = 0; i < count && rows; i++)
        rows[i] = i;
    double started = clock_monotonic();
    if (!rows || maps_make(vectors, rows, count, &settings, NULL, &map, &info))
        fail("map", info.message);
    printf("t-SNE of %u words, %u iterations\t%.2f s\tKL %.3f\n", count, map->iterations,
           clock_monotonic() - started, map->kl[map->iterations - 1]);
    maps_free(map);
    free(rows);
}

static void measure_search(const struct vectors *vectors)
{
    static struct asked asked;
    struct random random;
    size_t stride = vectors->stride;
    asked.queries = memory_new_aligned(ASKED, stride * sizeof *asked.queries);
    if (!asked.queries)
        fail("search", "no memory");
    random_seed(&random, 1, 0);
    for (size_t q = 0; q < ASKED; q++) {
        uint32_t row = (uint32_t)random_below(&random, vectors->count);
        memcpy(asked.queries + q * stride, vectors_row(vectors, row),
               stride * sizeof *asked.queries);
        asked.questions[q] = (struct search_question){q, 1, 0, NULL, 0};
    }
    printf("%u rows of %u numbers: one read\t%.3f ms\n", vectors->count, vectors->dim,
           read_time(vectors));
    printf("exact, one query, 1 thread\t%.3f ms\n", exact_time(vectors, &asked, 1, 1));
    printf("exact, one query, all threads\t%.3f ms\n", exact_time(vectors, &asked, 1, 0));
    printf("exact, each of 64, all threads\t%.3f ms\n",
           exact_time(vectors, &asked, 64, 0));
    (void)exact_time(vectors, &asked, ASKED, 0);
    struct hnsw_settings settings = hnsw_defaults();
    struct hnsw *hnsw;
    settings.threads = parallel_cores();
    double started = clock_monotonic();
    if (hnsw_build(vectors, &settings, NULL, &hnsw))
        fail("index", "no memory");
    printf("index built\t%.1f s\n", clock_monotonic() - started);
    for (size_t width = 20; width <= 160; width *= 2)
        index_time(hnsw, vectors, &asked, width);
    hnsw_free(hnsw);
    map_time(vectors);
    free(asked.queries);
}

int main(int argc, char **argv)
{
    bool accuracy = argc == 5 && strcmp(argv[1], "accuracy") == 0;
    if (!accuracy && (argc != 4 || strcmp(argv[1], "search") != 0)) {
        fprintf(stderr, "usage: bench_vectors accuracy FORMAT FILE DATA\n"
                        "       bench_vectors search FORMAT FILE\n");
        return 2;
    }
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
