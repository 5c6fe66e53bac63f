/* SPDX-License-Identifier: MIT */
/* The table of works. Training writes a model; a map and an evaluation read one model,
 * which comes as the first component, and write an answer that the job keeps. */
#include "server/work.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

/* ---- train ---- */

static enum err read_training(struct work_order *order, struct span spec,
                              struct err_info *info)
{
    enum err code = train_spec_read(&order->as.train, spec, info);
    order->checkpoint_every_s = order->as.train.checkpoint_every_s;
    return code;
}

static void training_needs(const struct work_order *order, struct feed_needs *needs)
{
    feed_needs_of_training(&order->as.train, needs);
}

static enum err train(const struct work_order *order, const struct train_input *input,
                      const struct progress *progress, const struct writer *output,
                      struct train_result *result, struct err_info *info)
{
    return train_run(&order->as.train, input, progress, output, result, info);
}

/* ---- what asks a model ---- */

static enum err open_model(const struct train_input *input, struct model **model,
                           struct err_info *info)
{
    *model = NULL;
    if (input->component_count != 1)
        return err_set(info, ERR_INTERNAL, "the job was given no model to ask");
    return model_load_component(input->components[0], 0, model, info);
}

static enum err read_map(struct work_order *order, struct span spec,
                         struct err_info *info)
{
    return map_order_read(&order->as.map, spec, info);
}

static void map_needs(const struct work_order *order, struct feed_needs *needs)
{
    needs->models[needs->model_count++] = order->as.map.model;
    needs->given = order->as.map.top == 0;
}

static enum err draw_map(const struct work_order *order, const struct train_input *input,
                         const struct progress *progress, const struct writer *output,
                         struct train_result *result, struct err_info *info)
{
    struct model *model;
    (void)result;
    enum err code = open_model(input, &model, info);
    if (!code)
        code = map_order_draw(&order->as.map, model, input->text, progress, output, info);
    model_release(model);
    return code;
}

static enum err read_exam(struct work_order *order, struct span spec,
                          struct err_info *info)
{
    return exam_read(&order->as.exam, spec, info);
}

static void exam_needs(const struct work_order *order, struct feed_needs *needs)
{
    const struct exam *exam = &order->as.exam;
    needs->models[needs->model_count++] = exam->model;
    needs->corpus = exam->corpus;
    needs->given = *exam->corpus == '\0';
}

static enum err hold_exam(const struct work_order *order, const struct train_input *input,
                          const struct progress *progress, const struct writer *output,
                          struct train_result *result, struct err_info *info)
{
    struct model *model = NULL;
    struct exam_marks *marks = memory_new_array(1, sizeof *marks);
    (void)result;
    enum err code = marks ? open_model(input, &model, info) : ERR_NO_MEMORY;
    if (!code)
        code = exam_hold(&order->as.exam, model, input->text, progress, marks, info);
    if (!code)
        code = exam_marks_write(marks, output);
    model_release(model);
    free(marks);
    return code;
}

/* ---- the table ---- */

const struct work works[] = {
    {"train", LANE_TRAINING, true, read_training, training_needs, train},
    {"maps", LANE_ANSWER, false, read_map, map_needs, draw_map},
    {"evaluate", LANE_ANSWER, false, read_exam, exam_needs, hold_exam},
    {0},
};

const struct work *work_find(const struct work *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->name ? table : NULL;
}

enum err work_order_read(const struct work *table, const char *name, struct span spec,
                         struct work_order **out, struct err_info *info)
{
    const struct work *work = work_find(table, name);
    *out = NULL;
    if (!work)
        return err_set(info, ERR_INVALID, "this program knows no work named \"%.20s\"",
                       name);
    struct work_order *order = memory_new_array(1, sizeof *order);
    if (!order)
        return ERR_NO_MEMORY;
    order->work = work;
    enum err code = work->read(order, spec, info);
    if (code)
        free(order);
    else
        *out = order;
    return code;
}
