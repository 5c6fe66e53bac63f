/* SPDX-License-Identifier: MIT */
/* The training specification and the training result as text: "key value" lines.
 *
 * One line a fact, the key up to the first space and the value up to the line's end.
 * Parameters the user gave are "params.NAME", those left to the default
 * "defaults.NAME": both are written, so that a model keeps saying how it was made when a
 * later version has other defaults. Reading refuses what it does not know. */
#include "model/train.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "model/spec_text.h"

void train_spec_init(struct train_spec *spec, const struct kind *kind)
{
    memset(spec, 0, sizeof *spec);
    spec->valid_fraction = 0.05;
    spec->kind = kind;
    params_init(&spec->params, kind);
    spec->tokenizer = kind->tokenizer;
    spec->seed = 1;
    spec->checkpoint_every_s = 60;
}

void train_spec_settle(struct train_spec *spec)
{
    if (spec->kind->settle)
        spec->kind->settle(&spec->params);
}

enum err train_spec_check(const struct train_spec *spec, struct err_info *info)
{
    enum err code = tokenizer_check(&spec->tokenizer, info);
    return !code && spec->kind->check ? spec->kind->check(&spec->params, info) : code;
}

enum err train_spec_write(const struct train_spec *spec, struct buffer *text)
{
    const struct tokenizer_settings *tokenizer = &spec->tokenizer;
    (void)buffer_printf(text, "kind %s\nmodel %s\ncorpus %s\nvalid_corpus %s\n",
                        spec->kind->name, spec->model, spec->corpus, spec->valid_corpus);
    (void)buffer_printf(text, "valid_fraction %.17g\nseed %" PRIu64 "\nthreads %u\n",
                        spec->valid_fraction, spec->seed, spec->threads);
    (void)buffer_printf(text, "tokenizer.unit %s\ntokenizer.segment %s\n",
                        text_unit_names[tokenizer->unit],
                        text_segment_names[tokenizer->segment]);
    (void)buffer_printf(text,
                        "tokenizer.lowercase %s\ntokenizer.min_count %" PRIu32
                        "\ntokenizer.max_vocab %" PRIu32 "\n",
                        tokenizer->lowercase ? "true" : "false", tokenizer->min_count,
                        tokenizer->max_vocab);
    (void)buffer_printf(text,
                        "budget.epochs %.17g\nbudget.tokens %.17g\n"
                        "budget.seconds %.17g\npatience %u\ncheckpoint_every_s %.17g\n",
                        spec->budget.epochs, spec->budget.tokens, spec->budget.seconds,
                        spec->patience, spec->checkpoint_every_s);
    (void)buffer_printf(text, "memory_bytes %" PRIu64 "\nreplace %s\nresume_from %s\n",
                        spec->memory_bytes, spec->replace ? "true" : "false",
                        spec->resume_from);
    for (size_t i = 0; spec->kind->params[i].name; i++) {
        const struct param *param = &spec->kind->params[i];
        (void)buffer_printf(text, "%s.%s ",
                            spec->params.values[i].given ? "params" : "defaults",
                            param->name);
        (void)params_format(&spec->params, param, text);
        (void)buffer_append_char(text, '\n');
    }
    return text->failed;
}

/* ---- reading lines ---- */

static bool read_tokenizer(struct tokenizer_settings *settings, const char *key,
                           const char *value)
{
    unsigned index = 0;
    if (strcmp(key, "unit") == 0) {
        if (!spec_text_word(value, text_unit_names, UNIT_COUNT, &index))
            return false;
        settings->unit = (enum text_unit)index;
        return true;
    }
    if (strcmp(key, "segment") == 0) {
        if (!spec_text_word(value, text_segment_names, SEGMENT_COUNT, &index))
            return false;
        settings->segment = (enum text_segment)index;
        return true;
    }
    if (strcmp(key, "lowercase") == 0)
        return spec_text_boolean(value, &settings->lowercase);
    if (strcmp(key, "min_count") == 0)
        return spec_text_u32(value, &settings->min_count);
    return strcmp(key, "max_vocab") == 0 && spec_text_u32(value, &settings->max_vocab);
}

static bool read_budget(struct train_spec *spec, const char *key, const char *value)
{
    if (strcmp(key, "epochs") == 0)
        return spec_text_amount(value, &spec->budget.epochs);
    if (strcmp(key, "tokens") == 0)
        return spec_text_amount(value, &spec->budget.tokens);
    return strcmp(key, "seconds") == 0 && spec_text_amount(value, &spec->budget.seconds);
}

static bool read_plain(struct train_spec *spec, const char *key, const char *value)
{
    if (strcmp(key, "model") == 0)
        return spec_text_name(value, spec->model, sizeof spec->model);
    if (strcmp(key, "corpus") == 0)
        return spec_text_name(value, spec->corpus, sizeof spec->corpus);
    if (strcmp(key, "valid_corpus") == 0)
        return spec_text_name(value, spec->valid_corpus, sizeof spec->valid_corpus);
    if (strcmp(key, "resume_from") == 0)
        return spec_text_name(value, spec->resume_from, sizeof spec->resume_from);
    if (strcmp(key, "valid_fraction") == 0)
        return spec_text_amount(value, &spec->valid_fraction) && spec->valid_fraction < 1;
    if (strcmp(key, "seed") == 0)
        return spec_text_u64(value, &spec->seed);
    if (strcmp(key, "threads") == 0)
        return spec_text_u32(value, &spec->threads);
    if (strcmp(key, "patience") == 0)
        return spec_text_u32(value, &spec->patience);
    if (strcmp(key, "checkpoint_every_s") == 0)
        return spec_text_amount(value, &spec->checkpoint_every_s);
    if (strcmp(key, "memory_bytes") == 0)
        return spec_text_u64(value, &spec->memory_bytes);
    return strcmp(key, "replace") == 0 && spec_text_boolean(value, &spec->replace);
}

static enum err read_param(struct train_spec *spec, const struct spec_line *line,
                           bool given, struct err_info *info)
{
    const char *name = strchr(line->key, '.') + 1;
    enum err code = params_parse(&spec->params, name, line->value, info);
    for (size_t i = 0; !code && spec->kind->params[i].name; i++)
        if (strcmp(spec->kind->params[i].name, name) == 0)
            spec->params.values[i].given = given;
    return code;
}

static enum err read_line(struct train_spec *spec, const struct spec_line *line,
                          struct err_info *info)
{
    const char *key = line->key;
    bool good;
    if (strncmp(key, "params.", 7) == 0 || strncmp(key, "defaults.", 9) == 0)
        return read_param(spec, line, key[0] == 'p', info);
    if (strncmp(key, "tokenizer.", 10) == 0)
        good = read_tokenizer(&spec->tokenizer, key + 10, line->value);
    else if (strncmp(key, "budget.", 7) == 0)
        good = read_budget(spec, key + 7, line->value);
    else
        good = read_plain(spec, key, line->value);
    return good ? ERR_OK
                : err_set(
                      info, ERR_INVALID,
                      "The training specification has an unusable line \"%.60s %.60s\"",
                      line->key, line->value);
}

enum err train_spec_read(struct train_spec *spec, struct span text, struct err_info *info)
{
    struct spec_line line;
    memset(spec, 0, sizeof *spec);
    const struct kind *kind = NULL;
    if (spec_text_next(&text, &line) && strcmp(line.key, "kind") == 0)
        kind = kind_find(line.value);
    if (!kind)
        return err_set(info, ERR_INVALID,
                       "The training specification does not begin with a known kind");
    train_spec_init(spec, kind);
    while (spec_text_next(&text, &line)) {
        enum err code = read_line(spec, &line, info);
        if (code)
            return code;
    }
    return ERR_OK;
}

/* ---- the result ---- */

void train_result_metric(struct train_result *result, const char *name, double value)
{
    size_t i = 0;
    while (i < result->metric_count && strcmp(result->metrics[i].name, name) != 0)
        i++;
    if (i == TRAIN_METRICS_MAX)
        return;
    if (i == result->metric_count)
        result->metric_count++;
    snprintf(result->metrics[i].name, sizeof result->metrics[i].name, "%s", name);
    result->metrics[i].value = value;
}

void train_result_note(struct train_result *result, const char *format, ...)
{
    size_t used = strlen(result->notes), room = sizeof result->notes - used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(result->notes + used, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length + 1 >= room) {
        result->notes[used] = 0; /* a note that does not fit whole is left out */
        return;
    }
    result->notes[used + (size_t)length] = '\n';
    result->notes[used + (size_t)length + 1] = 0;
}

enum err train_result_write(const struct train_result *result, struct buffer *text)
{
    (void)buffer_printf(text, "parameters %" PRIu64 "\nvocab_size %" PRIu32 "\n",
                        result->parameters, result->vocab_size);
    for (size_t i = 0; i < result->metric_count; i++)
        (void)buffer_printf(text, "metric %s %.17g\n", result->metrics[i].name,
                            result->metrics[i].value);
    for (const char *note = result->notes; *note;) {
        size_t length = strcspn(note, "\n");
        (void)buffer_printf(text, "note %.*s\n", (int)length, note);
        note += length + (note[length] == '\n');
    }
    return text->failed;
}

static bool read_metric(struct train_result *result, char *value)
{
    char *space = strchr(value, ' ');
    double number;
    if (!space || result->metric_count == TRAIN_METRICS_MAX)
        return false;
    *space = 0;
    if (strlen(value) >= sizeof result->metrics[0].name ||
        !spec_text_double(space + 1, &number))
        return false;
    train_result_metric(result, value, number);
    return true;
}

enum err train_result_read(struct train_result *result, struct span text,
                           struct err_info *info)
{
    struct spec_line line;
    memset(result, 0, sizeof *result);
    while (spec_text_next(&text, &line)) {
        bool good = true;
        if (strcmp(line.key, "parameters") == 0)
            good = spec_text_u64(line.value, &result->parameters);
        else if (strcmp(line.key, "vocab_size") == 0)
            good = spec_text_u32(line.value, &result->vocab_size);
        else if (strcmp(line.key, "metric") == 0)
            good = read_metric(result, line.value);
        else if (strcmp(line.key, "note") == 0)
            train_result_note(result, "%s", line.value);
        else
            good = false;
        if (!good)
            return err_set(info, ERR_INVALID,
                           "The training result has an unusable line \"%.60s %.60s\"",
                           line.key, line.value);
    }
    return ERR_OK;
}
