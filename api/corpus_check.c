/* SPDX-License-Identifier: MIT */
/* One pass over each piece for UTF-8 and line ends (base/utf8), a second one only for
 * what is rare: parallel corpora, and the leading blanks of a text. */
#include "api/corpus_check.h"

#include <inttypes.h>

void corpus_check_init(struct corpus_check *check, enum corpus_kind kind)
{
    *check = (struct corpus_check){.kind = kind, .line = 1};
    utf8_stream_init(&check->utf8);
}

static enum err bad_utf8(const struct corpus_check *check, struct err_info *info)
{
    return err_set_place(info, ERR_BAD_UTF8, check->utf8.bad, check->utf8.line_ends + 1,
                         "The text is not valid UTF-8 at byte %" PRIu64 " (line %" PRIu64
                         "); convert it first, for example with iconv.",
                         check->utf8.bad, check->utf8.line_ends + 1);
}

static enum err end_line(struct corpus_check *check, uint64_t next, struct err_info *info)
{
    if (check->tabs != 1)
        return err_set_place(info, ERR_INVALID, check->start, check->line,
                             "Line %" PRIu64 " has %s TAB; every line of a parallel "
                             "corpus is a source, one TAB, and a target.",
                             check->line, check->tabs ? "more than one" : "no");
    check->tabs = 0;
    check->line++;
    check->start = next;
    check->line_open = false;
    return ERR_OK;
}

static enum err check_tabs(struct corpus_check *check, struct span piece,
                           struct err_info *info)
{
    uint64_t before = check->utf8.size - piece.size; /* the piece was counted already */
    for (size_t i = 0; i < piece.size; i++) {
        if (piece.bytes[i] == '\n') {
            enum err code = end_line(check, before + i + 1, info);
            if (code)
                return code;
            continue;
        }
        check->line_open = true;
        if (piece.bytes[i] == '\t' && check->tabs < 2)
            check->tabs++;
    }
    return ERR_OK;
}

enum err corpus_check_add(struct corpus_check *check, struct span piece,
                          struct err_info *info)
{
    if (utf8_stream_add(&check->utf8, piece))
        return bad_utf8(check, info);
    for (size_t i = 0; i < piece.size && !check->has_text; i++)
        check->has_text = (unsigned char)piece.bytes[i] > ' ';
    return check->kind == CORPUS_PARALLEL ? check_tabs(check, piece, info) : ERR_OK;
}

enum err corpus_check_finish(struct corpus_check *check, struct err_info *info)
{
    if (utf8_stream_finish(&check->utf8))
        return bad_utf8(check, info);
    if (!check->has_text)
        return err_set(info, ERR_EMPTY_CORPUS,
                       "The corpus is empty: the request's body is the text itself, as "
                       "in curl -T book.txt.");
    if (check->kind == CORPUS_PARALLEL && check->line_open)
        return end_line(check, check->utf8.size, info);
    return ERR_OK;
}

uint64_t corpus_check_lines(const struct corpus_check *check)
{
    return utf8_stream_lines(&check->utf8);
}
