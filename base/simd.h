/* SPDX-License-Identifier: MIT */
/* One binary for several instruction sets. A small loop is marked SIMD_CLONES and the
 * loader picks the version for this processor; a file of large kernels is compiled once
 * for each set between SIMD_BEGIN_x and SIMD_END and picked by simd_level(). */
#ifndef FIRTH_BASE_SIMD_H
#define FIRTH_BASE_SIMD_H

#if defined(__x86_64__) && defined(__GNUC__)
#define SIMD_X86 1
#else
#define SIMD_X86 0
#endif

/* Clones need ifuncs, which the sanitizers' start-up does not survive. */
#if SIMD_X86 && !defined(FIRTH_SANITIZED) && defined(__clang__)
#define SIMD_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#elif SIMD_X86 && !defined(FIRTH_SANITIZED)
#define SIMD_CLONES                                                                      \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SIMD_CLONES
#endif

/* Unrolls the loop that follows completely, so that an array of vectors stays in
 * registers. */
#if defined(__clang__)
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SIMD_UNROLL _Pragma("GCC unroll 16")
#endif

/* The turns of the loop that follows may run side by side, though its arrays may be the
 * same ones. Without it a loop over many arrays stays scalar. */
#if defined(__clang__)
#define SIMD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define SIMD_INDEPENDENT _Pragma("GCC ivdep")
#endif

#if SIMD_X86 && defined(__clang__)
#define SIMD_PUSH(text) _Pragma(#text)
#define SIMD_TARGET_FUNCTIONS(sets)                                                      \
    SIMD_PUSH(clang attribute push(__attribute__((target(sets))), apply_to = function))
#define SIMD_BEGIN_AVX512                                                                \
    SIMD_TARGET_FUNCTIONS("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#define SIMD_BEGIN_AVX2 SIMD_TARGET_FUNCTIONS("avx2,fma")
#define SIMD_END _Pragma("clang attribute pop")
#elif SIMD_X86
#define SIMD_BEGIN_AVX512                                                                \
    _Pragma("GCC push_options")                                                          \
        _Pragma("GCC target(\"avx512f,avx512bw,avx512dq,avx512vl,avx2,fma\")")
#define SIMD_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma\")")
#define SIMD_END _Pragma("GCC pop_options")
#endif

enum simd_level { SIMD_PLAIN, SIMD_AVX2, SIMD_AVX512 };

/* The widest set this processor has, among those with files of their own. */
static inline enum simd_level simd_level(void)
{
#if SIMD_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma"))
        return SIMD_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return SIMD_AVX2;
#endif
    return SIMD_PLAIN;
}

#endif
