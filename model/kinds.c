/* SPDX-License-Identifier: MIT */
/* The list of model kinds. Adding a kind is adding its row here; everything else about it
 * stands in the file that defines the row. */
#include "model/kinds.h"

#include <string.h>

extern const struct kind kind_mixture;

const struct kind *const kinds[] = {
    &kind_mixture,
    NULL,
};

const struct kind *kind_find(const char *name)
{
    for (const struct kind *const *kind = kinds; *kind; kind++)
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}
