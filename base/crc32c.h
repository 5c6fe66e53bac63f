/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli polynomial, reflected 0x82f63b78), as in RFC 3720. */
#ifndef FIRTH_BASE_CRC32C_H
#define FIRTH_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Extends `crc` (0 at the start) over `size` bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);

#endif
