/* SPDX-License-Identifier: MIT */
/* Writing the fast form: one section a level, records as in fast.h, in portions. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/ngram/fast.h"

enum { RECORDS_AT_ONCE = 1 << 13 };

static struct gram gram_of(const struct level *level, size_t index, uint32_t end)
{
    if (index == level->count)
        return (struct gram){.begin = end};
    return (struct gram){.word = level->word[index],
                         .prob = level->prob[index],
                         .backoff = level->backoff ? level->backoff[index] : 1,
                         .begin = level->begin ? level->begin[index] : 0,
                         .suffix = level->suffix ? level->suffix[index] : 0};
}

static enum err write_grams(struct artefact_writer *writer, const struct level *level)
{
    struct gram *grams = memory_new_array(RECORDS_AT_ONCE, sizeof *grams);
    uint32_t end = level->begin ? level->begin[level->count] : 0;
    enum err code = grams ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i <= level->count;) {
        size_t filled = 0;
        while (filled < RECORDS_AT_ONCE && i <= level->count)
            grams[filled++] = gram_of(level, i++, end);
        code = artefact_append(writer, grams, filled * sizeof *grams);
    }
    free(grams);
    return code;
}

static enum err write_last(struct artefact_writer *writer, const struct level *level)
{
    struct last_gram *grams = memory_new_array(RECORDS_AT_ONCE, sizeof *grams);
    enum err code = grams ? ERR_OK : ERR_NO_MEMORY;
    for (size_t i = 0; !code && i < level->count;) {
        size_t filled = 0;
        for (; filled < RECORDS_AT_ONCE && i < level->count; i++)
            grams[filled++] =
                (struct last_gram){level->word[i], level->prob[i], level->suffix[i]};
        code = artefact_append(writer, grams, filled * sizeof *grams);
    }
    free(grams);
    return code;
}

enum err fast_write(struct artefact_writer *writer, const struct levels *levels)
{
    enum err code = ERR_OK;
    for (unsigned k = 1; !code && k <= levels->order; k++) {
        char name[ARTEFACT_NAME_SIZE];
        snprintf(name, sizeof name, "ngram.fast.%u", k);
        code = levels_report(levels, "writing", 1, 1, 1);
        if (!code)
            code = artefact_open_section(writer, name, ARTEFACT_U32);
        if (!code)
            code = k == levels->order && k > 1 ? write_last(writer, &levels->at[k])
                                               : write_grams(writer, &levels->at[k]);
        if (!code)
            code = artefact_close_section(writer);
    }
    return code;
}
