/* SPDX-License-Identifier: MIT */
/* From the numbers a trainer returns to the text forms the store keeps. */
#include "server/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

enum { TEXT_MAX = 64 << 10 };

char *outcome_result_text(const struct train_result *result)
{
    struct buffer text;
    size_t size;
    buffer_init(&text, TEXT_MAX);
    buffer_printf(&text, "parameters %llu\nvocab_size %u\n",
                  (unsigned long long)result->parameters, result->vocab_size);
    for (size_t i = 0; i < result->metric_count; i++)
        buffer_printf(&text, "%s %.17g\n", result->metrics[i].name,
                      result->metrics[i].value);
    return buffer_release(&text, &size);
}

char *outcome_sources_text(const struct feed *feed)
{
    struct buffer text;
    size_t size;
    buffer_init(&text, TEXT_MAX);
    buffer_printf(&text, "model_digest %s\n", feed->model_digest);
    if (*feed->corpus_sha256)
        buffer_printf(&text, "corpus_sha256 %s\n", feed->corpus_sha256);
    return buffer_release(&text, &size);
}

static char *metrics_text(const struct train_result *result)
{
    struct buffer text;
    size_t size;
    buffer_init(&text, TEXT_MAX);
    for (size_t i = 0; i < result->metric_count; i++)
        buffer_printf(&text, "%s %.17g\n", result->metrics[i].name,
                      result->metrics[i].value);
    return buffer_release(&text, &size);
}

static char *spec_text(const struct train_spec *spec)
{
    struct buffer text;
    size_t size;
    buffer_init(&text, TEXT_MAX);
    if (train_spec_write(spec, &text)) {
        buffer_fini(&text);
        return NULL;
    }
    return buffer_release(&text, &size);
}

enum err outcome_model_row(const struct train_spec *spec,
                           const struct train_result *result, const char *job,
                           const char *metadata, struct model_row *row)
{
    *row = (struct model_row){.parameters = result->parameters,
                              .vocab_size = result->vocab_size};
    snprintf(row->name, sizeof row->name, "%s", spec->model);
    snprintf(row->kind, sizeof row->kind, "%s", spec->kind->name);
    snprintf(row->job, sizeof row->job, "%s", job ? job : "");
    row->spec = spec_text(spec);
    row->metrics = metrics_text(result);
    row->metadata = strdup(metadata ? metadata : "{}");
    return row->spec && row->metrics && row->metadata ? ERR_OK : ERR_NO_MEMORY;
}
