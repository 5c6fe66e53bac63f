/* SPDX-License-Identifier: MIT */
#include "model/text/bpe.h"
enum err bpe_train(const struct tokenizer_settings *settings, struct span text,
                   const struct progress *progress, struct bpe **out,
                   struct err_info *info)
{
    (void)settings;
    (void)text;
    (void)progress;
    *out = NULL;
    return err_set(info, ERR_UNSUPPORTED, "bpe is not here yet");
}
void bpe_free(struct bpe *bpe)
{
    (void)bpe;
}
enum err bpe_save(const struct bpe *bpe, struct buffer *bytes)
{
    (void)bpe;
    (void)bytes;
    return ERR_UNSUPPORTED;
}
enum err bpe_load(struct span bytes, struct bpe **out, struct err_info *info)
{
    (void)bytes;
    *out = NULL;
    return err_set(info, ERR_BAD_MODEL_FILE, "bpe is not here yet");
}
uint32_t bpe_token_count(const struct bpe *bpe)
{
    (void)bpe;
    return 0;
}
struct span bpe_token(const struct bpe *bpe, uint32_t token)
{
    (void)bpe;
    (void)token;
    return span_of("", 0);
}
size_t bpe_piece(struct span text)
{
    return text.size < 128 ? text.size : 128;
}
size_t bpe_encode(const struct bpe *bpe, struct span piece, uint8_t *sizes)
{
    (void)bpe;
    sizes[0] = (uint8_t)piece.size;
    return 1;
}
