/* SPDX-License-Identifier: MIT */
/* SHA-256 of bytes at hand, as the store writes digests: lower-case hexadecimal. */
#ifndef FIRTH_STORAGE_DIGEST_H
#define FIRTH_STORAGE_DIGEST_H

#include "base/span.h"
#include "storage/store.h"

/* Safe from any thread. */
void digest_sha256(struct span bytes, char hexadecimal[STORE_DIGEST_SIZE]);
/* The same as 32 bytes. */
void digest_sha256_bytes(struct span bytes, uint8_t digest[32]);

#endif
