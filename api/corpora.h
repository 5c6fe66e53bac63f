/* SPDX-License-Identifier: MIT */
/* /corpora: texts to learn from. */
#ifndef FIRTH_API_CORPORA_H
#define FIRTH_API_CORPORA_H

#include "api/exchange.h"

enum err corpora_list(struct exchange *x, struct err_info *info);
enum err corpora_put(struct exchange *x, struct err_info *info);
enum err corpora_get(struct exchange *x, struct err_info *info);
enum err corpora_delete(struct exchange *x, struct err_info *info);
enum err corpora_text(struct exchange *x, struct err_info *info);
enum err corpora_vocab(struct exchange *x, struct err_info *info);

#endif
