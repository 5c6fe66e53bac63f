/* SPDX-License-Identifier: MIT */
/* The keys are few and read often, so the gate holds a copy of them, made anew every few
 * seconds off the loops. A key is found by its public id, which is no secret; the digest
 * of the whole is then compared without branching on its bytes. An unknown id is compared
 * with a digest that nothing has, so that it takes as long. */
#include "api/gate.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/ranks.h"
#include "base/lock.h"
#include "base/memory.h"
#include "storage/digest.h"

enum { KEY_TEXT_MAX = 256 };

struct gate {
    struct store *store;
    struct lock lock;
    struct key_row *keys; /* [count] */
    size_t count;
};

enum err gate_new(struct store *store, struct gate **out)
{
    *out = NULL;
    struct gate *gate = memory_new_array(1, sizeof *gate);
    if (!gate)
        return ERR_NO_MEMORY;
    gate->store = store;
    lock_init(&gate->lock, RANK_API_KEYS);
    enum err code = gate_refresh(gate);
    if (code) {
        gate_free(gate);
        return code;
    }
    *out = gate;
    return ERR_OK;
}

void gate_free(struct gate *gate)
{
    if (!gate)
        return;
    free(gate->keys);
    lock_fini(&gate->lock);
    free(gate);
}

enum err gate_refresh(struct gate *gate)
{
    struct key_row *keys = NULL;
    size_t count = 0;
    enum err code = gate->store ? store_key_list(gate->store, &keys, &count) : ERR_OK;
    if (code) /* keep what is known: never fail open */
        return code;
    lock_take(&gate->lock);
    struct key_row *old = gate->keys;
    gate->keys = keys;
    gate->count = count;
    lock_release(&gate->lock);
    free(old);
    return ERR_OK;
}

bool gate_has_keys(struct gate *gate)
{
    lock_take(&gate->lock);
    bool has = gate->count > 0;
    lock_release(&gate->lock);
    return has;
}

static bool same_digest(const uint8_t sha256[32], const char *hexadecimal)
{
    static const char digits[] = "0123456789abcdef";
    unsigned difference = 0;
    for (size_t i = 0; i < 32; i++) {
        difference |= (unsigned)(digits[sha256[i] >> 4] ^ hexadecimal[2 * i]);
        difference |= (unsigned)(digits[sha256[i] & 15] ^ hexadecimal[2 * i + 1]);
    }
    return difference == 0;
}

/* The scopes of the key named by "ID.SECRET"; 0 when there is none such. Lock held. */
static unsigned check_key(struct gate *gate, struct span key, char *key_id)
{
    static const uint8_t nobody[32];
    char digest[STORE_DIGEST_SIZE];
    const char *dot = memchr(key.bytes, '.', key.size);
    size_t id_size = dot ? (size_t)(dot - key.bytes) : 0;
    const struct key_row *found = NULL;
    for (size_t i = 0; i < gate->count && id_size > 0; i++)
        if (strlen(gate->keys[i].id) == id_size &&
            memcmp(gate->keys[i].id, key.bytes, id_size) == 0)
            found = &gate->keys[i];
    digest_sha256(key, digest);
    bool same = same_digest(found ? found->sha256 : nobody, digest);
    if (!found || !same)
        return 0;
    memcpy(key_id, found->id, strlen(found->id) + 1);
    return found->scopes;
}

enum err gate_pass(struct gate *gate, bool loopback, const char *authorization,
                   bool open_route, unsigned scope, char *key_id)
{
    key_id[0] = '\0';
    if (open_route)
        return ERR_OK;
    lock_take(&gate->lock);
    bool keyless = gate->count == 0;
    unsigned scopes = 0;
    if (!keyless && authorization && strncasecmp(authorization, "Bearer ", 7) == 0) {
        const char *key = authorization + 7 + strspn(authorization + 7, " ");
        size_t size = strlen(key);
        if (size <= KEY_TEXT_MAX)
            scopes = check_key(gate, span_of(key, size), key_id);
    }
    lock_release(&gate->lock);
    if (keyless)
        return loopback ? ERR_OK : ERR_UNAUTHORIZED;
    if (scopes == 0)
        return ERR_UNAUTHORIZED;
    if (scopes & SCOPE_ADMIN)
        scopes |= SCOPE_READ | SCOPE_TRAIN;
    if (scopes & SCOPE_TRAIN)
        scopes |= SCOPE_READ;
    return (scopes & scope) == scope ? ERR_OK : ERR_FORBIDDEN;
}
