/* SPDX-License-Identifier: MIT */
/* Writing and reading the model file described in artefact.h.
 *
 * The writer is a stream: it knows where it is by counting, pads each section to a
 * multiple of 64 bytes and keeps only the table in memory, so that a model larger than
 * memory can be written. The table comes last because sizes and checksums are known only
 * then, and the footer after it: a file without its footer is an unfinished one.
 *
 * The reader trusts no number. Sections must follow each other exactly as the writer puts
 * them, which makes bounds checks simple (each offset has one right value) and leaves no
 * unchecked byte in the file. Numbers are little endian; on a big-endian machine the
 * byte-order probe refuses the file rather than misreading the arrays in it. */
#include "model/artefact.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"

#define ALIGNMENT 64u
#define VERSION 1u
#define BYTE_ORDER_PROBE 0x01020304u
#define KIND_SIZE 16u

struct file_header {
    char magic[8];
    uint32_t version, byte_order;
    char kind[KIND_SIZE];
    char zero[32];
};
struct file_entry {
    char name[ARTEFACT_NAME_SIZE];
    uint32_t type, rank;
    uint64_t shape[ARTEFACT_RANK_MAX];
    uint64_t offset, size;
    uint32_t crc, zero;
};
struct file_footer {
    uint64_t table_offset, sections;
    uint32_t crc;
    char magic[8];
} __attribute__((packed));

_Static_assert(sizeof(struct file_header) == 64, "the header is 64 bytes");
_Static_assert(sizeof(struct file_entry) == 96, "a table entry is 96 bytes");
_Static_assert(sizeof(struct file_footer) == 28, "the footer is 28 bytes");

static const char head_magic[8] = {'F', 'I', 'R', 'T', 'H', 'M', 'D', 'L'};
static const char end_magic[8] = {'F', 'I', 'R', 'T', 'H', 'E', 'N', 'D'};
static const size_t type_sizes[] = {
    [ARTEFACT_BYTES] = 1, [ARTEFACT_U32] = 4, [ARTEFACT_U64] = 8,
    [ARTEFACT_F32] = 4,   [ARTEFACT_F64] = 8,
};
#define TYPE_COUNT (sizeof type_sizes / sizeof type_sizes[0])

/* ---- writing ---- */

struct artefact_writer {
    struct writer to;
    struct file_header header;
    struct file_entry *entries; /* [count] */
    size_t count, capacity;
    uint64_t position;
    bool open, finished;
    enum err failed; /* sticky */
};

static enum err put_bytes(struct artefact_writer *writer, const void *bytes, size_t size)
{
    if (writer->failed || size == 0)
        return writer->failed;
    writer->failed = writer->to.write(writer->to.context, bytes, size);
    writer->position += size;
    return writer->failed;
}

static enum err pad(struct artefact_writer *writer)
{
    static const char zeros[ALIGNMENT];
    return put_bytes(writer, zeros,
                     (size_t)(ALIGNMENT - writer->position % ALIGNMENT) % ALIGNMENT);
}

enum err artefact_begin(const struct writer *to, const char *kind,
                        struct artefact_writer **out)
{
    *out = NULL;
    struct artefact_writer *writer = memory_new_array(1, sizeof *writer);
    if (!writer)
        return ERR_NO_MEMORY;
    size_t length = strlen(kind);
    assert(length > 0 && length < KIND_SIZE);
    writer->to = *to;
    writer->header.version = VERSION;
    writer->header.byte_order = BYTE_ORDER_PROBE;
    memcpy(writer->header.magic, head_magic, sizeof head_magic);
    memcpy(writer->header.kind, kind, length);
    enum err code = put_bytes(writer, &writer->header, sizeof writer->header);
    if (code) {
        artefact_writer_free(writer);
        return code;
    }
    *out = writer;
    return ERR_OK;
}

enum err artefact_open_section(struct artefact_writer *writer, const char *name,
                               enum artefact_type type)
{
    size_t length = strlen(name);
    if (writer->failed)
        return writer->failed;
    assert(!writer->open && !writer->finished);
    assert(length > 0 && length < ARTEFACT_NAME_SIZE && (size_t)type < TYPE_COUNT);
    if (writer->count == ARTEFACT_SECTIONS_MAX)
        writer->failed = ERR_LIMIT;
    else
        writer->failed = memory_grow(&writer->entries, &writer->capacity,
                                     writer->count + 1, sizeof *writer->entries);
    if (pad(writer))
        return writer->failed;
    struct file_entry *entry = &writer->entries[writer->count++];
    *entry = (struct file_entry){
        .type = (uint32_t)type, .rank = 1, .offset = writer->position};
    memcpy(entry->name, name, length);
    writer->open = true;
    return ERR_OK;
}

enum err artefact_append(struct artefact_writer *writer, const void *bytes, size_t size)
{
    if (writer->failed)
        return writer->failed;
    assert(writer->open);
    struct file_entry *entry = &writer->entries[writer->count - 1];
    if (put_bytes(writer, bytes, size) == ERR_OK && size > 0) {
        entry->crc = crc32c(entry->crc, bytes, size);
        entry->size += size;
    }
    return writer->failed;
}

enum err artefact_close_section(struct artefact_writer *writer)
{
    if (writer->failed)
        return writer->failed;
    assert(writer->open);
    struct file_entry *entry = &writer->entries[writer->count - 1];
    entry->shape[0] = entry->size / type_sizes[entry->type];
    assert(entry->size % type_sizes[entry->type] == 0);
    writer->open = false;
    return ERR_OK;
}

/* The bytes of a shape, or false when they cannot be counted. */
static bool shape_bytes(uint32_t type, uint32_t rank, const uint64_t *shape,
                        uint64_t *bytes)
{
    uint64_t size = type_sizes[type];
    for (uint32_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(size, shape[i], &size))
            return false;
    *bytes = size;
    return size <= SIZE_MAX;
}

enum err artefact_put(struct artefact_writer *writer, const char *name,
                      enum artefact_type type, uint32_t rank, const uint64_t *shape,
                      const void *content)
{
    uint64_t bytes;
    assert(rank >= 1 && rank <= ARTEFACT_RANK_MAX);
    if (!writer->failed && !shape_bytes((uint32_t)type, rank, shape, &bytes))
        writer->failed = ERR_LIMIT;
    if (writer->failed)
        return writer->failed;
    if (artefact_open_section(writer, name, type) ||
        artefact_append(writer, content, (size_t)bytes) || artefact_close_section(writer))
        return writer->failed;
    struct file_entry *entry = &writer->entries[writer->count - 1];
    entry->rank = rank;
    memcpy(entry->shape, shape, rank * sizeof *shape);
    return ERR_OK;
}

enum err artefact_finish(struct artefact_writer *writer)
{
    if (pad(writer))
        return writer->failed;
    assert(!writer->open && !writer->finished);
    struct file_footer footer = {.table_offset = writer->position,
                                 .sections = writer->count};
    size_t table = writer->count * sizeof *writer->entries;
    footer.crc = crc32c(0, &writer->header, sizeof writer->header);
    if (table > 0)
        footer.crc = crc32c(footer.crc, writer->entries, table);
    memcpy(footer.magic, end_magic, sizeof end_magic);
    if (put_bytes(writer, writer->entries, table) == ERR_OK)
        (void)put_bytes(writer, &footer, sizeof footer);
    writer->finished = true;
    return writer->failed;
}

void artefact_writer_free(struct artefact_writer *writer)
{
    if (!writer)
        return;
    free(writer->entries);
    free(writer);
}

/* ---- reading ---- */

struct artefact {
    char kind[KIND_SIZE];
    size_t count;
    struct artefact_section sections[]; /* [count] */
};

static enum err bad(struct err_info *info, uint64_t offset, const char *what)
{
    return err_set_place(info, ERR_BAD_MODEL_FILE, offset, 0, "The model file %s", what);
}

static bool all_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* True for 1 … size-1 characters followed by zeros only. */
static bool clean_name(const char *name, size_t size)
{
    size_t length = strnlen(name, size);
    return length > 0 && length < size && all_zero(name + length, size - length);
}

static enum err check_header(struct span bytes, struct file_header *header,
                             struct err_info *info)
{
    if (bytes.size < sizeof *header + sizeof(struct file_footer))
        return bad(info, bytes.size, "is too short to be one");
    memcpy(header, bytes.bytes, sizeof *header);
    if (memcmp(header->magic, head_magic, sizeof head_magic) != 0)
        return bad(info, 0, "does not begin like one");
    if (header->byte_order != BYTE_ORDER_PROBE)
        return bad(info, 12, "was written on a machine of another byte order");
    if (header->version != VERSION)
        return bad(info, 8, "has a version that this program does not know");
    if (!clean_name(header->kind, sizeof header->kind) ||
        !all_zero(header->zero, sizeof header->zero))
        return bad(info, 16, "has a damaged header");
    return ERR_OK;
}

static enum err check_footer(struct span bytes, const struct file_header *header,
                             struct file_footer *footer, struct err_info *info)
{
    uint64_t end = bytes.size - sizeof *footer;
    memcpy(footer, bytes.bytes + end, sizeof *footer);
    if (memcmp(footer->magic, end_magic, sizeof end_magic) != 0)
        return bad(info, end, "is incomplete: its end is missing");
    uint64_t table = footer->sections * sizeof(struct file_entry);
    if (footer->sections > ARTEFACT_SECTIONS_MAX || footer->table_offset > end ||
        end - footer->table_offset != table || footer->table_offset % ALIGNMENT != 0 ||
        footer->table_offset < sizeof *header)
        return bad(info, end, "has a damaged footer");
    uint32_t crc = crc32c(0, header, sizeof *header);
    if (crc32c(crc, bytes.bytes + footer->table_offset, (size_t)table) != footer->crc)
        return bad(info, footer->table_offset, "has a damaged table of sections");
    return ERR_OK;
}

/* Checks one entry, whose section must begin at the first multiple of 64 at or after
 * *position, and moves *position to its end. `limit` is where the table starts. */
static enum err check_entry(struct span bytes, const struct file_entry *entry,
                            uint64_t limit, uint64_t *position, struct err_info *info)
{
    uint64_t size, gap = (ALIGNMENT - *position % ALIGNMENT) % ALIGNMENT;
    if (!clean_name(entry->name, sizeof entry->name) || entry->type >= TYPE_COUNT ||
        entry->rank < 1 || entry->rank > ARTEFACT_RANK_MAX || entry->zero != 0)
        return bad(info, *position, "describes a section wrongly");
    for (uint32_t i = entry->rank; i < ARTEFACT_RANK_MAX; i++)
        if (entry->shape[i] != 0)
            return bad(info, *position, "describes a section wrongly");
    if (!shape_bytes(entry->type, entry->rank, entry->shape, &size) ||
        size != entry->size || entry->offset != *position + gap ||
        entry->offset > limit || entry->size > limit - entry->offset)
        return bad(info, *position, "has a section that does not fit its place");
    if (!all_zero(bytes.bytes + *position, (size_t)gap) ||
        crc32c(0, bytes.bytes + entry->offset, (size_t)entry->size) != entry->crc)
        return bad(info, entry->offset, "has a damaged section: a checksum differs");
    *position = entry->offset + entry->size;
    return ERR_OK;
}

static void keep_section(struct artefact *artefact, struct span bytes,
                         const struct file_entry *entry)
{
    struct artefact_section *section = &artefact->sections[artefact->count++];
    memcpy(section->name, entry->name, sizeof section->name);
    section->type = (enum artefact_type)entry->type;
    section->rank = entry->rank;
    memcpy(section->shape, entry->shape, sizeof section->shape);
    section->content = span_of(bytes.bytes + entry->offset, (size_t)entry->size);
}

static enum err read_sections(struct artefact *artefact, struct span bytes,
                              const struct file_footer *footer, struct err_info *info)
{
    uint64_t position = sizeof(struct file_header);
    for (uint64_t i = 0; i < footer->sections; i++) {
        struct file_entry entry;
        memcpy(&entry, bytes.bytes + footer->table_offset + i * sizeof entry,
               sizeof entry);
        enum err code = check_entry(bytes, &entry, footer->table_offset, &position, info);
        if (code)
            return code;
        if (artefact_find(artefact, entry.name))
            return bad(info, entry.offset, "has two sections of one name");
        keep_section(artefact, bytes, &entry);
    }
    uint64_t gap = footer->table_offset - position;
    if (gap >= ALIGNMENT || !all_zero(bytes.bytes + position, (size_t)gap))
        return bad(info, position, "has bytes that belong to no section");
    return ERR_OK;
}

enum err artefact_parse(struct span bytes, struct artefact **out, struct err_info *info)
{
    *out = NULL;
    struct file_header header;
    struct file_footer footer;
    enum err code = check_header(bytes, &header, info);
    if (!code)
        code = check_footer(bytes, &header, &footer, info);
    if (code)
        return code;
    assert((uintptr_t)bytes.bytes % ALIGNMENT == 0);
    struct artefact *artefact =
        malloc(sizeof *artefact + (size_t)footer.sections * sizeof artefact->sections[0]);
    if (!artefact)
        return ERR_NO_MEMORY;
    memcpy(artefact->kind, header.kind, sizeof artefact->kind);
    artefact->count = 0;
    code = read_sections(artefact, bytes, &footer, info);
    if (code) {
        artefact_free(artefact);
        return code;
    }
    *out = artefact;
    return ERR_OK;
}

void artefact_free(struct artefact *artefact)
{
    free(artefact);
}

const char *artefact_kind(const struct artefact *artefact)
{
    return artefact->kind;
}

const struct artefact_section *artefact_find(const struct artefact *artefact,
                                             const char *name)
{
    for (size_t i = 0; i < artefact->count; i++)
        if (strcmp(artefact->sections[i].name, name) == 0)
            return &artefact->sections[i];
    return NULL;
}

enum err artefact_need(const struct artefact *artefact, const char *name,
                       enum artefact_type type, uint32_t rank,
                       const struct artefact_section **out, struct err_info *info)
{
    *out = NULL;
    const struct artefact_section *section = artefact_find(artefact, name);
    if (!section)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file lacks its section \"%s\"", name);
    if (section->type != type || section->rank != rank)
        return err_set(info, ERR_BAD_MODEL_FILE,
                       "The model file's section \"%s\" has another type or shape", name);
    *out = section;
    return ERR_OK;
}
