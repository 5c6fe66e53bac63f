/* SPDX-License-Identifier: MIT */
/* What the recurrent layers share: the table by name, sizes, initialisation. */
#include "model/nn/cell.h"

#include <math.h>
#include <string.h>

#include "model/nn/gemm.h"

const struct cell_kind *cell_find(const char *name)
{
    static const struct cell_kind *const all[] = {&cell_rnn, &cell_gru, &cell_lstm,
                                                  &cell_mlstm};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

size_t cell_weights_size(const struct cell_kind *kind, size_t input, size_t hidden)
{
    struct cell_tensor tensors[CELL_TENSORS_MAX];
    size_t count = kind->tensors(input, hidden, tensors), size = 0;
    for (size_t i = 0; i < count; i++)
        size += tensors[i].rows * tensors[i].columns;
    return size;
}

/* In whole cache lines. */
size_t cell_room(const struct cell_size *size, size_t outputs)
{
    return (gemm_room(size->rows, size->steps, size->hidden, outputs) + 15) / 16 * 16;
}

void cell_init_uniform(struct random *random, size_t count, size_t hidden, float *weights)
{
    double bound = 1 / sqrt((double)hidden);
    for (size_t i = 0; i < count; i++)
        weights[i] = (float)((2 * random_uniform(random) - 1) * bound);
}
