/* SPDX-License-Identifier: MIT */
/* Readers of a corpus (its vocabulary, an evaluation, the command line) want one span;
 * storage gives chunks of a mebibyte. The bridge is an unnamed temporary file. */
#include "api/corpus_text.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

enum err corpus_text_spill_object(struct store *store, int64_t object,
                                  struct spill *spill, struct span *content)
{
    struct store_object *reading = NULL;
    enum err code = store_object_open(store, object, &reading);
    if (code)
        return code;
    char *piece = malloc(PIECE);
    uint64_t offset = 0;
    if (!piece)
        code = ERR_NO_MEMORY;
    while (!code && offset < store_object_size(reading)) {
        size_t got = 0;
        code = store_object_read(reading, offset, piece, PIECE, &got);
        if (!code && got == 0)
            code = ERR_INTEGRITY;
        if (!code)
            code = spill_append(spill, piece, got);
        offset += got;
    }
    if (!code)
        code = spill_map(spill, content);
    free(piece);
    store_object_close(reading);
    return code;
}

enum err corpus_text_open(struct corpus_text *corpus, struct store *store,
                          const char *name, const char *scratch, struct err_info *info)
{
    memset(corpus, 0, sizeof *corpus);
    enum err code = store_corpus_get(store, name, &corpus->row);
    if (code == ERR_CORPUS_NOT_FOUND)
        return err_set(info, code, "There is no corpus '%.64s'.", name);
    if (!code)
        code = spill_open(scratch && *scratch ? scratch : NULL, &corpus->spill);
    if (!code)
        code = corpus_text_spill_object(store, corpus->row.object, corpus->spill,
                                        &corpus->text);
    if (code)
        corpus_text_fini(corpus);
    return code ? err_finish(info, code) : ERR_OK;
}

void corpus_text_fini(struct corpus_text *corpus)
{
    if (corpus->spill)
        spill_close(corpus->spill);
    corpus->spill = NULL;
    corpus->text = span_of(NULL, 0);
}
