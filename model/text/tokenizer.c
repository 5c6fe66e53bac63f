/* SPDX-License-Identifier: MIT */
/* A tokenizer is its settings and, for bpe, what was learned. File form: {magic "FTOK",
 * version u32, unit u32, segment u32, lowercase u32, min_count u32, max_vocab u32, bytes
 * of the rest u32}, then for bpe the merges as bpe.c writes them. */
#include "model/text/tokenizer.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "model/text/tokenizer_int.h"

#define MAGIC "FTOK"
#define VERSION 1u

const char *const text_unit_names[] = {"word", "whitespace", "char", "bpe", NULL};
const char *const text_segment_names[] = {"line", "sentence", "document", NULL};

struct tokenizer_head {
    char magic[4];
    uint32_t version, unit, segment, lowercase, min_count, max_vocab, rest;
};

static enum err new_tokenizer(const struct tokenizer_settings *settings,
                              struct tokenizer **out)
{
    *out = memory_new_array(1, sizeof **out);
    if (!*out)
        return ERR_NO_MEMORY;
    (*out)->settings = *settings;
    return ERR_OK;
}

enum err tokenizer_train(const struct tokenizer_settings *settings, struct span text,
                         const struct progress *progress, struct tokenizer **out,
                         struct err_info *info)
{
    struct tokenizer *tokenizer;
    *out = NULL;
    if ((unsigned)settings->unit >= UNIT_COUNT)
        return err_set_field(info, ERR_INVALID, "/tokenizer/unit",
                             "No such unit of text");
    if ((unsigned)settings->segment >= SEGMENT_COUNT)
        return err_set_field(info, ERR_INVALID, "/tokenizer/segment",
                             "No such segment of text");
    enum err err = new_tokenizer(settings, &tokenizer);
    if (!err && settings->unit == UNIT_BPE)
        err = bpe_train(settings, text, progress, &tokenizer->bpe, info);
    if (err) {
        tokenizer_free(tokenizer);
        return err_finish(info, err);
    }
    *out = tokenizer;
    return ERR_OK;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    bpe_free(tokenizer->bpe);
    free(tokenizer);
}

enum err tokenizer_check(const struct tokenizer_settings *settings, struct err_info *info)
{
    return settings->unit == UNIT_BPE ? bpe_check(settings, info) : ERR_OK;
}

const struct tokenizer_settings *tokenizer_get_settings(const struct tokenizer *tokenizer)
{
    return &tokenizer->settings;
}

enum err tokenizer_save(const struct tokenizer *tokenizer, struct buffer *bytes)
{
    const struct tokenizer_settings *settings = &tokenizer->settings;
    struct buffer rest;
    buffer_init(&rest, UINT32_MAX);
    enum err err = tokenizer->bpe ? bpe_save(tokenizer->bpe, &rest) : ERR_OK;
    struct tokenizer_head head = {
        MAGIC,
        VERSION,
        settings->unit,
        settings->segment,
        settings->lowercase,
        settings->min_count,
        settings->max_vocab,
        (uint32_t)rest.size,
    };
    if (!err)
        err = buffer_append(bytes, &head, sizeof head);
    if (!err && rest.size > 0)
        err = buffer_append(bytes, rest.bytes, rest.size);
    buffer_fini(&rest);
    return err;
}

static enum err bad_file(struct err_info *info, const char *what)
{
    return err_set(info, ERR_BAD_MODEL_FILE, "The tokenizer in the model file %s", what);
}

static enum err read_head(struct span bytes, struct tokenizer_head *head,
                          struct err_info *info)
{
    if (bytes.size < sizeof *head)
        return bad_file(info, "is cut off");
    memcpy(head, bytes.bytes, sizeof *head);
    if (memcmp(head->magic, MAGIC, sizeof head->magic) != 0 || head->version != VERSION)
        return bad_file(info, "is of an unknown form");
    if (head->unit >= UNIT_COUNT || head->segment >= SEGMENT_COUNT || head->lowercase > 1)
        return bad_file(info, "has settings that do not exist");
    if (bytes.size - sizeof *head != head->rest || (head->unit != UNIT_BPE && head->rest))
        return bad_file(info, "is not as long as it says");
    return ERR_OK;
}

enum err tokenizer_load(struct span bytes, struct tokenizer **out, struct err_info *info)
{
    struct tokenizer_head head;
    struct tokenizer *tokenizer;
    *out = NULL;
    enum err err = read_head(bytes, &head, info);
    if (err)
        return err;
    struct tokenizer_settings settings = {
        .unit = (enum text_unit)head.unit,
        .segment = (enum text_segment)head.segment,
        .lowercase = head.lowercase != 0,
        .min_count = head.min_count,
        .max_vocab = head.max_vocab,
    };
    err = new_tokenizer(&settings, &tokenizer);
    if (!err && settings.unit == UNIT_BPE)
        err = bpe_load(span_of(bytes.bytes + sizeof head, head.rest), &tokenizer->bpe,
                       info);
    if (err) {
        tokenizer_free(tokenizer);
        return err_finish(info, err);
    }
    *out = tokenizer;
    return ERR_OK;
}
