/* SPDX-License-Identifier: MIT */
/* The inference routes, one file each: next.c, score.c, rescore.c, generate.c,
 * tokenize.c, evaluate.c. */
#ifndef FIRTH_API_INFER_H
#define FIRTH_API_INFER_H

#include "api/exchange.h"

enum err next_post(struct exchange *x, struct err_info *info);
enum err next_inline(struct exchange *x, bool *answered, struct err_info *info);
enum err score_post(struct exchange *x, struct err_info *info);
enum err score_inline(struct exchange *x, bool *answered, struct err_info *info);
enum err rescore_post(struct exchange *x, struct err_info *info);
enum err generate_post(struct exchange *x, struct err_info *info);
enum err tokenize_post(struct exchange *x, struct err_info *info);
enum err detokenize_post(struct exchange *x, struct err_info *info);
enum err evaluate_post(struct exchange *x, struct err_info *info);

#endif
