/* SPDX-License-Identifier: MIT */
/* Fuzz target: whatever a trainer sends, the daemon's decoder refuses it or hands out
 * frames within what it was given.
 *
 * The first byte chooses the size of the pieces in which the rest arrives and whether the
 * rest is a stream as it is, or the payload of a frame with a right checksum (which a
 * fuzzer would hardly ever find), given to every reader of messages. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/frames.h"
#include "server/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void read_all(struct span payload)
{
    struct hello_message hello;
    struct progress_message progress;
    struct metric_message metric;
    struct train_result result;
    struct err_info info;
    uint64_t a, b;
    if (hello_read(payload, &hello))
        check(hello.components <= PARAM_LIST_MAX && hello.spec.size <= payload.size);
    if (progress_read(payload, &progress))
        check(strlen(progress.phase) < sizeof progress.phase);
    if (metric_read(payload, &metric))
        check(strlen(metric.series) < sizeof metric.series);
    if (result_read(payload, &result, &a))
        check(result.metric_count <= TRAIN_METRICS_MAX);
    if (error_read(payload, &info))
        check(info.code > ERR_OK && info.code < ERR_COUNT);
    check(messages_number_read(payload, &a) == (payload.size == 8));
    check(checkpoint_end_read(payload, &a, &b) == (payload.size == 16));
}

/* The number of frames that came out of the stream. */
static size_t decode(struct span stream, size_t piece)
{
    struct frame_decoder decoder;
    struct frame frame;
    size_t frames = 0;
    enum err code = ERR_OK;
    frame_decoder_init(&decoder);
    for (size_t at = 0; !code && at < stream.size; at += piece) {
        size_t rest = stream.size - at;
        bool have = true;
        code =
            frame_decoder_give(&decoder, stream.bytes + at, rest < piece ? rest : piece);
        while (!code && have) {
            code = frame_decoder_next(&decoder, &frame, &have);
            if (!code && have) {
                frames++;
                read_all(frame.payload);
            }
        }
    }
    frame_decoder_fini(&decoder);
    return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer stream;
    if (size < 1)
        return 0;
    size_t piece = (size_t)(data[0] >> 1) * 3 + 1;
    struct span rest = span_of(data + 1, size - 1);
    if (data[0] & 1) {
        decode(rest, piece);
        return 0;
    }
    buffer_init(&stream, FRAME_HEAD + FRAME_PAYLOAD_MAX);
    if (frame_encode(&stream, FRAME_RESULT, rest) == ERR_OK)
        check(decode(span_of(stream.bytes, stream.size), piece) == 1);
    buffer_fini(&stream);
    return 0;
}
