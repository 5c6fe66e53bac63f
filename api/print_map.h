/* SPDX-License-Identifier: MIT */
/* Maps of words as JSON and as CSV. */
#ifndef FIRTH_API_PRINT_MAP_H
#define FIRTH_API_PRINT_MAP_H

#include "api/printer.h"
#include "model/maps/map_file.h"
#include "model/maps/map_order.h"

/* Members of an open object: "method", "dims" and, for t-SNE, "perplexity" and
 * "iterations"; "top" when so asked. */
void print_map_order(struct printer *p, const struct map_order *order);
/* Members of an open object: "points", and "explained_variance" or "kl_by_iteration". */
void print_map(struct printer *p, const struct map_file *map);
/* word,x,y and z where there is one; a line for each point (RFC 4180). */
void print_map_csv(struct buffer *text, const struct map_file *map);

#endif
