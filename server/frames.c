/* SPDX-License-Identifier: MIT */
/* The framing of the trainer's protocol. Encoding appends to a buffer; decoding keeps
 * what came until a whole frame is there and hands out views into that buffer.
 *
 * The decoder judges a head as soon as its twelve bytes are there, so a wrong size is
 * refused before anything is kept for it: memory is bounded by one frame and one piece.
 */
#include "server/frames.h"

#include <string.h>

#include "base/crc32c.h"

static void put_u32(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_u32(const char *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)from[i] << (8 * i);
    return value;
}

enum err frame_encode(struct buffer *to, enum frame_type type, struct span payload)
{
    unsigned char head[FRAME_HEAD];
    if (payload.size > FRAME_PAYLOAD_MAX)
        return ERR_LIMIT;
    put_u32(head, (uint32_t)payload.size);
    put_u32(head + 4, (uint32_t)type | FRAME_MAGIC << 16);
    put_u32(head + 8, crc32c(crc32c(0, head, 8), payload.bytes, payload.size));
    buffer_append(to, head, sizeof head);
    return buffer_append(to, payload.bytes, payload.size);
}

void frame_decoder_init(struct frame_decoder *decoder)
{
    *decoder = (struct frame_decoder){0};
    buffer_init(&decoder->bytes, FRAME_HEAD + FRAME_PAYLOAD_MAX + FRAME_CHUNK);
}

void frame_decoder_fini(struct frame_decoder *decoder)
{
    buffer_fini(&decoder->bytes);
}

enum err frame_decoder_give(struct frame_decoder *decoder, const void *bytes, size_t size)
{
    if (decoder->broken)
        return ERR_PROTOCOL;
    buffer_consume(&decoder->bytes, decoder->at);
    decoder->at = 0;
    enum err code = buffer_append(&decoder->bytes, bytes, size);
    if (code)
        decoder->broken = true;
    return code == ERR_LIMIT ? ERR_PROTOCOL : code;
}

enum err frame_decoder_next(struct frame_decoder *decoder, struct frame *frame,
                            bool *have)
{
    *have = false;
    if (decoder->broken)
        return ERR_PROTOCOL;
    size_t there = decoder->bytes.size - decoder->at;
    if (there < FRAME_HEAD)
        return ERR_OK;
    const char *head = decoder->bytes.bytes + decoder->at;
    uint32_t size = get_u32(head), kind = get_u32(head + 4);
    uint32_t type = kind & 0xffff;
    decoder->broken = size > FRAME_PAYLOAD_MAX || kind >> 16 != FRAME_MAGIC ||
                      type == 0 || type >= FRAME_TYPE_END;
    if (decoder->broken)
        return ERR_PROTOCOL;
    if (there - FRAME_HEAD < size)
        return ERR_OK;
    const char *payload = head + FRAME_HEAD;
    decoder->broken = crc32c(crc32c(0, head, 8), payload, size) != get_u32(head + 8);
    if (decoder->broken)
        return ERR_PROTOCOL;
    *frame = (struct frame){(enum frame_type)type, span_of(payload, size)};
    *have = true;
    decoder->at += FRAME_HEAD + size;
    return ERR_OK;
}
