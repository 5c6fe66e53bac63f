/* SPDX-License-Identifier: MIT */
/* The kernels' source, included once for each instruction set with KERNELS_LANES (4, 8 or
 * 16 floats a register), KERNELS_SET and KERNELS_NAME defined.
 *
 * Dot products are computed LANES at a time: a tile of 2 inputs × LANES/2 outputs keeps
 * LANES registers of partial sums, and a tree of shuffles turns them into one register of
 * LANES finished products (log2 LANES steps, each halving the number of registers). The
 * sigmoid then works on a full register. */
#include <string.h>

enum { LANES = KERNELS_LANES, TILE_INPUTS = 2, TILE_OUTPUTS = KERNELS_LANES / 2 };

typedef float lanes __attribute__((vector_size(KERNELS_LANES * 4), may_alias));
typedef int32_t ints __attribute__((vector_size(KERNELS_LANES * 4), may_alias));

static inline __attribute__((always_inline)) lanes load(const float *from)
{
    return *(const lanes *)from;
}

static inline __attribute__((always_inline)) void store(float *to, lanes value)
{
    *(lanes *)to = value;
}

static inline __attribute__((always_inline)) lanes spread(float value)
{
    return value - (lanes){0};
}

/* One halving step: the sums of a's and b's neighbouring groups of lanes. */
#if KERNELS_LANES == 16
#define FOLD_1(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22,   \
                             23) +                                                       \
     __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, \
                             30, 31))
#define FOLD_2(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, \
                             27) +                                                       \
     __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29,   \
                             30, 31))
#define FOLD_3(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, \
                             29) +                                                       \
     __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27,   \
                             30, 31))
#define FOLD_4(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26,    \
                             28, 30) +                                                   \
     __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27,    \
                             29, 31))
#elif KERNELS_LANES == 8
#define FOLD_2(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +                           \
     __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
#define FOLD_3(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13) +                           \
     __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15))
#define FOLD_4(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) +                          \
     __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15))
#else
#define FOLD_3(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 1, 4, 5) +                                         \
     __builtin_shufflevector(a, b, 2, 3, 6, 7))
#define FOLD_4(a, b)                                                                     \
    (__builtin_shufflevector(a, b, 0, 2, 4, 6) +                                         \
     __builtin_shufflevector(a, b, 1, 3, 5, 7))
#endif

/* Lane i of the result is the sum of all lanes of part[i]; destroys part. */
static inline __attribute__((always_inline)) lanes fold(lanes part[LANES])
{
    size_t half = LANES / 2;
#if KERNELS_LANES == 16
    SIMD_UNROLL
    for (size_t i = 0; i < 8; i++)
        part[i] = FOLD_1(part[2 * i], part[2 * i + 1]);
    half /= 2;
#endif
#if KERNELS_LANES >= 8
    SIMD_UNROLL
    for (size_t i = 0; i < 4; i++)
        part[i] = FOLD_2(part[2 * i], part[2 * i + 1]);
    half /= 2;
#endif
    SIMD_UNROLL
    for (size_t i = 0; i < 2; i++)
        part[i] = FOLD_3(part[2 * i], part[2 * i + 1]);
    (void)half;
    return FOLD_4(part[0], part[1]);
}

static inline __attribute__((always_inline)) float total(lanes value)
{
    float sum = 0;
    SIMD_UNROLL
    for (size_t i = 0; i < LANES; i++)
        sum += value[i];
    return sum;
}

/* A number within [low, high]; NaN passes. */
static inline __attribute__((always_inline)) lanes clamp(lanes x, float low, float high)
{
    ints above = x > spread(high), below = x < spread(low);
    ints bits = ((ints)x & ~above & ~below) | ((ints)spread(high) & above) |
                ((ints)spread(low) & below);
    return (lanes)bits;
}

/* eˣ for |x| ≤ 80 within 2e-7 of its value: 2ᵏ by the exponent bits, the rest by a
 * polynomial on [−½ ln 2, ½ ln 2]. */
static inline __attribute__((always_inline)) lanes exponential(lanes x)
{
    const float magic = 12582912.0f; /* 1.5 · 2²³: adding it rounds to whole numbers */
    lanes power = (x * 1.44269504f + magic) - magic;
    lanes rest = x - power * 0.693359375f + power * 2.12194440e-4f;
    lanes p = spread(1.9875691500e-4f);
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    return (lanes)((ints)p + (__builtin_convertvector(power, ints) << 23));
}

static inline __attribute__((always_inline)) lanes sigmoid(lanes x)
{
    return 1.0f / (1.0f + exponential(clamp(-x, -30.0f, 30.0f)));
}

static float dot(const float *a, const float *b, size_t width)
{
    lanes sum = {0}, other = {0};
    size_t d = 0;
    for (; d + 2 * LANES <= width; d += 2 * LANES) {
        sum += load(a + d) * load(b + d);
        other += load(a + d + LANES) * load(b + d + LANES);
    }
    for (; d < width; d += LANES)
        sum += load(a + d) * load(b + d);
    return total(sum + other);
}

static float distance(const float *a, const float *b, size_t width)
{
    lanes sum = {0}, other = {0};
    size_t d = 0;
    for (; d + 2 * LANES <= width; d += 2 * LANES) {
        lanes x = load(a + d) - load(b + d);
        lanes y = load(a + d + LANES) - load(b + d + LANES);
        sum += x * x;
        other += y * y;
    }
    for (; d < width; d += LANES) {
        lanes x = load(a + d) - load(b + d);
        sum += x * x;
    }
    return total(sum + other);
}

static void add(float *y, float a, const float *x, size_t width)
{
    lanes scale = spread(a);
    for (size_t d = 0; d < width; d += LANES)
        store(y + d, load(y + d) + scale * load(x + d));
}

/* Rows are read in groups of LANES so that one fold serves them all; each row is a run
 * of cache lines the hardware prefetcher follows. */
static void scan(const float *matrix, size_t stride, size_t count, const float *query,
                 size_t width, float *scores)
{
    size_t row = 0;
    for (; row + LANES <= count; row += LANES) {
        lanes part[LANES];
        const float *first = matrix + row * stride;
        SIMD_UNROLL
        for (size_t i = 0; i < LANES; i++) {
            lanes sum = {0};
            const float *from = first + i * stride;
            for (size_t d = 0; d < width; d += LANES)
                sum += load(from + d) * load(query + d);
            part[i] = sum;
        }
        lanes done = fold(part);
        memcpy(scores + row, &done, sizeof done);
    }
    for (; row < count; row++)
        scores[row] = dot(matrix + row * stride, query, width);
}

/* Whether a lane is set. */
static inline __attribute__((always_inline)) int any(ints mask)
{
    uint64_t words[sizeof(ints) / 8], all = 0;
    memcpy(words, &mask, sizeof words);
    SIMD_UNROLL
    for (size_t i = 0; i < sizeof(ints) / 8; i++)
        all |= words[i];
    return all != 0;
}

/* Nearly all scores are below the threshold, so a group is looked at closely only when
 * one of its lanes is not. */
static size_t above(float *scores, const float *scale, const float *offset, size_t count,
                    float threshold, uint32_t *positions)
{
    size_t found = 0, i = 0;
    lanes limit = spread(threshold);
    for (; i + LANES <= count; i += LANES) {
        lanes value = load(scores + i);
        if (scale) {
            value = value * load(scale + i) + load(offset + i);
            store(scores + i, value);
        }
        if (!any(value >= limit))
            continue;
        for (size_t j = i; j < i + LANES; j++)
            if (scores[j] >= threshold)
                positions[found++] = (uint32_t)j;
    }
    for (; i < count; i++) {
        if (scale)
            scores[i] = scores[i] * scale[i] + offset[i];
        if (scores[i] >= threshold)
            positions[found++] = (uint32_t)i;
    }
    return found;
}

/* steps[i][o] = rate · (label − σ(input i · output o)) for a tile of outputs; columns
 * past output_count are garbage. */
static inline void negative_steps(float *const *inputs, size_t input_count,
                                  float *const outputs[TILE_OUTPUTS], size_t width,
                                  float rate, int positive,
                                  float steps[][KERNELS_LANES / 2])
{
    lanes label = {0};
    if (positive)
        label[0] = label[TILE_OUTPUTS] = 1;
    for (size_t i = 0; i < input_count; i += TILE_INPUTS) {
        const float *first = inputs[i];
        const float *second = i + 1 < input_count ? inputs[i + 1] : first;
        lanes part[LANES];
        SIMD_UNROLL
        for (size_t o = 0; o < LANES; o++)
            part[o] = (lanes){0};
        for (size_t d = 0; d < width; d += LANES) {
            lanes a = load(first + d), b = load(second + d);
            SIMD_UNROLL
            for (size_t o = 0; o < TILE_OUTPUTS; o++) {
                lanes out = load(outputs[o] + d);
                part[o] += a * out;
                part[TILE_OUTPUTS + o] += b * out;
            }
        }
        lanes step = (label - sigmoid(fold(part))) * rate;
        memcpy(steps[i], &step, sizeof step);
    }
}

/* Moves the inputs and `count` outputs of a tile; unused columns have zero steps. */
static inline void negative_move(float *const *inputs, size_t input_count,
                                 float *const outputs[TILE_OUTPUTS], size_t count,
                                 size_t width, float steps[][KERNELS_LANES / 2])
{
    for (size_t d = 0; d < width; d += LANES) {
        lanes out[TILE_OUTPUTS], change[TILE_OUTPUTS];
        SIMD_UNROLL
        for (size_t o = 0; o < TILE_OUTPUTS; o++) {
            out[o] = load(outputs[o] + d);
            change[o] = (lanes){0};
        }
        for (size_t i = 0; i < input_count; i++) {
            lanes in = load(inputs[i] + d), moved = in;
            SIMD_UNROLL
            for (size_t o = 0; o < TILE_OUTPUTS; o++) {
                lanes step = spread(steps[i][o]);
                moved += step * out[o];
                change[o] += step * in;
            }
            store(inputs[i] + d, moved);
        }
        for (size_t o = 0; o < count; o++) /* reloaded: an output may stand there twice */
            store(outputs[o] + d, load(outputs[o] + d) + change[o]);
    }
}

static void negative(float *const *inputs, size_t input_count, float *const *outputs,
                     size_t output_count, size_t width, float rate)
{
    float steps[KERNELS_INPUTS_MAX + 1][KERNELS_LANES / 2];
    for (size_t first = 0; first < output_count; first += TILE_OUTPUTS) {
        size_t count = output_count - first;
        if (count > TILE_OUTPUTS)
            count = TILE_OUTPUTS;
        float *tile[TILE_OUTPUTS];
        for (size_t o = 0; o < TILE_OUTPUTS; o++)
            tile[o] = outputs[first + (o < count ? o : 0)];
        negative_steps(inputs, input_count, tile, width, rate, first == 0, steps);
        for (size_t i = 0; i < input_count; i++)
            for (size_t o = count; o < TILE_OUTPUTS; o++)
                steps[i][o] = 0;
        negative_move(inputs, input_count, tile, count, width, steps);
    }
}

const struct kernels KERNELS_SET = {
    .name = KERNELS_NAME,
    .dot = dot,
    .scan = scan,
    .above = above,
    .add = add,
    .distance = distance,
    .negative = negative,
};
