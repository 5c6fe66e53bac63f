/* SPDX-License-Identifier: MIT */
/* The checksum of stored chunks and trainer frames. x86-64 has had an instruction for it
 * since SSE 4.2; elsewhere a table of 256 entries does. */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        table[i] = crc;
    }
}

static uint32_t portable(uint32_t crc, const unsigned char *next, size_t size)
{
    pthread_once(&table_once, fill_table);
    for (; size > 0; size--, next++)
        crc = crc >> 8 ^ table[(crc ^ *next) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
accelerated(uint32_t crc, const unsigned char *next, size_t size)
{
    uint64_t wide = crc, word;
    for (; size >= 8; size -= 8, next += 8) {
        memcpy(&word, next, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; size > 0; size--, next++)
        crc = __builtin_ia32_crc32qi(crc, *next);
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~accelerated(~crc, bytes, size);
#endif
    return ~portable(~crc, bytes, size);
}
