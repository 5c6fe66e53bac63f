/* SPDX-License-Identifier: MIT */
/* A trainer for tests. The test program is its own trainer: started with --trainer it
 * runs the toy instead of the suites. What the toy does is said by the model's name:
 *   echo…     the model file is corpus, "|", validation corpus, "|", components
 *   big       a model file of 5 MiB and a byte
 *   step…     20 steps with a checkpoint each; goes on from one; obeys "stop"
 *   long…     as step…, without an end
 *   fragile   as step…, and dies of SIGSEGV at step 10 unless it went on from a
 * checkpoint slow…     works until it is told to stop, leaves no checkpoint stubborn does
 * not even stop then segv, exit0, exit3, garbage, frozen, mute, bad, diverge, unasked:
 * ways to fail
 * A map echoes what it is given and its model's bytes; of a model slow…, stubborn or one
 * of the ways to fail, it does that. */
#ifndef FIRTH_TESTS_TOY_H
#define FIRTH_TESTS_TOY_H

#include <stddef.h>

enum { TOY_STEPS = 20, TOY_BIG = (5 << 20) + 1 };

/* The byte at `i` of a big model file. */
char toy_byte(size_t i);

#endif
