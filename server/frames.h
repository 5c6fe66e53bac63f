/* SPDX-License-Identifier: MIT */
/* Frames between the daemon and a trainer, over a stream socket.
 *
 * A frame is {payload size u32, type u16, magic u16, crc32c u32} and the payload, little
 * endian; the checksum covers the first eight bytes and the payload. Payloads are at most
 * FRAME_PAYLOAD_MAX bytes; what is larger (checkpoints, model files) travels as a run of
 * chunks. server/README.md lists the types. */
#ifndef FIRTH_SERVER_FRAMES_H
#define FIRTH_SERVER_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/span.h"

#define FRAME_HEAD 12u
#define FRAME_MAGIC 0xf17au
#define FRAME_PAYLOAD_MAX (1u << 20)
#define FRAME_CHUNK (256u << 10)

enum frame_type {
    FRAME_HELLO = 1,      /* daemon: what to train */
    FRAME_STOP,           /* daemon: hand over a checkpoint and end */
    FRAME_KEPT,           /* daemon: the checkpoint is durable, or why it is not */
    FRAME_HEARTBEAT,      /* trainer: alive; carries the number of reports so far */
    FRAME_PROGRESS,       /* trainer */
    FRAME_METRIC,         /* trainer: a point of a curve */
    FRAME_NOTE,           /* trainer: a line for the job's log */
    FRAME_CHECKPOINT,     /* trainer: a chunk of a checkpoint */
    FRAME_CHECKPOINT_END, /* trainer: its step and size; answered by FRAME_KEPT */
    FRAME_ARTEFACT,       /* trainer: a chunk of the model file */
    FRAME_RESULT,         /* trainer: the model file is whole; ends well */
    FRAME_ERROR,          /* trainer: ends badly, or was stopped */
    FRAME_TYPE_END
};

struct frame {
    enum frame_type type;
    struct span payload; /* valid until more bytes are given to the decoder */
};

/* Appends a whole frame. ERR_LIMIT when the payload is too large. */
MUST_CHECK enum err frame_encode(struct buffer *to, enum frame_type type,
                                 struct span payload);

/* Cuts a stream of bytes into frames. Trusts nothing: a bad size, type, magic or checksum
 * is ERR_PROTOCOL, from then on for ever. Holds at most one frame more than it was given.
 */
struct frame_decoder {
    struct buffer bytes;
    size_t at; /* first byte not yet handed out */
    bool broken;
};

void frame_decoder_init(struct frame_decoder *decoder);
void frame_decoder_fini(struct frame_decoder *decoder);
/* Gives the decoder bytes, in pieces of any size up to FRAME_CHUNK. */
MUST_CHECK enum err frame_decoder_give(struct frame_decoder *decoder, const void *bytes,
                                       size_t size);
/* The next whole frame; *have is false when more bytes are needed. */
MUST_CHECK enum err frame_decoder_next(struct frame_decoder *decoder, struct frame *frame,
                                       bool *have);

#endif
