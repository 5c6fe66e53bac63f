/* SPDX-License-Identifier: MIT */
/* `firthd import` and `firthd export`: model files into a store and out of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "api/cli_int.h"
#include "api/fields.h"
#include "api/model_transfer.h"
#include "api/print_train.h"

static bool read_format(const struct cli *cli, enum model_format *format)
{
    *format = MODEL_FORMAT_CHECKPOINT;
    return !cli->arguments.format || model_transfer_format(cli->arguments.format, format);
}

/* ---- import ---- */

static enum cli_status read_transfer(const struct cli *cli,
                                     struct model_transfer *transfer)
{
    const char *unit = cli->arguments.unit;
    *transfer = (struct model_transfer){
        .name = cli->arguments.model,
        .replace = cli->arguments.replace,
        .tokenizer = {.unit = UNIT_WHITESPACE,
                      .lowercase = cli->arguments.lowercase,
                      .min_count = 1},
    };
    if (!transfer->name || !fields_is_name(transfer->name, strlen(transfer->name)))
        return cli_misuse(cli, "name the new model: --model NAME, 1 to 64 of a-z, 0-9, "
                               "'.', '_', '-'");
    if (!read_format(cli, &transfer->format))
        return cli_misuse(cli, "--format is " MODEL_TRANSFER_FORMATS);
    for (size_t i = 0; unit && i <= UNIT_BPE; i++) {
        if (i == UNIT_BPE)
            return cli_misuse(cli, "--unit is word, whitespace or char");
        transfer->tokenizer.unit = (enum text_unit)i;
        if (strcmp(unit, text_unit_names[i]) == 0)
            break;
    }
    return CLI_DONE;
}

static enum err put_row(const struct cli *cli, const struct model_row *row)
{
    struct cli_output output;
    cli_output_init(&output);
    if (cli->arguments.json)
        print_model(&output.printer, row, MODEL_UNLOADED);
    else
        buffer_printf(&output.line, "%s\t%s\t%" PRIu64 "\t%s", row->name, row->kind,
                      row->bytes, row->digest);
    (void)cli_output_end(&output);
    return cli_output_fini(&output);
}

enum cli_status cli_import(struct cli *cli)
{
    const char *path = cli->arguments.rest.count ? cli->arguments.rest.items[0] : "-";
    struct model_transfer transfer;
    struct err_info info = {0};
    struct store *store = NULL;
    struct model_row row = {0};
    bool replaced = false;
    enum cli_status status = read_transfer(cli, &transfer);
    if (status)
        return status;
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)err_set(&info, ERR_IO, "Cannot read %.200s: %s.", path, strerror(errno));
        return cli_fail(cli, ERR_IO, &info);
    }
    struct reader reader = reader_from_fd(&fd);
    enum err code = cli_store_open(cli, true, &store, &info);
    if (!code)
        code = model_transfer_in(store, &transfer, &reader, &row, &replaced, &info);
    if (!code)
        code = put_row(cli, &row);
    model_row_fini(&row);
    if (store)
        store_close(store);
    if (fd != STDIN_FILENO)
        close(fd);
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}

/* ---- export ---- */

static enum err write_model(const struct cli_model *model, enum model_format format,
                            int fd, struct err_info *info)
{
    struct writer to = writer_to_fd(&fd);
    if (format == MODEL_FORMAT_CHECKPOINT)
        return to.write(to.context, model->model->bytes, model->model->size);
    return model_transfer_out(model->model, format, &to, info);
}

enum cli_status cli_export(struct cli *cli)
{
    const char *path = cli->arguments.rest.count ? cli->arguments.rest.items[0] : "-";
    enum model_format format;
    struct err_info info = {0};
    struct cli_model model;
    if (!read_format(cli, &format))
        return cli_misuse(cli, "--format is " MODEL_TRANSFER_FORMATS);
    enum cli_status status = cli_model_open(cli, &model);
    if (status)
        return status;
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDOUT_FILENO
                      : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    enum err code = ERR_OK;
    if (fd < 0)
        code = err_set(&info, ERR_IO, "Cannot write %.200s: %s.", path, strerror(errno));
    if (!code)
        code = write_model(&model, format, fd, &info);
    if (!standard && fd >= 0 && close(fd) != 0 && !code)
        code = err_set(&info, err_from_errno(errno), "Cannot write %.200s.", path);
    if (code && !standard && fd >= 0)
        (void)unlink(path);
    cli_model_close(&model);
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}
