/* SPDX-License-Identifier: MIT */
/* The toy trainer behind trainer_run. */
#include "tests/unit/server/toy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/spawn.h"
#include "server/trainer.h"

char toy_byte(size_t i)
{
    return (char)(i * 2654435761u >> 13);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static enum err put(const struct writer *artefact, struct span bytes)
{
    return artefact->write(artefact->context, bytes.bytes, bytes.size);
}

static enum err echo(const struct train_input *input, const struct writer *artefact)
{
    enum err code = put(artefact, input->text);
    if (!code)
        code = put(artefact, span_of_text("|"));
    if (!code)
        code = put(artefact, input->valid);
    if (!code)
        code = put(artefact, span_of_text("|"));
    for (size_t i = 0; !code && i < input->component_count; i++)
        code = put(artefact, input->components[i]);
    return code;
}

static enum err big(const struct writer *artefact)
{
    enum err code = ERR_OK;
    for (size_t at = 0; !code && at < TOY_BIG;) {
        char piece[4099];
        size_t size = TOY_BIG - at < sizeof piece ? TOY_BIG - at : sizeof piece;
        for (size_t i = 0; i < size; i++)
            piece[i] = toy_byte(at + i);
        code = put(artefact, span_of(piece, size));
        at += size;
    }
    return code;
}

/* Dies of it also where a sanitizer would rather explain. */
static void segfault(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static enum err step(const char *model, const struct train_input *input,
                     const struct progress *progress, const struct writer *artefact)
{
    uint64_t first = 0, total = strncmp(model, "long", 4) == 0 ? 1000000 : TOY_STEPS;
    char text[40];
    if (input->resume.size == sizeof first)
        memcpy(&first, input->resume.bytes, sizeof first);
    for (uint64_t i = first + 1; i <= total; i++) {
        struct progress_report report = {.fraction = (double)i / (double)total,
                                         .epoch = 1,
                                         .step = i,
                                         .steps_total = total,
                                         .tokens = i * 100,
                                         .phase = "stepping"};
        enum progress_answer answer = progress_report(progress, &report);
        progress_metric(progress, "valid_loss", i, 1.0 / (double)i);
        enum err code =
            progress_checkpoint(progress, i, span_of((const char *)&i, sizeof i));
        if (code)
            return code;
        if (answer == PROGRESS_STOP)
            return ERR_CANCELLED;
        if (i == 10 && first == 0 && strcmp(model, "fragile") == 0)
            segfault();
        nap();
    }
    snprintf(text, sizeof text, "went on from %llu", (unsigned long long)first);
    return put(artefact, span_of_text(text));
}

static enum err wait_for_stop(const struct progress *progress, bool obey)
{
    const struct progress_report report = {.phase = "waiting"};
    while (progress_report(progress, &report) != PROGRESS_STOP || !obey)
        nap();
    return ERR_CANCELLED;
}

static void send_garbage(void)
{
    static const char garbage[] = "this is not a frame, and it is long enough";
    if (send(TRAINER_SOCKET, garbage, sizeof garbage, MSG_NOSIGNAL) < 0)
        _exit(9);
    for (;;)
        pause();
}

/* Ways to fail; ERR_OK when `name` is none of them. */
static enum err fail(const char *name, struct err_info *info)
{
    if (strcmp(name, "segv") == 0)
        segfault();
    if (strcmp(name, "exit0") == 0)
        _exit(0);
    if (strcmp(name, "exit3") == 0)
        _exit(3);
    if (strcmp(name, "garbage") == 0)
        send_garbage();
    if (strcmp(name, "frozen") == 0)
        raise(SIGSTOP);
    if (strcmp(name, "bad") == 0)
        return err_set_place(info, ERR_BAD_UTF8, 12, 2, "bad byte at 12");
    if (strcmp(name, "diverge") == 0)
        return err_set(info, ERR_DIVERGED, "the loss is infinite at step 7");
    return strcmp(name, "unasked") == 0 ? ERR_CANCELLED : ERR_OK;
}

static enum err toy_train(const struct train_spec *spec, const struct train_input *input,
                          const struct progress *progress, const struct writer *artefact,
                          struct train_result *result, struct err_info *info)
{
    const char *name = spec->model;
    enum err code = fail(name, info);
    if (code)
        return code;
    if (strncmp(name, "slow", 4) == 0 || strcmp(name, "stubborn") == 0)
        return wait_for_stop(progress, name[1] == 'l');
    progress_note(progress, "a note\nof \"two\" lines");
    result->parameters = 7;
    result->vocab_size = 3;
    result->metric_count = 1;
    snprintf(result->metrics[0].name, sizeof result->metrics[0].name, "valid_perplexity");
    result->metrics[0].value = 12.5;
    if (strncmp(name, "echo", 4) == 0)
        return echo(input, artefact);
    if (strcmp(name, "big") == 0)
        return big(artefact);
    return step(name, input, progress, artefact);
}

static enum err toy_work(const struct work_order *order, const struct train_input *input,
                         const struct progress *progress, const struct writer *output,
                         struct train_result *result, struct err_info *info)
{
    return toy_train(&order->as.train, input, progress, output, result, info);
}

static enum err toy_answer(const struct work_order *order,
                           const struct train_input *input,
                           const struct progress *progress, const struct writer *output,
                           struct train_result *result, struct err_info *info)
{
    const char *model = order->as.map.model;
    (void)result;
    progress_metric(progress, "kl", 1, 2.5);
    if (strncmp(model, "slow", 4) == 0 || strcmp(model, "stubborn") == 0)
        return wait_for_stop(progress, model[1] == 'l');
    enum err code = fail(model, info);
    return code ? code : echo(input, output);
}

/* Before any suite: this program may have been started as a trainer. */
__attribute__((constructor)) static void be_a_trainer(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--trainer") == 0) {
        struct work toys[] = {works[0], works[1], {0}};
        toys[0].run = toy_work;
        toys[1].run = toy_answer;
        _exit(trainer_run(TRAINER_SOCKET, toys));
    }
}
