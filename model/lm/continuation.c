/* SPDX-License-Identifier: MIT */
/* From tokens to text while the text still grows.
 *
 * How a token is written can depend on those before it (no space before a comma), so a
 * window of the last tokens is joined with and without the new one, and what the longer
 * text has more is the new piece. Bytes go through three gates: a character that is not
 * whole waits in `pending` (tokens of bpe may be parts of one); a stop string ends the
 * text before it; text that may be the beginning of a stop string is not told yet. */
#include "model/lm/continuation.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "model/text/vocab.h"

#define WINDOW_MAX 256u /* tokens; joining costs this much a token at most */
#define WINDOW_KEPT 64u
#define TEXT_MAX ((size_t)1 << 30)

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static enum err join(struct continuation *continuation)
{
    buffer_clear(&continuation->scratch);
    return tokenizer_join(continuation->target->tokenizer, continuation->window,
                          continuation->window_count, &continuation->scratch);
}

static enum err window_add(struct continuation *continuation, struct span word)
{
    enum err code = memory_grow(&continuation->window, &continuation->window_capacity,
                                continuation->window_count + 1, sizeof word);
    if (!code)
        continuation->window[continuation->window_count++] = word;
    return code;
}

static enum err window_shorten(struct continuation *continuation)
{
    if (continuation->window_count < WINDOW_MAX)
        return ERR_OK;
    memmove(continuation->window,
            continuation->window + continuation->window_count - WINDOW_KEPT,
            WINDOW_KEPT * sizeof *continuation->window);
    continuation->window_count = WINDOW_KEPT;
    enum err code = join(continuation);
    continuation->joined = continuation->scratch.size;
    return code;
}

enum err continuation_init(struct continuation *continuation, const struct target *target,
                           const struct span *prompt, size_t count,
                           bool prompt_ends_in_space)
{
    const struct tokenizer_settings *settings = tokenizer_get_settings(target->tokenizer);
    memset(continuation, 0, sizeof *continuation);
    continuation->target = target;
    continuation->skip_space =
        prompt_ends_in_space &&
        (settings->unit == UNIT_WORD || settings->unit == UNIT_WHITESPACE);
    buffer_init(&continuation->scratch, TEXT_MAX);
    buffer_init(&continuation->pending, TEXT_MAX);
    buffer_init(&continuation->text, TEXT_MAX);
    enum err code = ERR_OK;
    size_t first = count > WINDOW_KEPT ? count - WINDOW_KEPT : 0;
    for (size_t i = first; i < count && !code; i++)
        code = window_add(continuation, prompt[i]);
    if (!code)
        code = join(continuation);
    continuation->joined = continuation->scratch.size;
    return code;
}

void continuation_fini(struct continuation *continuation)
{
    free(continuation->window);
    buffer_fini(&continuation->scratch);
    buffer_fini(&continuation->pending);
    buffer_fini(&continuation->text);
}

/* ---- whole characters ---- */

/* Moves whole characters from `pending` to the text; what can be none becomes U+FFFD.
 * With `end` nothing stays. */
static enum err move_characters(struct continuation *continuation, bool end)
{
    struct span rest = span_of(continuation->pending.bytes, continuation->pending.size);
    size_t whole = end ? rest.size : utf8_complete(rest), used = 0;
    while (used < whole) {
        uint32_t code_point;
        struct span next = span_of(rest.bytes + used, whole - used);
        size_t size = utf8_decode(next, &code_point);
        if (size > 0)
            (void)buffer_append(&continuation->text, next.bytes, size);
        else
            (void)buffer_append_text(&continuation->text, replacement);
        used += size > 0 ? size : 1;
    }
    buffer_consume(&continuation->pending, used);
    return continuation->text.failed;
}

/* ---- stop strings ---- */

static size_t longest_stop(const struct continuation *continuation)
{
    size_t longest = 0;
    for (size_t i = 0; i < continuation->stop_count; i++)
        if (continuation->stops[i].size > longest)
            longest = continuation->stops[i].size;
    return longest;
}

/* Cuts the text before the first stop string that ends behind `from`. */
static void find_stop(struct continuation *continuation, size_t from)
{
    struct buffer *text = &continuation->text;
    size_t longest = longest_stop(continuation), cut = text->size;
    size_t begin = from > longest ? from - longest : 0;
    for (size_t i = 0; i < continuation->stop_count; i++) {
        struct span stop = continuation->stops[i];
        if (stop.size == 0 || text->size < begin + stop.size)
            continue;
        const char *found =
            memmem(text->bytes + begin, text->size - begin, stop.bytes, stop.size);
        if (found && (size_t)(found - text->bytes) < cut) {
            cut = (size_t)(found - text->bytes);
            continuation->stopped = true;
        }
    }
    if (continuation->stopped) {
        text->size = cut;
        text->bytes[cut] = 0;
    }
}

/* How many bytes at the text's end could be the beginning of a stop string. */
static size_t undecided(const struct continuation *continuation)
{
    const struct buffer *text = &continuation->text;
    size_t most = 0;
    for (size_t i = 0; i < continuation->stop_count; i++) {
        struct span stop = continuation->stops[i];
        size_t size = stop.size > 0 ? stop.size - 1 : 0;
        size = size < text->size ? size : text->size;
        for (; size > most; size--)
            if (memcmp(text->bytes + text->size - size, stop.bytes, size) == 0)
                most = size;
    }
    return most;
}

/* ---- adding and taking ---- */

static struct span new_piece(struct continuation *continuation)
{
    struct span piece = {0};
    if (continuation->scratch.size > continuation->joined)
        piece = span_of(continuation->scratch.bytes + continuation->joined,
                        continuation->scratch.size - continuation->joined);
    if (continuation->skip_space && piece.size > 0 && piece.bytes[0] == ' ')
        piece = span_of(piece.bytes + 1, piece.size - 1);
    continuation->skip_space = false;
    return piece;
}

enum err continuation_add(struct continuation *continuation, uint32_t token)
{
    size_t before = continuation->text.size;
    enum err code = window_shorten(continuation);
    if (!code)
        code = window_add(continuation, vocab_word(continuation->target->vocab, token));
    if (!code)
        code = join(continuation);
    if (code)
        return code;
    struct span piece = new_piece(continuation);
    continuation->joined = continuation->scratch.size;
    code = buffer_append(&continuation->pending, piece.bytes, piece.size);
    if (!code)
        code = move_characters(continuation, false);
    if (!code && continuation->text.size > before)
        find_stop(continuation, before);
    return code;
}

enum err continuation_end(struct continuation *continuation)
{
    if (continuation->stopped)
        return ERR_OK;
    size_t before = continuation->text.size;
    enum err code = move_characters(continuation, true);
    if (!code && continuation->text.size > before)
        find_stop(continuation, before);
    return code;
}

struct span continuation_take(struct continuation *continuation, bool all)
{
    const struct buffer *text = &continuation->text;
    size_t until = all ? text->size : text->size - undecided(continuation);
    struct span piece = {0};
    if (until > continuation->told) {
        piece = span_of(text->bytes + continuation->told, until - continuation->told);
        continuation->told = until;
    }
    return piece;
}
