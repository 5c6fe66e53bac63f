/* SPDX-License-Identifier: MIT */
/* Jobs differ in what they were asked and in what they answer; here is a row for each
 * work, and nobody else asks which work a job is of. An order is the text that its work
 * reads; one that cannot be read any more (a later program's) shows nothing. */
#include "api/job_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/corpus_text.h"
#include "api/print_exam.h"
#include "api/print_infer.h"
#include "api/print_map.h"
#include "api/print_train.h"
#include "base/memory.h"
#include "server/work.h"

struct job_view {
    const char *work;
    void (*order)(struct printer *p, const struct work_order *order);
    /* Those of a work that answers; `csv` may be NULL. */
    enum err (*read)(struct job_answer *answer, struct span bytes, struct err_info *info);
    void (*print)(struct printer *p, const struct job_row *job,
                  const struct work_order *order, const struct job_answer *answer);
    void (*csv)(const struct job_answer *answer, struct buffer *text);
    void (*fini)(struct job_answer *answer);
};

/* The value of `name` in "name value" lines, cut to what fits; "" when there is none. */
static void find_value(const char *lines, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    value[0] = '\0';
    while (lines && *lines) {
        size_t line = strcspn(lines, "\n");
        if (line > length && strncmp(lines, name, length) == 0 && lines[length] == ' ') {
            size_t rest = line - length - 1;
            rest = rest < size ? rest : size - 1;
            memcpy(value, lines + length + 1, rest);
            value[rest] = '\0';
            return;
        }
        lines += line + (lines[line] == '\n');
    }
}

static void print_asked(struct printer *p, const struct job_row *job)
{
    char digest[STORE_DIGEST_SIZE];
    find_value(job->result, "model_digest", digest, sizeof digest);
    printer_key_text(p, "model", job->model);
    printer_key_text(p, "model_digest", digest);
}

static void print_times(struct printer *p, const struct job_row *job)
{
    print_timing(p, fmax(0, (double)(job->started_ms - job->created_ms) / 1000),
                 fmax(0, (double)(job->finished_ms - job->started_ms) / 1000));
}

/* ---- train ---- */

static void show_training(struct printer *p, const struct work_order *order)
{
    print_spec(p, &order->as.train, true);
}

/* ---- maps ---- */

static void show_map_order(struct printer *p, const struct work_order *order)
{
    printer_key(p, "params");
    printer_open(p, '{');
    print_map_order(p, &order->as.map);
    printer_close(p, '}');
    printer_key(p, "seed");
    printer_unsigned(p, order->as.map.settings.seed);
}

static enum err read_map(struct job_answer *answer, struct span bytes,
                         struct err_info *info)
{
    return map_file_read(bytes, &answer->as.map, info);
}

static void show_map(struct printer *p, const struct job_row *job,
                     const struct work_order *order, const struct job_answer *answer)
{
    printer_open(p, '{');
    print_asked(p, job);
    print_map_order(p, &order->as.map);
    printer_key(p, "seed");
    printer_unsigned(p, order->as.map.settings.seed);
    print_map(p, &answer->as.map);
    print_times(p, job);
    printer_close(p, '}');
}

static void map_csv(const struct job_answer *answer, struct buffer *text)
{
    print_map_csv(text, &answer->as.map);
}

static void map_fini(struct job_answer *answer)
{
    map_file_fini(&answer->as.map);
}

/* ---- evaluate ---- */

static void show_exam_order(struct printer *p, const struct work_order *order)
{
    printer_key(p, "params");
    printer_open(p, '{');
    print_exam_order(p, &order->as.exam);
    printer_close(p, '}');
}

static enum err read_exam(struct job_answer *answer, struct span bytes,
                          struct err_info *info)
{
    answer->as.marks = memory_new_array(1, sizeof *answer->as.marks);
    return answer->as.marks ? exam_marks_read(bytes, answer->as.marks, info)
                            : ERR_NO_MEMORY;
}

static void show_exam(struct printer *p, const struct job_row *job,
                      const struct work_order *order, const struct job_answer *answer)
{
    char sha256[STORE_DIGEST_SIZE];
    find_value(job->result, "corpus_sha256", sha256, sizeof sha256);
    printer_open(p, '{');
    print_asked(p, job);
    print_exam(p, &order->as.exam, sha256, answer->as.marks);
    print_times(p, job);
    printer_close(p, '}');
}

static void exam_fini(struct job_answer *answer)
{
    free(answer->as.marks);
    answer->as.marks = NULL;
}

/* ---- the table ---- */

static const struct job_view views[] = {
    {.work = "train", .order = show_training},
    {"maps", show_map_order, read_map, show_map, map_csv, map_fini},
    {"evaluate", show_exam_order, read_exam, show_exam, NULL, exam_fini},
};

static const struct job_view *view_of(const struct job_row *job)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++)
        if (strcmp(views[i].work, job->type) == 0)
            return &views[i];
    return NULL;
}

/* New, or NULL when the order cannot be read. */
static struct work_order *order_of(const struct job_row *job)
{
    struct work_order *order = NULL;
    if (!job->spec ||
        work_order_read(works, job->type, span_of_text(job->spec), &order, NULL))
        return NULL;
    return order;
}

void job_view_order(struct printer *p, const struct job_row *job)
{
    const struct job_view *view = view_of(job);
    struct work_order *order = view ? order_of(job) : NULL;
    if (order)
        view->order(p, order);
    free(order);
}

bool job_view_answers(const struct job_row *job)
{
    const struct job_view *view = view_of(job);
    return view && view->read;
}

static enum err read_answer(struct store *store, const char *scratch,
                            const struct job_row *job, struct job_answer *answer,
                            struct err_info *info)
{
    int64_t object;
    struct span bytes;
    enum err code = store_job_object(store, job->id, JOB_ANSWER, &object);
    if (!code)
        code = spill_open(scratch && *scratch ? scratch : NULL, &answer->spill);
    if (!code)
        code = corpus_text_spill_object(store, object, answer->spill, &bytes);
    return code ? code : answer->view->read(answer, bytes, info);
}

enum err job_answer_open(struct store *store, const char *scratch,
                         const struct job_row *job, struct job_answer *answer,
                         struct err_info *info)
{
    *answer = (struct job_answer){0};
    if (!job_view_answers(job) || job->state != JOB_SUCCEEDED)
        return ERR_OK;
    answer->view = view_of(job);
    enum err code = read_answer(store, scratch, job, answer, info);
    if (!code)
        return ERR_OK;
    job_answer_fini(answer);
    return err_finish(info, code);
}

void job_answer_fini(struct job_answer *answer)
{
    if (answer->view)
        answer->view->fini(answer);
    spill_close(answer->spill);
    *answer = (struct job_answer){0};
}

void job_answer_print(struct printer *p, const struct job_row *job,
                      const struct job_answer *answer)
{
    struct work_order *order = answer->view ? order_of(job) : NULL;
    if (order)
        answer->view->print(p, job, order, answer);
    else
        printer_null(p);
    free(order);
}

bool job_answer_csv(const struct job_answer *answer, struct buffer *text)
{
    if (!answer->view || !answer->view->csv)
        return false;
    answer->view->csv(answer, text);
    return true;
}
