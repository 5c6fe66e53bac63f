/* SPDX-License-Identifier: MIT */
/* What every question to word vectors has in common: the model asked, its words, the head
 * of the answer. */
#ifndef FIRTH_API_VECTOR_REQUEST_H
#define FIRTH_API_VECTOR_REQUEST_H

#include "api/infer_request.h"
#include "api/vector_space.h"
#include "model/vectors/queries.h"

#define VECTOR_K_MAX 1000000
#define VECTOR_WORDS_MAX 1000 /* of one list in a request */

/* The member of every request that names the model. */
#define VECTOR_MODEL_FIELD(type_)                                                        \
    {                                                                                    \
        .name = "model", .type = FIELD_NAME, .offset = offsetof(type_, model),           \
        .required = true                                                                 \
    }

struct vector_subject {
    struct lease lease;
    struct vector_space space;
};

/* Acquires the model; may block. ERR_MODEL_NOT_FOUND, ERR_NOT_ABLE. */
MUST_CHECK enum err vector_open(struct exchange *x, const char *name,
                                struct vector_subject *subject, struct err_info *info);
void vector_close(struct vector_subject *subject);
/* "model" and "model_digest" into an open object. */
void vector_print_head(struct printer *p, const struct vector_subject *subject);

/* The frame of the answers to a list of questions: what stands around the "results", of
 * which `print` fills number `index` with members. */
struct vector_results {
    const char *how, *how_value; /* "metric": "cosine" */
    const struct vector_choice *choice;
    size_t count;
    void (*print)(struct printer *p, const void *context, size_t index);
    const void *context;
};
MUST_CHECK enum err vector_reply(struct exchange *x, const struct vector_subject *subject,
                                 const struct vector_results *results);

/* Refuses `count` inputs at `pointer`: none, or more than max_inputs. */
MUST_CHECK enum err vector_check_count(struct exchange *x, size_t count,
                                       const char *pointer, struct err_info *info);

/* Refuses `count` answers of `k` when that is more than VECTOR_K_MAX in all. Lowers *k to
 * the rows there are. */
MUST_CHECK enum err vector_check_answers(const struct vector_subject *subject,
                                         size_t count, size_t *k, struct err_info *info);
/* Refuses to hold `count` vectors at once when they would take too much memory. */
MUST_CHECK enum err vector_check_memory(const struct vector_subject *subject,
                                        size_t count, struct err_info *info);

/* What answers a request, and why it is not the index where one was wished for. */
struct vector_choice {
    bool exact;        /* every vector is compared */
    const char *index; /* NULL: none was wished for; "used", "unsuited", or as in
                        * index_state_names */
    double fraction;   /* of "building" */
};

/* Chooses for a search; sees to it that a model that needs an index gets one, and may
 * wait a moment for it. */
struct vector_choice vector_choose(struct exchange *x,
                                   const struct vector_subject *subject,
                                   const struct search *search, bool exact);
/* "exact", and where an index was wished for "index", into an open object. */
void vector_print_choice(struct printer *p, const struct vector_choice *choice);

/* The word at `pointer` in the body: *word and *row as vector_space_find says.
 * ERR_INVALID when it is no string, ERR_UNKNOWN_WORDS; both are added to the exchange's
 * errors, so that a caller may go on to find all of them. */
MUST_CHECK enum err vector_read_word(struct exchange *x,
                                     const struct vector_subject *subject,
                                     const json_t *value, const char *pointer,
                                     struct span *word, uint32_t *row,
                                     struct err_info *info);

/* Refuses a row whose vector is zero, for questions of cosines; `row` may be
 * VECTORS_NO_ROW. `advice` ends the sentence. */
MUST_CHECK enum err vector_check_direction(struct exchange *x,
                                           const struct vector_subject *subject,
                                           uint32_t row, const char *pointer,
                                           const char *advice);

/* The first error, but ERR_INVALID before ERR_UNKNOWN_WORDS. */
enum err vector_worse(enum err a, enum err b);

#endif
