/* SPDX-License-Identifier: MIT */
/* Running a training: the checks that every kind shares, the split into a training and a
 * validation part, and the kind's trainer.
 *
 * A text is checked whole before anything is learned from it, so that a bad byte near its
 * end costs a second and not an hour, and so that everything below may take valid UTF-8
 * for granted. The validation part is cut off the end, not drawn at random: neighbouring
 * segments resemble each other, and a random split would flatter the model. */
#include "model/train.h"

#include <inttypes.h>
#include <string.h>

#include "base/parallel.h"
#include "base/utf8.h"
#include "model/lm/evaluate.h"

unsigned train_threads(const struct train_spec *spec)
{
    unsigned threads = spec->threads ? spec->threads : parallel_cores();
    return threads > PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX : threads;
}

static bool blank(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!strchr(" \t\r\n\v\f", text.bytes[i]) || text.bytes[i] == 0)
            return false;
    return true;
}

/* ---- the split ---- */

/* The end of the line that holds byte `from`, behind its line feed. */
static size_t line_end(struct span text, size_t from)
{
    const char *end =
        from < text.size ? memchr(text.bytes + from, '\n', text.size - from) : NULL;
    return end ? (size_t)(end - text.bytes) + 1 : text.size;
}

/* The first boundary at or behind `from`: a line's end, or for documents the end of a
 * blank line. */
static size_t boundary_after(struct span text, size_t from, bool documents)
{
    size_t end = line_end(text, from);
    while (documents && end < text.size) {
        size_t next = line_end(text, end);
        if (blank(span_of(text.bytes + end, next - end)))
            return next;
        end = next;
    }
    return end;
}

/* The last boundary before `until`, or 0. */
static size_t boundary_before(struct span text, size_t until, bool documents)
{
    for (size_t end = until; end > 0; end--) {
        if (text.bytes[end - 1] != '\n')
            continue;
        size_t begin = end - 1;
        while (begin > 0 && text.bytes[begin - 1] != '\n')
            begin--;
        if (!documents || blank(span_of(text.bytes + begin, end - begin)))
            return end;
    }
    return 0;
}

void train_split_valid(const struct tokenizer_settings *settings, struct span text,
                       double fraction, struct span *train, struct span *valid)
{
    bool documents = settings->segment == SEGMENT_DOCUMENT;
    *train = text;
    *valid = (struct span){0};
    if (!(fraction > 0) || text.size == 0)
        return;
    double kept = (double)text.size * (1 - (fraction < 1 ? fraction : 1));
    size_t wanted = kept > 0 ? (size_t)kept : 0;
    size_t cut = boundary_after(text, wanted > 0 ? wanted - 1 : 0, documents);
    if (blank(span_of(text.bytes + cut, text.size - cut))) {
        size_t end = text.size;
        while (end > 0 && blank(span_of(text.bytes + end - 1, 1)))
            end--;
        cut = boundary_before(text, end, documents);
    }
    if (blank(span_of(text.bytes, cut)))
        return; /* one segment: nothing can be spared */
    *train = span_of(text.bytes, cut);
    *valid = span_of(text.bytes + cut, text.size - cut);
}

/* ---- the run ---- */

static enum err check_text(struct span text, const char *what, struct err_info *info)
{
    size_t bad = utf8_check(text);
    if (bad < text.size)
        return err_set_place(info, ERR_BAD_UTF8, bad,
                             utf8_line_ends(span_of(text.bytes, bad)) + 1,
                             "The %s is not valid UTF-8 at byte %zu", what, bad);
    return ERR_OK;
}

static enum err check_input(const struct train_input *input, struct err_info *info)
{
    enum err code = check_text(input->text, "corpus", info);
    if (!code)
        code = check_text(input->valid, "validation corpus", info);
    if (!code && blank(input->text))
        code = err_set(info, ERR_EMPTY_CORPUS, "The corpus holds no text to learn from");
    return code;
}

static void split(const struct train_spec *spec, const struct progress *progress,
                  struct train_input *input, struct train_result *result)
{
    static const char note[] = "No validation part: the corpus is a single segment";
    if (input->valid.size > 0 || spec->valid_corpus[0] || !(spec->valid_fraction > 0))
        return;
    train_split_valid(&spec->tokenizer, input->text, spec->valid_fraction, &input->text,
                      &input->valid);
    if (input->valid.size > 0)
        return;
    train_result_note(result, "%s", note);
    progress_note(progress, note);
}

enum err train_run(const struct train_spec *spec, const struct train_input *input,
                   const struct progress *progress, const struct writer *artefact,
                   struct train_result *result, struct err_info *info)
{
    memset(result, 0, sizeof *result);
    struct train_input parts = *input;
    enum err code = check_input(input, info);
    if (!code)
        code = train_spec_check(spec, info);
    if (code)
        return code;
    split(spec, progress, &parts, result);
    code = spec->kind->train(spec, &parts, progress, artefact, result, info);
    return err_finish(info, code);
}

/* Evaluation is the last tenth of a job: its own fractions are fitted in there. */
static enum progress_answer report_last_tenth(void *context,
                                              const struct progress_report *report)
{
    struct progress_report shifted = *report;
    shifted.fraction = 0.9 + 0.1 * report->fraction;
    return progress_report(context, &shifted);
}

enum err train_evaluate(const struct lm *lm, const struct tokenizer *tokenizer,
                        const struct vocab *vocab, struct span valid, unsigned threads,
                        const struct progress *progress, struct train_result *result)
{
    struct evaluation evaluation;
    struct progress last = {.report = report_last_tenth};
    memcpy(&last.context, &progress, sizeof progress); /* its hooks take it as const */
    if (valid.size == 0)
        return ERR_OK;
    enum err code = evaluate_perplexity(lm, tokenizer, vocab, valid, threads,
                                        progress ? &last : NULL, &evaluation);
    if (code || evaluation.tokens == 0)
        return code;
    train_result_metric(result, "valid_perplexity", evaluation.perplexity);
    train_result_metric(result, "valid_perplexity_no_unk", evaluation.perplexity_no_unk);
    train_result_metric(result, "valid_tokens", (double)evaluation.tokens);
    train_result_metric(result, "valid_unk", (double)evaluation.unk);
    progress_metric(progress, "valid_perplexity", 0, evaluation.perplexity);
    return ERR_OK;
}
