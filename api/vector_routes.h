/* SPDX-License-Identifier: MIT */
/* The routes of word vectors: neighbors.c, analogy.c, similarity.c, embed.c, maps.c. */
#ifndef FIRTH_API_VECTOR_ROUTES_H
#define FIRTH_API_VECTOR_ROUTES_H

#include "api/exchange.h"

enum err neighbors_post(struct exchange *x, struct err_info *info);
enum err analogy_post(struct exchange *x, struct err_info *info);
enum err similarity_post(struct exchange *x, struct err_info *info);
enum err odd_one_out_post(struct exchange *x, struct err_info *info);
enum err maps_post(struct exchange *x, struct err_info *info);
enum err embed_post(struct exchange *x, struct err_info *info);
enum err embeddings_post(struct exchange *x, struct err_info *info); /* /v1/embeddings */

#endif
