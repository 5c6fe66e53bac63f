/* SPDX-License-Identifier: MIT */
/* What somebody who wants a map asks for, and drawing it: words of a model in, a map file
 * out. */
#ifndef FIRTH_MODEL_MAPS_MAP_ORDER_H
#define FIRTH_MODEL_MAPS_MAP_ORDER_H

#include "base/stream.h"
#include "model/maps/maps.h"
#include "model/train.h"

#define MAP_ORDER_WORDS_LEAST 4u
#define MAP_ORDER_WORDS_MAX 20000u

struct model;

struct map_order {
    char model[NAME_SIZE];
    struct maps_settings settings;
    uint32_t top; /* so many of the most frequent words; 0: those given as a text */
};

/* The text form, "key value" lines. */
struct buffer;
enum err map_order_write(const struct map_order *order, struct buffer *text);
MUST_CHECK enum err map_order_read(struct map_order *order, struct span text,
                                   struct err_info *info);

/* Whether this many words of vectors of `dim` numbers can be drawn; ERR_INVALID with the
 * pointer of the field at fault. */
MUST_CHECK enum err map_order_check(const struct map_order *order, size_t words,
                                    uint32_t dim, struct err_info *info);

/* Draws: `words` holds one word a line, each as the model spells it, and is not looked at
 * when order->top. Writes a map file (map_file.h). ERR_NOT_ABLE when the model has no
 * vectors, ERR_UNKNOWN_WORDS, ERR_CANCELLED, ERR_DIVERGED, errors of map_order_check. */
MUST_CHECK enum err map_order_draw(const struct map_order *order,
                                   const struct model *model, struct span words,
                                   const struct progress *progress,
                                   const struct writer *to, struct err_info *info);

#endif
