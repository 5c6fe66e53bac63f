/* SPDX-License-Identifier: MIT */
/* One-shot SHA-256 for those who hold the bytes already: entity tags, the body behind an
 * idempotency key, the name of an ensemble. It lives here because libsodium does. */
#include "storage/digest.h"

#include <sodium.h>

void digest_sha256(struct span bytes, char hexadecimal[STORE_DIGEST_SIZE])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const unsigned char *)bytes.bytes, bytes.size);
    sodium_bin2hex(hexadecimal, STORE_DIGEST_SIZE, hash, sizeof hash);
}

void digest_sha256_bytes(struct span bytes, uint8_t digest[32])
{
    crypto_hash_sha256(digest, (const unsigned char *)bytes.bytes, bytes.size);
}
