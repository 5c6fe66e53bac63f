/* SPDX-License-Identifier: MIT */
/* `firthd neighbors` and `firthd analogy`: questions to word vectors line by line, and
 * the two ways of `evaluate` to measure them. An unknown word does not end a pipeline:
 * its line is empty and standard error says why. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli_lines.h"
#include "api/print_vectors.h"
#include "api/vector_routes.h"
#include "base/memory.h"

enum { WORDS_MAX = 3 };

/* The place of `name` among the choices, of the first when it is NULL; -1: none. */
static int choice_of(const char *name, const char *const *choices)
{
    return name ? fields_find_choice(choices, name) : 0;
}

static enum cli_status misuse_choice(const struct cli *cli, const char *name,
                                     const char *const *choices)
{
    char list[80];
    fields_list_choices(choices, list, sizeof list);
    return cli_misuse(cli, "there is no '%.40s'; choose one of: %s", name, list);
}

/* ---- what both commands share ---- */

struct question {
    int choice; /* a metric or a method */
    struct neighbour *results;
    size_t k;
};

static enum err make_room(struct question *question, const struct cli_asking *asking)
{
    size_t k = (size_t)asking->cli->arguments.k, rows = asking->space.vectors->count;
    if (question->results)
        return ERR_OK;
    question->k = k < rows ? k : rows;
    question->results = memory_new_array(question->k, sizeof *question->results);
    return question->results ? ERR_OK : ERR_NO_MEMORY;
}

/* Looks the words up; false, and standard error says so, when one is unknown. */
static bool find_all(struct cli_asking *asking, struct span *words, size_t count,
                     uint64_t number, struct buffer *problem)
{
    bool known = true;
    uint32_t row;
    for (size_t i = 0; i < count; i++) {
        if (vector_space_find(&asking->space, &words[i], &row))
            continue;
        if (!known)
            (void)buffer_append_text(problem, "; ");
        known = false;
        vector_space_tell(&asking->space, words[i], problem);
    }
    if (!known && !asking->cli->arguments.quiet)
        fprintf(stderr, "firthd %s: line %" PRIu64 ": %s\n", asking->cli->command->name,
                number, problem->bytes ? problem->bytes : "");
    return known;
}

static void put_columns(struct cli_asking *asking, const struct neighbour *results,
                        size_t found)
{
    struct buffer *out = &asking->output.line;
    for (size_t i = 0; i < found; i++) {
        if (i > 0)
            buffer_append_char(out, '\t');
        cli_put_column(out, vectors_word(asking->space.vectors, results[i].row));
        buffer_printf(out, "\t%.6g", (double)results[i].score);
    }
}

/* The line of what was found near `word`, or for an analogy (NULL). */
static enum err put_answers(struct cli_asking *asking, uint64_t number,
                            const struct span *word, size_t found)
{
    const struct question *own = asking->own;
    const struct vectors *vectors = asking->space.vectors;
    struct printer *p = &asking->output.printer;
    if (!asking->cli->arguments.json) {
        put_columns(asking, own->results, found);
        return cli_output_end(&asking->output);
    }
    printer_open(p, '{');
    printer_key_integer(p, "id", (int64_t)number);
    if (word) {
        printer_key(p, "query");
        printer_span(p, *word);
        print_neighbors(p, vectors, (enum metric)own->choice, own->results, found);
    } else {
        print_analogy_answers(p, vectors, own->results, found);
    }
    printer_close(p, '}');
    return cli_output_end(&asking->output);
}

/* The line of an unknown word. */
static enum err put_unknown(struct cli_asking *asking, uint64_t number,
                            const struct buffer *problem)
{
    if (asking->cli->arguments.json) {
        struct printer *p = &asking->output.printer;
        printer_open(p, '{');
        printer_key_integer(p, "id", (int64_t)number);
        printer_key_text(p, "code", err_word(ERR_UNKNOWN_WORDS));
        printer_key_text(p, "detail", problem->bytes);
        printer_close(p, '}');
    }
    return cli_output_end(&asking->output);
}

static enum cli_status run(struct cli *cli, const char *chosen,
                           const char *const *choices, cli_line *each)
{
    struct question question = {.choice = choice_of(chosen, choices)};
    if (question.choice < 0)
        return misuse_choice(cli, chosen, choices);
    if (cli->arguments.k < 1)
        return cli_misuse(cli, "--k is at least 1");
    enum cli_status status = cli_lines(cli, NULL, each, &question);
    free(question.results);
    return status;
}

/* ---- neighbors ---- */

static enum err nearest(struct cli_asking *asking, struct span word, size_t *found)
{
    struct question *own = asking->own;
    const struct vectors *vectors = asking->space.vectors;
    uint32_t row = vectors_row_of(vectors, word);
    float *vector = memory_new_aligned(vectors->stride, sizeof *vector);
    struct search_question question = {
        .positives = 1, .exclude = &row, .exclude_count = row != VECTORS_NO_ROW};
    struct search search = {
        .vectors = vector,
        .vector_count = 1,
        .questions = &question,
        .question_count = 1,
        .metric = (enum metric)own->choice,
        .k = own->k,
        .rows = (uint32_t)asking->cli->arguments.restrict_vocab,
    };
    *found = 0;
    if (!vector)
        return ERR_NO_MEMORY;
    enum err code = ERR_OK;
    if (vectors_of_word(vectors, word, vector))
        code = search_exact(vectors, &search, own->results, found);
    free(vector);
    return code;
}

static enum err on_word(struct cli_asking *asking, struct span line, uint64_t number,
                        struct err_info *info)
{
    struct question *own = asking->own;
    struct buffer problem;
    size_t found;
    enum err code = make_room(own, asking);
    buffer_init(&problem, 1 << 12);
    if (!code && !find_all(asking, &line, 1, number, &problem)) {
        code = put_unknown(asking, number, &problem);
    } else if (!code) {
        code = nearest(asking, line, &found);
        if (!code)
            code = put_answers(asking, number, &line, found);
    }
    buffer_fini(&problem);
    return code ? err_finish(info, code) : ERR_OK;
}

enum cli_status cli_neighbors(struct cli *cli)
{
    return run(cli, cli->arguments.metric, metric_names, on_word);
}

/* ---- analogy ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The words of a line; their number, which may exceed those kept. */
static size_t split(struct span line, struct span words[WORDS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < line.size;) {
        size_t start = i;
        while (i < line.size && !is_blank(line.bytes[i]))
            i++;
        if (i > start && count++ < WORDS_MAX)
            words[count - 1] = span_of(line.bytes + start, i - start);
        i += i < line.size;
    }
    return count;
}

static enum err on_triple(struct cli_asking *asking, struct span line, uint64_t number,
                          struct err_info *info)
{
    struct question *own = asking->own;
    struct span words[WORDS_MAX], like[2];
    struct buffer problem;
    size_t found = 0;
    if (split(line, words) != WORDS_MAX)
        return err_set(info, ERR_SYNTAX,
                       "Line %" PRIu64 " is not three words a, b and c.", number);
    enum err code = make_room(own, asking);
    buffer_init(&problem, 1 << 12);
    if (!code && !find_all(asking, words, WORDS_MAX, number, &problem)) {
        code = put_unknown(asking, number, &problem);
    } else if (!code) {
        like[0] = words[1];
        like[1] = words[2];
        struct analogy analogy = {like, words, 2, 1};
        struct analogy_options options = {
            .method = (enum analogy_method)own->choice,
            .k = own->k,
            .exclude_inputs = true,
            .rows = (uint32_t)asking->cli->arguments.restrict_vocab,
        };
        code = queries_analogy(asking->space.vectors, &analogy, 1, &options, own->results,
                               &found, info);
        if (!code)
            code = put_answers(asking, number, NULL, found);
    }
    buffer_fini(&problem);
    return code ? err_finish(info, code) : ERR_OK;
}

enum cli_status cli_analogy(struct cli *cli)
{
    return run(cli, cli->arguments.method, analogy_method_names, on_triple);
}

/* ---- evaluate ---- */

static void put_section(struct cli_output *output, const struct measures_section *section,
                        const char *name)
{
    cli_put_column(&output->line, span_of_text(name));
    buffer_printf(&output->line, "\t%zu\t%zu\t%zu", section->asked, section->right,
                  section->skipped);
    (void)cli_output_end(output);
}

static void put_analogies(struct cli_output *output,
                          const struct measures_analogies *result)
{
    for (size_t i = 0; i < result->section_count; i++)
        put_section(output, &result->sections[i], result->sections[i].name);
    put_section(output, &result->semantic, "semantic");
    put_section(output, &result->syntactic, "syntactic");
    put_section(output, &result->total, "total");
}

static enum err measure(const struct cli *cli, const struct vectors *vectors,
                        const struct measures_options *options, struct span text,
                        struct cli_output *output, struct err_info *info)
{
    struct printer *p = &output->printer;
    struct measures_pairs pairs;
    enum err code = ERR_OK;
    if (cli->arguments.json)
        printer_open(p, '{');
    if (cli->arguments.analogies) {
        struct measures_analogies *result = calloc(1, sizeof *result);
        code = result ? measures_analogies(vectors, text, options, NULL, result, info)
                      : ERR_NO_MEMORY;
        if (!code && cli->arguments.json)
            print_measured_analogies(p, result);
        else if (!code)
            put_analogies(output, result);
        free(result);
    } else {
        code = measures_pairs(vectors, text, options, &pairs, info);
        if (!code && cli->arguments.json)
            print_measured_pairs(p, &pairs);
        else if (!code)
            buffer_printf(&output->line,
                          "spearman\t%.6f\npearson\t%.6f\npairs\t%zu\nskipped\t%zu\n",
                          pairs.spearman, pairs.pearson, pairs.pairs, pairs.skipped);
    }
    if (code) {
        buffer_clear(&output->line);
    } else if (cli->arguments.json) {
        printer_close(p, '}');
        (void)cli_output_end(output);
    }
    return code;
}

enum err cli_measure(const struct cli *cli, const struct model *model,
                     struct err_info *info)
{
    const struct cli_arguments *arguments = &cli->arguments;
    const char *path =
        arguments->analogies ? arguments->analogies : arguments->word_pairs;
    int method = choice_of(arguments->method, analogy_method_names);
    struct vector_space space;
    struct spill *spill = NULL;
    struct span text = {0};
    struct cli_output output;
    if (method < 0)
        return err_set(info, ERR_INVALID, "--method is 3cosadd or 3cosmul.");
    enum err code = vector_space_of(model, &space, info);
    if (!code)
        code = cli_read_input(path, arguments->scratch, &spill, &text, info);
    if (!code) {
        struct measures_options options = {
            .method = (enum analogy_method)method,
            .rows = (uint32_t)arguments->restrict_vocab,
            .lowercase = space.lowercase || arguments->lowercase,
            .threads = (unsigned)arguments->threads,
        };
        cli_output_init(&output);
        code = measure(cli, space.vectors, &options, text, &output, info);
        enum err written = cli_output_fini(&output);
        code = code ? code : written;
    }
    if (spill)
        spill_close(spill);
    return code;
}
