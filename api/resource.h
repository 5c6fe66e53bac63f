/* SPDX-License-Identifier: MIT */
/* What the handlers of several resources share: names in paths, pages of lists, entity
 * tags of printed answers, stored objects sent as downloads. */
#ifndef FIRTH_API_RESOURCE_H
#define FIRTH_API_RESOURCE_H

#include "api/exchange.h"
#include "api/printer.h"
#include "storage/store.h"

/* The path's {name}, checked; borrowed from the exchange. */
MUST_CHECK enum err resource_name(struct exchange *x, const char **name,
                                  struct err_info *info);

/* The place of ?name= among `choices`, which end with NULL; *choice stays what it is when
 * the query has none. */
MUST_CHECK enum err resource_query_choice(struct exchange *x, const char *name,
                                          const char *const *choices, int *choice,
                                          struct err_info *info);

/* ?limit= and ?after= of a list. */
struct resource_page {
    size_t limit;
    const char *after; /* "" from the start; borrowed */
};
MUST_CHECK enum err resource_page_read(struct exchange *x, struct resource_page *page,
                                       struct err_info *info);

/* The frame of a list: open, print the items, close. `first` and `last` are the ids of
 * the page's ends, NULL when it is empty. */
void resource_list_open(struct printer *printer);
void resource_list_close(struct printer *printer, bool has_more, const char *first,
                         const char *last);

/* Replies with printed JSON under a strong entity tag made of its bytes; 304 when the
 * client has them. Takes the buffer, as exchange_reply_json_take. */
enum err resource_reply_tagged_take(struct exchange *x, unsigned status,
                                    struct buffer *json);

/* Sends a stored object (whole, or the range asked for) under `etag` as `type`, which
 * must outlive the reply. Does not hold a thread meanwhile. */
enum err resource_send_object(struct exchange *x, int64_t object, const char *etag,
                              const char *type, struct err_info *info);

#endif
