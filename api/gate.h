/* SPDX-License-Identifier: MIT */
/* The single gate: every request passes it before a byte of its body is stored. Private
 * to api/.
 *
 * No key configured: callers on this machine may do everything, others nothing. Keys
 * configured: `Authorization: Bearer ID.SECRET`, where SHA-256 of the whole is compared
 * in constant time with what the store holds, and the key's scopes with the route's. */
#ifndef FIRTH_API_GATE_H
#define FIRTH_API_GATE_H

#include <stdbool.h>

#include "base/err.h"
#include "storage/store.h"

struct gate;

MUST_CHECK enum err gate_new(struct store *store, struct gate **out);
void gate_free(struct gate *gate);
/* Reads the keys anew. Blocks on the disk. */
MUST_CHECK enum err gate_refresh(struct gate *gate);
bool gate_has_keys(struct gate *gate);
/* ERR_OK, ERR_UNAUTHORIZED or ERR_FORBIDDEN. `authorization` may be NULL. On success
 * key_id[STORE_ID_SIZE] names the caller, "" when no key is needed. */
MUST_CHECK enum err gate_pass(struct gate *gate, bool loopback, const char *authorization,
                              bool open_route, unsigned scope, char *key_id);

#endif
