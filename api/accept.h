/* SPDX-License-Identifier: MIT */
/* What a client would rather have: the header Accept. */
#ifndef FIRTH_API_ACCEPT_H
#define FIRTH_API_ACCEPT_H

#include <stdbool.h>

/* Whether the header, which may be NULL, puts the media type `type` above `other`, which
 * is served otherwise: by a greater quality or, where those are alike, by being named
 * more exactly, or first. */
bool accept_prefers(const char *header, const char *type, const char *other);

#endif
