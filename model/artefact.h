/* SPDX-License-Identifier: MIT */
/* The model file: named, sized sections behind a versioned header, written as a stream
 * and read in place. It is incomplete, and refused, until its footer is written.
 *
 * Layout (little endian): header {magic "FIRTHMDL", version u32, byte-order probe u32,
 * kind char[16], 32 zero bytes}; section bodies, each starting at a multiple of 64; a
 * table of {name char[32], type u32, rank u32, shape u64[4], offset u64, size u64, crc32c
 * u32, zero u32}, itself at a multiple of 64; footer {table offset u64, sections u64,
 * crc32c of header and table u32, magic "FIRTHEND"}. Sections stand in the table's order,
 * the bytes between them are zero, and nothing else is in the file: so every byte is
 * covered by a checksum or has only one value it may have. */
#ifndef FIRTH_MODEL_ARTEFACT_H
#define FIRTH_MODEL_ARTEFACT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "base/stream.h"

#define ARTEFACT_NAME_SIZE 32
#define ARTEFACT_SECTIONS_MAX 1024
#define ARTEFACT_RANK_MAX 4

enum artefact_type {
    ARTEFACT_BYTES,
    ARTEFACT_U32,
    ARTEFACT_U64,
    ARTEFACT_F32,
    ARTEFACT_F64
};

struct artefact_section {
    char name[ARTEFACT_NAME_SIZE];
    enum artefact_type type;
    uint32_t rank;
    uint64_t shape[ARTEFACT_RANK_MAX];
    struct span content; /* when read: a 64-byte aligned view into the file */
};

/* Writing: begin, then sections one after another, then finish. Every call after a
 * failed one fails too. */
struct artefact_writer;
MUST_CHECK enum err artefact_begin(const struct writer *to, const char *kind,
                                   struct artefact_writer **out);
/* A whole section at once … */
MUST_CHECK enum err artefact_put(struct artefact_writer *writer, const char *name,
                                 enum artefact_type type, uint32_t rank,
                                 const uint64_t *shape, const void *content);
/* … or in pieces: open (shape is counted from the bytes), append …, close. */
MUST_CHECK enum err artefact_open_section(struct artefact_writer *writer,
                                          const char *name, enum artefact_type type);
MUST_CHECK enum err artefact_append(struct artefact_writer *writer, const void *bytes,
                                    size_t size);
MUST_CHECK enum err artefact_close_section(struct artefact_writer *writer);
MUST_CHECK enum err artefact_finish(struct artefact_writer *writer);
void artefact_writer_free(struct artefact_writer *writer); /* NULL is fine */

/* Reading: every length and checksum is checked before anything is used. `bytes` is
 * borrowed, 64-byte aligned. */
struct artefact;
MUST_CHECK enum err artefact_parse(struct span bytes, struct artefact **out,
                                   struct err_info *info);
void artefact_free(struct artefact *artefact);
const char *artefact_kind(const struct artefact *artefact);
/* NULL when there is none of this name. */
const struct artefact_section *artefact_find(const struct artefact *artefact,
                                             const char *name);
/* As find, but the section must be there with this type and rank. */
MUST_CHECK enum err artefact_need(const struct artefact *artefact, const char *name,
                                  enum artefact_type type, uint32_t rank,
                                  const struct artefact_section **out,
                                  struct err_info *info);

#endif
