/* SPDX-License-Identifier: MIT */
/* A drawn map as bytes: an artefact (model/artefact.h) of the kind "map" with the
 * sections "points" f32 [count][dims], "words" (their bytes one after another), "ends"
 * u64 [count] (where each ends), "explained" f64 [dims] and "kl" f64 [iterations]. */
#ifndef FIRTH_MODEL_MAPS_MAP_FILE_H
#define FIRTH_MODEL_MAPS_MAP_FILE_H

#include "base/span.h"
#include "base/stream.h"
#include "model/maps/maps.h"

struct artefact;

/* A map read back; views into the bytes. */
struct map_file {
    struct artefact *artefact; /* owned */
    unsigned dims;
    size_t count;
    const float *points;     /* [count][dims] */
    const double *explained; /* [dims] each axis's share; 0 for t-SNE */
    const double *kl;        /* [iterations] */
    size_t iterations;       /* 0 for PCA */
    const char *words;
    const uint64_t *ends; /* [count] rising, at most the size of the words */
};

/* words[map->count]. */
MUST_CHECK enum err map_file_write(const struct map *map, const struct span *words,
                                   const struct writer *to);
/* `bytes` are borrowed and 64-byte aligned. ERR_BAD_MODEL_FILE. */
MUST_CHECK enum err map_file_read(struct span bytes, struct map_file *file,
                                  struct err_info *info);
void map_file_fini(struct map_file *file);
/* The word at point number `index`; borrowed. */
struct span map_file_word(const struct map_file *file, size_t index);

#endif
