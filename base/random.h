/* SPDX-License-Identifier: MIT */
/* Pseudo-random numbers whose whole state is an argument: same seed, same sequence, on
 * every machine. xoshiro256** 1.0 by Blackman and Vigna, seeded through splitmix64. */
#ifndef FIRTH_BASE_RANDOM_H
#define FIRTH_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4]; /* plain data: copy it to save and restore the generator */
};

/* Starts the sequence number `stream` of `seed`; different streams are independent. */
void random_seed(struct random *random, uint64_t seed, uint64_t stream);

uint64_t random_next(struct random *random);

/* Uniform in [0, 1) with 53 random bits. */
double random_uniform(struct random *random);

/* Uniform in 0 … bound-1 without bias (Lemire 2019); bound > 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Normal with mean 0 and variance 1 (polar method; draws as often as it must). */
double random_normal(struct random *random);

/* Shuffles count numbers (Fisher and Yates). */
void random_shuffle(struct random *random, uint32_t *items, size_t count);

/* 64 bits from the operating system: for seeds and ids when none was given. */
uint64_t random_from_system(void);

#endif
