/* SPDX-License-Identifier: MIT */
/* Payloads field by field: integers little endian, doubles by their bits, texts as a
 * length and bytes. Readers go through one cursor that remembers failure, so each is a
 * list of fields with one check at its end. */
#include "server/messages.h"

#include <string.h>

static void put_u32(struct buffer *to, uint32_t value)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    buffer_append(to, bytes, sizeof bytes);
}

static void put_u64(struct buffer *to, uint64_t value)
{
    put_u32(to, (uint32_t)value);
    put_u32(to, (uint32_t)(value >> 32));
}

static void put_double(struct buffer *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(to, bits);
}

static void put_bytes(struct buffer *to, struct span bytes)
{
    put_u32(to, (uint32_t)bytes.size);
    buffer_append(to, bytes.bytes, bytes.size);
}

/* Writes at most as much of `text` as a reader with room for `size` bytes takes. */
static void put_text(struct buffer *to, const char *text, size_t size)
{
    put_bytes(to, span_of(text, strnlen(text, size - 1)));
}

struct cursor {
    struct span rest;
    bool failed;
};

static uint32_t get_u32(struct cursor *cursor)
{
    uint32_t value = 0;
    if (cursor->failed || cursor->rest.size < 4) {
        cursor->failed = true;
        return 0;
    }
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)(unsigned char)cursor->rest.bytes[i] << (8 * i);
    cursor->rest = span_of(cursor->rest.bytes + 4, cursor->rest.size - 4);
    return value;
}

static uint64_t get_u64(struct cursor *cursor)
{
    uint64_t low = get_u32(cursor);
    return low | (uint64_t)get_u32(cursor) << 32;
}

static double get_double(struct cursor *cursor)
{
    uint64_t bits = get_u64(cursor);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool get_boolean(struct cursor *cursor)
{
    uint32_t value = get_u32(cursor);
    if (value > 1)
        cursor->failed = true;
    return value == 1;
}

static struct span get_bytes(struct cursor *cursor)
{
    uint32_t size = get_u32(cursor);
    if (cursor->failed || size > cursor->rest.size) {
        cursor->failed = true;
        return span_of("", 0);
    }
    struct span bytes = span_of(cursor->rest.bytes, size);
    cursor->rest = span_of(cursor->rest.bytes + size, cursor->rest.size - size);
    return bytes;
}

static void get_text(struct cursor *cursor, char *to, size_t room)
{
    struct span bytes = get_bytes(cursor);
    if (bytes.size >= room || memchr(bytes.bytes, '\0', bytes.size))
        cursor->failed = true;
    if (cursor->failed)
        bytes.size = 0;
    memcpy(to, bytes.bytes, bytes.size);
    to[bytes.size] = '\0';
}

static bool at_end(const struct cursor *cursor)
{
    return !cursor->failed && cursor->rest.size == 0;
}

void hello_write(const struct hello_message *hello, struct buffer *to)
{
    put_u32(to, hello->parent);
    put_u32(to, hello->has_text);
    put_u32(to, hello->has_valid);
    put_u32(to, hello->has_resume);
    put_u32(to, hello->components);
    put_double(to, hello->beat_s);
    put_text(to, hello->work, sizeof hello->work);
    put_text(to, hello->scratch, sizeof hello->scratch);
    put_bytes(to, hello->spec);
}

bool hello_read(struct span payload, struct hello_message *hello)
{
    struct cursor cursor = {payload, false};
    hello->parent = get_u32(&cursor);
    hello->has_text = get_boolean(&cursor);
    hello->has_valid = get_boolean(&cursor);
    hello->has_resume = get_boolean(&cursor);
    hello->components = get_u32(&cursor);
    hello->beat_s = get_double(&cursor);
    get_text(&cursor, hello->work, sizeof hello->work);
    get_text(&cursor, hello->scratch, sizeof hello->scratch);
    hello->spec = get_bytes(&cursor);
    return at_end(&cursor) && hello->components <= PARAM_LIST_MAX && hello->beat_s > 0 &&
           hello->beat_s < 3600;
}

void progress_write(const struct progress_report *report, struct buffer *to)
{
    put_double(to, report->fraction);
    put_double(to, report->epoch);
    put_u64(to, report->step);
    put_u64(to, report->steps_total);
    put_u64(to, report->tokens);
    put_text(to, report->phase ? report->phase : "", MESSAGE_PHASE_SIZE);
}

bool progress_read(struct span payload, struct progress_message *progress)
{
    struct cursor cursor = {payload, false};
    progress->fraction = get_double(&cursor);
    progress->epoch = get_double(&cursor);
    progress->step = get_u64(&cursor);
    progress->steps_total = get_u64(&cursor);
    progress->tokens = get_u64(&cursor);
    get_text(&cursor, progress->phase, sizeof progress->phase);
    return at_end(&cursor);
}

void metric_write(const char *series, uint64_t step, double value, struct buffer *to)
{
    put_u64(to, step);
    put_double(to, value);
    put_text(to, series, sizeof((struct metric_message *)0)->series);
}

bool metric_read(struct span payload, struct metric_message *metric)
{
    struct cursor cursor = {payload, false};
    metric->step = get_u64(&cursor);
    metric->value = get_double(&cursor);
    get_text(&cursor, metric->series, sizeof metric->series);
    return at_end(&cursor);
}

void messages_number_write(uint64_t value, struct buffer *to)
{
    put_u64(to, value);
}

bool messages_number_read(struct span payload, uint64_t *value)
{
    struct cursor cursor = {payload, false};
    *value = get_u64(&cursor);
    return at_end(&cursor);
}

void checkpoint_end_write(uint64_t step, uint64_t size, struct buffer *to)
{
    put_u64(to, step);
    put_u64(to, size);
}

bool checkpoint_end_read(struct span payload, uint64_t *step, uint64_t *size)
{
    struct cursor cursor = {payload, false};
    *step = get_u64(&cursor);
    *size = get_u64(&cursor);
    return at_end(&cursor);
}

void result_write(const struct train_result *result, uint64_t artefact_size,
                  struct buffer *to)
{
    put_u64(to, artefact_size);
    put_u64(to, result->parameters);
    put_u32(to, result->vocab_size);
    put_u32(to, (uint32_t)result->metric_count);
    for (size_t i = 0; i < result->metric_count; i++) {
        put_text(to, result->metrics[i].name, sizeof result->metrics[i].name);
        put_double(to, result->metrics[i].value);
    }
    put_text(to, result->notes, sizeof result->notes);
}

bool result_read(struct span payload, struct train_result *result,
                 uint64_t *artefact_size)
{
    struct cursor cursor = {payload, false};
    memset(result, 0, sizeof *result);
    *artefact_size = get_u64(&cursor);
    result->parameters = get_u64(&cursor);
    result->vocab_size = get_u32(&cursor);
    uint32_t count = get_u32(&cursor);
    if (count > TRAIN_METRICS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        get_text(&cursor, result->metrics[i].name, sizeof result->metrics[i].name);
        result->metrics[i].value = get_double(&cursor);
    }
    result->metric_count = count;
    get_text(&cursor, result->notes, sizeof result->notes);
    return at_end(&cursor);
}

void error_write(enum err code, const struct err_info *info, struct buffer *to)
{
    put_u32(to, (uint32_t)code);
    put_u32(to, info->has_offset);
    put_u64(to, info->offset);
    put_u32(to, info->has_line);
    put_u64(to, info->line);
    put_text(to, info->pointer, sizeof info->pointer);
    put_text(to, info->message, sizeof info->message);
}

bool error_read(struct span payload, struct err_info *info)
{
    struct cursor cursor = {payload, false};
    uint32_t code = get_u32(&cursor);
    *info = (struct err_info){.code = code < ERR_COUNT ? (enum err)code : ERR_INTERNAL};
    info->has_offset = get_boolean(&cursor);
    info->offset = get_u64(&cursor);
    info->has_line = get_boolean(&cursor);
    info->line = get_u64(&cursor);
    get_text(&cursor, info->pointer, sizeof info->pointer);
    get_text(&cursor, info->message, sizeof info->message);
    return at_end(&cursor) && code > ERR_OK && code < ERR_COUNT;
}
