/* SPDX-License-Identifier: MIT */
/* /models: what training and imports have made. Files in and out stand in
 * model_files.c. */
#ifndef FIRTH_API_MODELS_H
#define FIRTH_API_MODELS_H

#include "api/exchange.h"
#include "storage/store.h"

enum err models_list(struct exchange *x, struct err_info *info);
enum err models_get(struct exchange *x, struct err_info *info);
enum err models_patch(struct exchange *x, struct err_info *info);
enum err models_delete(struct exchange *x, struct err_info *info);
enum err models_load(struct exchange *x, struct err_info *info);
enum err models_unload(struct exchange *x, struct err_info *info);

/* The model the path names (by name or alias); the caller's to _fini on success. */
MUST_CHECK enum err models_find(struct exchange *x, struct model_row *row,
                                struct err_info *info);
enum err models_reply(struct exchange *x, unsigned status, const struct model_row *row);

enum err model_files_put(struct exchange *x, struct err_info *info);
enum err model_files_export(struct exchange *x, struct err_info *info);

#endif
