/* SPDX-License-Identifier: MIT */
/* See repair.h. Reads the layout of model/artefact.h by its offsets, on purpose without
 * the code under test. */
#include "tests/support/repair.h"

#include <stdint.h>
#include <string.h>

#include "base/crc32c.h"

enum {
    HEADER = 64,
    ENTRY = 96,
    FOOTER = 28,
    ENTRY_OFFSET = 72,
    ENTRY_SIZE = 80,
    ENTRY_CRC = 88,
    FOOTER_CRC = 16,
    DEPTH_MAX = 8
};

static uint64_t number_at(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return number;
}

static void repair(char *bytes, size_t size, int depth)
{
    if (size < HEADER + FOOTER || depth == DEPTH_MAX || memcmp(bytes, "FIRTHMDL", 8) != 0)
        return;
    char *footer = bytes + size - FOOTER;
    uint64_t table = number_at(footer), sections = number_at(footer + 8);
    if (table > size - FOOTER || sections > (size - FOOTER - table) / ENTRY)
        return;
    for (uint64_t i = 0; i < sections; i++) {
        char *entry = bytes + table + i * ENTRY;
        uint64_t offset = number_at(entry + ENTRY_OFFSET);
        uint64_t length = number_at(entry + ENTRY_SIZE);
        if (offset > table || length > table - offset)
            continue;
        repair(bytes + offset, (size_t)length, depth + 1);
        uint32_t crc = crc32c(0, bytes + offset, (size_t)length);
        memcpy(entry + ENTRY_CRC, &crc, sizeof crc);
    }
    uint32_t crc =
        crc32c(crc32c(0, bytes, HEADER), bytes + table, (size_t)sections * ENTRY);
    memcpy(footer + FOOTER_CRC, &crc, sizeof crc);
}

void repair_checksums(char *bytes, size_t size)
{
    repair(bytes, size, 0);
}
