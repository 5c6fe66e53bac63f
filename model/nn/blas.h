/* SPDX-License-Identifier: MIT */
/* What the process must know of OpenBLAS before it uses it. */
#ifndef FIRTH_MODEL_NN_BLAS_H
#define FIRTH_MODEL_NN_BLAS_H

/* The name OPENBLAS_CORETYPE must have for this processor when the library, older than
 * the processor, took it for one without AVX2; NULL when its own choice is fine. The
 * variable is read when the library is loaded: set it and execute the program again. */
const char *blas_core_override(void);

/* The kernels in use ("SkylakeX"): part of what a bit-exact resume depends on. */
const char *blas_core(void);

#endif
