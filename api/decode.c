/* SPDX-License-Identifier: MIT */
/* One streaming decoder for both codings. Memory is the decoder's window and nothing
 * else, however far the data expands: what comes out goes on at once, and the quota of
 * what it goes to is counted there. Several gzip members or zstd frames in a row are one
 * text, as the tools that write them do. */
#include "api/decode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"

struct decoder {
    enum decode_coding coding;
    bool whole, begun;
    z_stream gzip;
    ZSTD_DCtx *zstd;
};

enum decode_coding decode_coding_of(const char *value)
{
    if (!value || !*value || strcasecmp(value, "identity") == 0)
        return DECODE_NONE;
    if (strcasecmp(value, "gzip") == 0 || strcasecmp(value, "x-gzip") == 0)
        return DECODE_GZIP;
    return strcasecmp(value, "zstd") == 0 ? DECODE_ZSTD : DECODE_UNKNOWN;
}

enum err decode_new(enum decode_coding coding, struct decoder **out)
{
    *out = NULL;
    if (coding != DECODE_GZIP && coding != DECODE_ZSTD)
        return ERR_UNSUPPORTED;
    struct decoder *decoder = memory_new_array(1, sizeof *decoder);
    if (!decoder)
        return ERR_NO_MEMORY;
    decoder->coding = coding;
    bool made = false;
    if (coding == DECODE_GZIP) {
        made = inflateInit2(&decoder->gzip, 15 + 16) == Z_OK;
    } else {
        decoder->zstd = ZSTD_createDCtx();
        made = decoder->zstd &&
               !ZSTD_isError(ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax,
                                                    DECODE_ZSTD_WINDOW_LOG));
    }
    if (!made) {
        decode_free(decoder);
        return ERR_NO_MEMORY;
    }
    *out = decoder;
    return ERR_OK;
}

void decode_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->coding == DECODE_GZIP)
        inflateEnd(&decoder->gzip);
    ZSTD_freeDCtx(decoder->zstd);
    free(decoder);
}

static enum err step_gzip(struct decoder *decoder, const void *in, size_t in_size,
                          size_t *used, void *out, size_t out_size, size_t *got,
                          struct err_info *info)
{
    z_stream *z = &decoder->gzip;
    if (decoder->whole && decoder->begun && in_size > 0 && inflateReset(z) != Z_OK)
        return ERR_INTERNAL;
    if (in_size > 0)
        decoder->whole = false;
    z->next_in = (Bytef *)(uintptr_t)in;
    z->avail_in = in_size > UINT32_MAX ? UINT32_MAX : (uInt)in_size;
    z->next_out = out;
    z->avail_out = out_size > UINT32_MAX ? UINT32_MAX : (uInt)out_size;
    int result = inflate(z, Z_NO_FLUSH);
    *used = (size_t)((const Bytef *)z->next_in - (const Bytef *)in);
    *got = (size_t)((Bytef *)z->next_out - (Bytef *)out);
    decoder->begun = true;
    decoder->whole = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return ERR_NO_MEMORY;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return err_set(info, ERR_SYNTAX, "The gzip body is damaged: %s",
                       z->msg ? z->msg : "bad data");
    return ERR_OK;
}

static enum err step_zstd(struct decoder *decoder, const void *in, size_t in_size,
                          size_t *used, void *out, size_t out_size, size_t *got,
                          struct err_info *info)
{
    ZSTD_inBuffer from = {in, in_size, 0};
    ZSTD_outBuffer to = {out, out_size, 0};
    size_t left = ZSTD_decompressStream(decoder->zstd, &to, &from);
    *used = from.pos;
    *got = to.pos;
    if (ZSTD_isError(left))
        return err_set(info, ERR_SYNTAX,
                       "The zstd body is damaged, or its window is over 8 MiB: %s",
                       ZSTD_getErrorName(left));
    if (*used > 0 || *got > 0)
        decoder->whole = left == 0;
    return ERR_OK;
}

enum err decode_step(struct decoder *decoder, const void *in, size_t in_size,
                     size_t *used, void *out, size_t out_size, size_t *got,
                     struct err_info *info)
{
    *used = *got = 0;
    return decoder->coding == DECODE_GZIP
               ? step_gzip(decoder, in, in_size, used, out, out_size, got, info)
               : step_zstd(decoder, in, in_size, used, out, out_size, got, info);
}

bool decode_is_whole(const struct decoder *decoder)
{
    return decoder->whole;
}
