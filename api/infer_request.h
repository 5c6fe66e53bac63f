/* SPDX-License-Identifier: MIT */
/* What every inference request and answer has in common: the model or ensemble asked, the
 * base of logarithms, and the head and timing of the answer. */
#ifndef FIRTH_API_INFER_REQUEST_H
#define FIRTH_API_INFER_REQUEST_H

#include <jansson.h>

#include "api/exchange.h"
#include "api/fields.h"
#include "api/print_infer.h"
#include "model/lm/target.h"
#include "server/registry.h"

#define INFER_COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* First member of every request struct. */
struct infer_head {
    const char *model;
    json_t *ensemble, *log_base;
};
/* The head's rows in a request's table of fields. */
#define INFER_HEAD_FIELDS                                                                \
    {.name = "model", .type = FIELD_NAME, .offset = offsetof(struct infer_head, model)}, \
        {.name = "ensemble",                                                             \
         .type = FIELD_ARRAY,                                                            \
         .offset = offsetof(struct infer_head, ensemble),                                \
         .minimum = 1,                                                                   \
         .maximum = TARGET_MODELS_MAX},                                                  \
    {                                                                                    \
        .name = "log_base", .type = FIELD_ANY,                                           \
        .offset = offsetof(struct infer_head, log_base)                                  \
    }

/* Who answers. */
struct infer_subject {
    struct lease leases[TARGET_MODELS_MAX];
    struct lm *views[TARGET_MODELS_MAX]; /* of models that compute in batches, or NULL */
    double weights[TARGET_MODELS_MAX];
    size_t count;
    struct target target;
    struct log_base base;
    bool ensemble;
    char name[TARGET_MODELS_MAX * STORE_NAME_SIZE]; /* an ensemble's are joined by + */
    char digest[STORE_DIGEST_SIZE]; /* an ensemble's is made of its models' */
};

/* Reads the body into a request struct by its table (head included) and checks the head:
 * exactly one of model and ensemble. */
MUST_CHECK enum err infer_read(struct exchange *x, const struct field *fields,
                               size_t count, void *request, struct err_info *info);

/* The base of logarithms that was asked for and checked by infer_read: 0, 2 or 10. */
int infer_log_base(const struct infer_head *head);

/* One model by name; ERR_MODEL_NOT_FOUND says where to look. */
MUST_CHECK enum err infer_acquire(struct exchange *x, const char *name,
                                  struct lease *lease, struct err_info *info);

/* Acquires the models; may block. Then, or on failure, nothing needs closing but a
 * success. */
MUST_CHECK enum err infer_open(struct exchange *x, const struct infer_head *head,
                               struct infer_subject *subject, struct err_info *info);
/* Without blocking, one model only: false when that is not at once possible (or when the
 * request is wrong: infer_open then says how). */
MUST_CHECK bool infer_try_open(struct exchange *x, const struct infer_head *head,
                               struct infer_subject *subject);
void infer_close(struct infer_subject *subject);

/* "model", "model_digest", "log_base" (and "ensemble"), into an open object. */
void infer_print_head(struct printer *p, const struct infer_subject *subject);
/* "model", "model_digest" alone. */
void infer_print_model(struct printer *p, const struct infer_subject *subject);
/* "timing" of the exchange. */
void infer_print_timing(struct printer *p, struct exchange *x);

/* A list of texts as spans, borrowed from the JSON; free() it. */
MUST_CHECK enum err infer_read_texts(json_t *array, const char *pointer, size_t size_max,
                                     struct span **texts, struct field_errors *errors);

#endif
