/* SPDX-License-Identifier: MIT */
/* Texts go from the socket to the store piece by piece; nothing here grows with their
 * size. While they pass, a text is held to be UTF-8, to say something, and (kind
 * parallel) to have exactly one TAB a line. Only a text that passed to its last byte is
 * committed; whatever ends earlier aborts the upload and leaves no trace. */
#include "api/corpora.h"

#include <stdlib.h>

#include "api/corpus_check.h"
#include "api/corpus_text.h"
#include "api/print_train.h"
#include "api/resource.h"
#include "base/memory.h"
#include "model/text/vocab.h"
#include "server/server.h"

enum { PIECE = 1 << 17 };

static const char *const corpus_kind_names[] = {"text", "parallel"};

static void print_corpus(struct printer *p, const struct corpus_row *row)
{
    printer_open(p, '{');
    printer_key_text(p, "name", row->name);
    printer_key_text(p, "kind", corpus_kind_names[row->kind]);
    printer_key_text(p, "sha256", row->sha256);
    printer_key_integer(p, "bytes", (int64_t)row->bytes);
    printer_key_integer(p, "lines", (int64_t)row->lines);
    printer_key(p, "created_at");
    printer_time(p, row->created_ms);
    printer_close(p, '}');
}

static enum err reply_corpus(struct exchange *x, unsigned status,
                             const struct corpus_row *row)
{
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    print_corpus(&printer, row);
    return resource_reply_tagged_take(x, status, &json);
}

static enum err find_corpus(struct exchange *x, struct corpus_row *row,
                            struct err_info *info)
{
    const char *name = NULL;
    enum err code = resource_name(x, &name, info);
    if (code)
        return code;
    code = store_corpus_get(exchange_server(x)->store, name, row);
    if (code == ERR_CORPUS_NOT_FOUND)
        return err_set(info, code, "There is no corpus '%s'; PUT /corpora/%s makes one.",
                       name, name);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err corpora_list(struct exchange *x, struct err_info *info)
{
    struct resource_page page;
    size_t count = 0;
    bool has_more = false;
    enum err code = resource_page_read(x, &page, info);
    if (code)
        return code;
    struct corpus_row *rows = memory_new_array(page.limit, sizeof *rows);
    if (!rows)
        return err_finish(info, ERR_NO_MEMORY);
    code = store_corpus_list(exchange_server(x)->store, page.after, page.limit, rows,
                             &count, &has_more);
    if (code) {
        free(rows);
        return err_finish(info, code);
    }
    struct buffer json;
    struct printer printer;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    resource_list_open(&printer);
    for (size_t i = 0; i < count; i++)
        print_corpus(&printer, &rows[i]);
    resource_list_close(&printer, has_more, count ? rows[0].name : NULL,
                        count ? rows[count - 1].name : NULL);
    free(rows);
    return resource_reply_tagged_take(x, 200, &json);
}

enum err corpora_get(struct exchange *x, struct err_info *info)
{
    struct corpus_row row = {0};
    enum err code = find_corpus(x, &row, info);
    return code ? code : reply_corpus(x, 200, &row);
}

enum err corpora_delete(struct exchange *x, struct err_info *info)
{
    const char *name = NULL;
    enum err code = resource_name(x, &name, info);
    if (code)
        return code;
    code = store_corpus_delete(exchange_server(x)->store, name);
    if (code == ERR_CORPUS_NOT_FOUND)
        return err_set(info, code, "There is no corpus '%s'.", name);
    if (code == ERR_IN_USE)
        return err_set(info, code,
                       "An unfinished job reads the corpus '%s'; cancel it or wait for "
                       "its end.",
                       name);
    return code ? err_finish(info, code) : exchange_reply_empty(x, 204);
}

enum err corpora_text(struct exchange *x, struct err_info *info)
{
    struct corpus_row row = {0};
    enum err code = find_corpus(x, &row, info);
    if (code)
        return code;
    return resource_send_object(x, row.object, row.sha256, "text/plain; charset=utf-8",
                                info);
}

/* ---- upload ---- */

static enum err read_kind(struct exchange *x, enum corpus_kind *kind,
                          struct err_info *info)
{
    static const char *const names[] = {"text", "parallel", NULL};
    int choice = CORPUS_TEXT;
    enum err code = resource_query_choice(x, "kind", names, &choice, info);
    *kind = (enum corpus_kind)choice;
    return code;
}

static enum err too_large(struct exchange *x, struct err_info *info)
{
    return err_set(info, ERR_LIMIT,
                   "The corpus is larger than the %lld bytes of the setting "
                   "corpus_bytes, or no room is left within total_bytes.",
                   (long long)exchange_server(x)->settings.corpus_bytes);
}

/* From the socket through the checks into the store. */
static enum err receive(struct exchange *x, struct store_upload *upload,
                        struct corpus_check *check, struct err_info *info)
{
    enum err code = ERR_OK;
    size_t got = 0;
    char *piece = malloc(PIECE);
    if (!piece)
        return err_finish(info, ERR_NO_MEMORY);
    do {
        code = exchange_read(x, piece, PIECE, &got);
        if (!code && got > 0)
            code = corpus_check_add(check, span_of(piece, got), info);
        if (!code && got > 0) {
            code = store_upload_write(upload, piece, got);
            if (code == ERR_LIMIT)
                code = too_large(x, info);
        }
    } while (!code && got > 0);
    free(piece);
    return code ? code : corpus_check_finish(check, info);
}

enum err corpora_put(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct store_upload *upload = NULL;
    struct corpus_check check;
    struct corpus_row row = {0};
    const char *name = NULL;
    enum corpus_kind kind = CORPUS_TEXT;
    bool replaced = false;

    enum err code = resource_name(x, &name, info);
    if (!code)
        code = read_kind(x, &kind, info);
    uint64_t length = exchange_content_length(x);
    if (!code && length != UINT64_MAX && !exchange_is_encoded(x) &&
        length > (uint64_t)server->settings.corpus_bytes)
        code = too_large(x, info);
    if (!code)
        code = store_upload_begin(server->store, &upload);
    if (code)
        return err_finish(info, code);
    corpus_check_init(&check, kind);
    code = receive(x, upload, &check, info);
    if (code) {
        store_upload_abort(upload);
        return code;
    }
    code = store_corpus_commit(upload, name, kind, corpus_check_lines(&check), &row,
                               &replaced, info);
    if (code)
        return err_finish(info, code);
    code = replaced ? ERR_OK : exchange_set_location(x, "/corpora/%s", row.name);
    return code ? code : reply_corpus(x, replaced ? 200 : 201, &row);
}

/* ---- vocabulary ---- */

static enum progress_answer vocab_report(void *context, const struct progress_report *now)
{
    (void)now;
    return exchange_cancelled(context) ? PROGRESS_STOP : PROGRESS_GO_ON;
}

/* The tokenizer the query names. */
static enum err read_settings(struct exchange *x, struct tokenizer_settings *settings,
                              int64_t *limit, struct err_info *info)
{
    int64_t min_count = 1, max_vocab = 0;
    int unit = UNIT_WORD, segment = SEGMENT_LINE;
    enum err code = resource_query_choice(x, "unit", text_unit_names, &unit, info);
    if (!code)
        code = resource_query_choice(x, "segment", text_segment_names, &segment, info);
    settings->unit = (enum text_unit)unit;
    settings->segment = (enum text_segment)segment;
    if (!code)
        code = exchange_query_flag(x, "lowercase", false, &settings->lowercase, info);
    if (!code)
        code = exchange_query_integer(x, "min_count", 1, UINT32_MAX, 1, &min_count, info);
    if (!code)
        code = exchange_query_integer(x, "max_vocab", 0, VOCAB_SIZE_MAX, 0, &max_vocab,
                                      info);
    if (!code)
        code = exchange_query_integer(x, "limit", 1, 10000, 100, limit, info);
    settings->min_count = (uint32_t)min_count;
    settings->max_vocab = (uint32_t)max_vocab;
    return code;
}

static enum err reply_vocab(struct exchange *x, const struct corpus_row *row,
                            const struct tokenizer_settings *settings,
                            const struct vocab *vocab, size_t limit)
{
    struct buffer json;
    struct printer p;
    uint32_t size = vocab_size(vocab);
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&p, &json);
    printer_open(&p, '{');
    printer_key_text(&p, "corpus", row->name);
    printer_key_text(&p, "sha256", row->sha256);
    printer_key(&p, "tokenizer");
    print_tokenizer(&p, settings);
    printer_key_integer(&p, "size", size);
    printer_key_integer(&p, "unk_count", (int64_t)vocab_count(vocab, VOCAB_UNK));
    printer_key_flag(&p, "has_more", size - VOCAB_RESERVED > limit);
    printer_key(&p, "words");
    printer_open(&p, '[');
    for (uint32_t id = VOCAB_RESERVED; id < size && id - VOCAB_RESERVED < limit; id++) {
        printer_open(&p, '{');
        printer_key(&p, "token");
        printer_span(&p, vocab_word(vocab, id));
        printer_key_integer(&p, "id", id);
        printer_key_integer(&p, "count", (int64_t)vocab_count(vocab, id));
        printer_close(&p, '}');
    }
    printer_close(&p, ']');
    printer_close(&p, '}');
    return resource_reply_tagged_take(x, 200, &json);
}

enum err corpora_vocab(struct exchange *x, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct progress progress = {.context = x, .report = vocab_report};
    struct tokenizer_settings settings = {0};
    struct tokenizer *tokenizer = NULL;
    struct corpus_text corpus;
    struct vocab *vocab = NULL;
    const char *name = NULL;
    int64_t limit = 0;
    enum err code = resource_name(x, &name, info);
    if (!code)
        code = read_settings(x, &settings, &limit, info);
    if (!code)
        code = corpus_text_open(&corpus, server->store, name, server->scratch, info);
    if (code)
        return code;
    code = tokenizer_train(&settings, corpus.text, &progress, &tokenizer, info);
    if (!code)
        code = vocab_build(tokenizer, corpus.text, 1, &progress, &vocab, info);
    if (!code)
        code = reply_vocab(x, &corpus.row, &settings, vocab, (size_t)limit);
    vocab_free(vocab);
    tokenizer_free(tokenizer);
    corpus_text_fini(&corpus);
    return code ? err_finish(info, code) : ERR_OK;
}
