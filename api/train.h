/* SPDX-License-Identifier: MIT */
/* POST /train and GET /kinds. */
#ifndef FIRTH_API_TRAIN_H
#define FIRTH_API_TRAIN_H

#include "api/exchange.h"

enum err train_post(struct exchange *x, struct err_info *info);
enum err train_kinds(struct exchange *x, struct err_info *info);

#endif
