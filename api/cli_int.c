/* SPDX-License-Identifier: MIT */
/* Helpers of the commands. Results go to standard output through one buffer that is
 * written in large pieces; everything for people (progress, totals, errors) goes to
 * standard error, so that a pipeline sees results and nothing else. */
#include "api/cli_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

enum { FLUSH_AT = 65536, OUTPUT_MAX = 256 << 20, BAR_WIDTH = 30, PIECE = 1 << 18 };
static const double BAR_EVERY = 0.1;

/* ---- errors ---- */

enum cli_status cli_fail(const struct cli *cli, enum err code,
                         const struct err_info *info)
{
    const char *text = info && *info->message ? info->message : err_text(code);
    fprintf(stderr, "firthd %s: %s", cli->command->name, text);
    if (info && info->has_line && !strstr(text, "line ") && !strstr(text, "Line "))
        fprintf(stderr, " (line %" PRIu64 ")", info->line);
    if (info && info->has_offset && !strstr(text, "byte "))
        fprintf(stderr, " (byte %" PRIu64 ")", info->offset);
    fprintf(stderr, "\n");
    return CLI_FAILED;
}

enum cli_status cli_misuse(const struct cli *cli, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "firthd %s: ", cli->command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see firthd %s --help\n", cli->command->name);
    return CLI_USAGE;
}

/* ---- output ---- */

void cli_output_init(struct cli_output *output)
{
    buffer_init(&output->line, OUTPUT_MAX);
    printer_init(&output->printer, &output->line);
    output->failed = ERR_OK;
}

static enum err flush(struct cli_output *output)
{
    int fd = STDOUT_FILENO;
    struct writer writer = writer_to_fd(&fd);
    if (output->failed)
        return output->failed;
    output->failed = output->line.failed;
    if (!output->failed && output->line.size > 0)
        output->failed =
            writer.write(writer.context, output->line.bytes, output->line.size);
    buffer_clear(&output->line);
    return output->failed;
}

enum err cli_output_end(struct cli_output *output)
{
    buffer_append_char(&output->line, '\n');
    output->printer.comma = false;
    return output->line.size >= FLUSH_AT || output->line.failed ? flush(output)
                                                                : output->failed;
}

enum err cli_output_fini(struct cli_output *output)
{
    enum err code = flush(output);
    buffer_fini(&output->line);
    return code;
}

/* Six decimals by integer arithmetic: this is printed for every line of a corpus. */
void cli_put_number(struct buffer *out, double value)
{
    char text[32], *next = text + sizeof text;
    if (!(fabs(value) < 1e12)) {
        if (isnan(value))
            buffer_append_text(out, "nan");
        else if (isinf(value))
            buffer_append_text(out, value < 0 ? "-inf" : "inf");
        else
            buffer_printf(out, "%.6e", value);
        return;
    }
    uint64_t micros = (uint64_t)llround(fabs(value) * 1e6);
    for (int i = 0; i < 6; i++, micros /= 10)
        *--next = (char)('0' + micros % 10);
    *--next = '.';
    do {
        *--next = (char)('0' + micros % 10);
        micros /= 10;
    } while (micros > 0);
    if (value < 0)
        *--next = '-';
    buffer_append(out, next, (size_t)(text + sizeof text - next));
}

void cli_put_column(struct buffer *out, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.bytes[i];
        if (c == '\t' || c == '\n' || c == '\r' || c == '\\') {
            buffer_append_char(out, '\\');
            c = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : '\\';
        }
        buffer_append_char(out, c);
    }
}

/* ---- progress ---- */

void cli_bar_init(struct cli_bar *bar, const struct cli *cli)
{
    *bar = (struct cli_bar){.shown = !cli->arguments.quiet && isatty(STDERR_FILENO),
                            .started = clock_monotonic()};
}

void cli_bar_draw(struct cli_bar *bar, double fraction, const char *phase, uint64_t done,
                  const char *unit)
{
    char line[BAR_WIDTH + 1];
    double now = clock_monotonic();
    if (!bar->shown || now - bar->last < BAR_EVERY)
        return;
    bar->last = now;
    bar->drawn = true;
    double rate = (double)done / fmax(now - bar->started, 1e-9);
    if (!(fraction >= 0 && fraction <= 1)) {
        fprintf(stderr, "\r\033[K%s  %" PRIu64 " %s  %.3g/s", phase, done, unit, rate);
        return;
    }
    int filled = (int)(fraction * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        line[i] = i < filled ? '#' : '.';
    line[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f%%  %s", line, fraction * 100, phase);
    if (done > 0)
        fprintf(stderr, "  %.3g %s/s", rate, unit);
}

void cli_bar_clear(struct cli_bar *bar)
{
    if (bar->drawn)
        fprintf(stderr, "\r\033[K");
    bar->drawn = false;
}

/* ---- stores and models ---- */

enum err cli_store_open(const struct cli *cli, bool create, struct store **store,
                        struct err_info *info)
{
    struct store_settings settings = {.path = cli->arguments.store, .create = create};
    struct err_info why = {0};
    enum err code = store_open(&settings, store, &why);
    if (code == ERR_LOCKED)
        return err_set(info, code,
                       "%.120s is in use by another firthd. Ask that one over HTTP (curl "
                       "localhost:8080/openapi.yaml tells how), stop it first, or work "
                       "with --model-file on an exported model.",
                       cli->arguments.store);
    if (code)
        return err_set(info, code, "%s", *why.message ? why.message : err_text(code));
    return ERR_OK;
}

/* Takes over `bytes`. */
static enum err load_take(struct cli_model *model, void *bytes, size_t size,
                          struct err_info *info)
{
    return model_load_take(bytes, size, &model->model, info);
}

static enum err load_stored(const struct cli *cli, struct cli_model *model,
                            struct err_info *info)
{
    struct model_row row = {0};
    struct store_object *object = NULL;
    enum err code = cli_store_open(cli, false, &model->store, info);
    if (code)
        return code;
    code = store_model_get(model->store, cli->arguments.model, &row);
    if (code)
        return err_set(info, code, "There is no model '%.64s' in %.120s.",
                       cli->arguments.model, cli->arguments.store);
    memcpy(model->name, row.name, sizeof model->name);
    memcpy(model->digest, row.digest, sizeof model->digest);
    code = store_object_open(model->store, row.object, &object);
    model_row_fini(&row);
    if (code)
        return err_finish(info, code);
    size_t size = (size_t)store_object_size(object), at = 0;
    char *bytes = memory_new_unset(size, 1);
    code = bytes ? ERR_OK : ERR_NO_MEMORY;
    while (!code && at < size) {
        size_t got = 0;
        code = store_object_read(object, at, bytes + at, size - at, &got);
        if (!code && got == 0)
            code = ERR_INTEGRITY;
        at += got;
    }
    store_object_close(object);
    if (code) {
        free(bytes);
        return err_finish(info, code);
    }
    return load_take(model, bytes, size, info);
}

static enum err read_whole(int fd, size_t size, char *bytes)
{
    size_t got = 0;
    struct reader reader = reader_from_fd(&fd);
    enum err code = reader_fill(&reader, bytes, size, &got);
    return code ? code : got == size ? ERR_OK : ERR_IO;
}

static enum err load_file(const char *path, struct cli_model *model,
                          struct err_info *info)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        enum err code = err_set(info, ERR_IO, "Cannot read %.200s: %s.", path,
                                fd < 0 ? strerror(errno) : "it is no regular file");
        if (fd >= 0)
            close(fd);
        return code;
    }
    size_t size = (size_t)status.st_size;
    char *bytes = memory_new_unset(size, 1);
    enum err code = bytes ? read_whole(fd, size, bytes) : ERR_NO_MEMORY;
    close(fd);
    if (code) {
        free(bytes);
        return err_set(info, code, "Cannot read %.200s.", path);
    }
    const char *slash = strrchr(path, '/');
    (void)snprintf(model->name, sizeof model->name, "%.64s", slash ? slash + 1 : path);
    return load_take(model, bytes, size, info);
}

enum cli_status cli_model_open(const struct cli *cli, struct cli_model *model)
{
    struct err_info info = {0};
    memset(model, 0, sizeof *model);
    if (!cli->arguments.model == !cli->arguments.model_file)
        return cli_misuse(cli, "name the model: --model NAME or --model-file FILE");
    enum err code = cli->arguments.model_file
                        ? load_file(cli->arguments.model_file, model, &info)
                        : load_stored(cli, model, &info);
    if (!code)
        return CLI_DONE;
    cli_model_close(model);
    return cli_fail(cli, code, &info);
}

void cli_model_close(struct cli_model *model)
{
    if (model->model)
        model_release(model->model);
    if (model->store)
        store_close(model->store);
    model->model = NULL;
    model->store = NULL;
}

enum err cli_read_input(const char *path, const char *scratch, struct spill **spill,
                        struct span *text, struct err_info *info)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(info, ERR_IO, "Cannot read %.200s: %s.", path, strerror(errno));
    struct reader reader = reader_from_fd(&fd);
    char *piece = malloc(PIECE);
    size_t got = PIECE;
    enum err code = piece ? spill_open(scratch, spill) : ERR_NO_MEMORY;
    while (!code && got == PIECE) {
        code = reader_fill(&reader, piece, PIECE, &got);
        if (!code)
            code = spill_append(*spill, piece, got);
    }
    if (!code)
        code = spill_map(*spill, text);
    free(piece);
    if (fd != STDIN_FILENO)
        close(fd);
    return code ? err_set(info, code, "Cannot read the input: %s.", err_text(code))
                : ERR_OK;
}
