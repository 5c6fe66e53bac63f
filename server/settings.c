/* SPDX-License-Identifier: MIT */
/* Settings from three sources with one meaning: the configuration file, the environment
 * and the command line all end in settings_set, which knows every setting by its row of
 * SETTINGS_TABLE. A number outside its range, a text too long or with control bytes, and
 * a name nobody knows are refused with a sentence that says what would do; the value that
 * was there stays. */
#include "server/settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

enum { NAME_MAX_BYTES = 64, VALUE_MAX_BYTES = 4096 };

enum setting_type { SETTING_TEXT, SETTING_INTEGER };

struct setting {
    const char *name;
    enum setting_type type;
    const char *fallback;
    int64_t minimum, maximum;
    const char *help;
    size_t offset;
};

static const struct setting table[] = {
#define TEXT SETTING_TEXT
#define INTEGER SETTING_INTEGER
#define X(name, type, fallback, minimum, maximum, help)                                  \
    {#name, type, fallback, minimum, maximum, help, offsetof(struct settings, name)},
    SETTINGS_TABLE(X)
#undef X
#undef INTEGER
#undef TEXT
};

enum { SETTINGS_COUNT = sizeof table / sizeof table[0] };

static char *text_of(const struct settings *settings, const struct setting *row)
{
    return (char *)(uintptr_t)settings + row->offset;
}

static int64_t *integer_of(const struct settings *settings, const struct setting *row)
{
    return (int64_t *)((uintptr_t)settings + row->offset);
}

/* Names may be written with dashes, as options usually are. */
static bool same_name(const char *name, const char *given)
{
    for (; *name && *given; name++, given++)
        if (*name != *given && !(*name == '_' && *given == '-'))
            return false;
    return *name == *given;
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (same_name(table[i].name, name))
            return &table[i];
    return NULL;
}

static enum err set_integer(struct settings *settings, const struct setting *row,
                            const char *value, struct err_info *info)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool plain = (*value >= '0' && *value <= '9') || *value == '-';
    if (!plain || *end || errno || number < row->minimum || number > row->maximum)
        return err_set(
            info, ERR_INVALID,
            "%s must be a whole number from %lld to %lld (default %s), not \"%.40s\"",
            row->name, (long long)row->minimum, (long long)row->maximum, row->fallback,
            value);
    *integer_of(settings, row) = number;
    return ERR_OK;
}

static bool is_log_level(const char *value)
{
    static const char *const levels[] = {"debug", "info", "warning", "error", "silent"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(value, levels[i]) == 0)
            return true;
    return false;
}

static enum err set_text(struct settings *settings, const struct setting *row,
                         const char *value, struct err_info *info)
{
    size_t size = strlen(value);
    if (size > (size_t)row->maximum)
        return err_set(info, ERR_INVALID, "%s may have at most %lld bytes", row->name,
                       (long long)row->maximum);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return err_set(info, ERR_INVALID, "%s may not hold control characters",
                           row->name);
    if (strcmp(row->name, "log_level") == 0 && !is_log_level(value))
        return err_set(info, ERR_INVALID, "log_level must be one of: %s (default %s)",
                       row->help, row->fallback);
    memcpy(text_of(settings, row), value, size + 1);
    return ERR_OK;
}

static enum err set_row(struct settings *settings, const struct setting *row,
                        const char *value, struct err_info *info)
{
    return row->type == SETTING_INTEGER ? set_integer(settings, row, value, info)
                                        : set_text(settings, row, value, info);
}

void settings_init(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (set_row(settings, &table[i], table[i].fallback, NULL))
            *text_of(settings, &table[i]) = '\0'; /* a wrong row; the tests look for it */
}

enum err settings_set(struct settings *settings, const char *name, const char *value,
                      struct err_info *info)
{
    const struct setting *row = find(name);
    if (!row)
        return err_set(info, ERR_INVALID,
                       "there is no setting \"%.64s\"; firthd serve --help lists them",
                       name);
    return set_row(settings, row, value, info);
}

static struct span trim(struct span text)
{
    while (text.size > 0 && (*text.bytes == ' ' || *text.bytes == '\t'))
        text = span_of(text.bytes + 1, text.size - 1);
    while (text.size > 0 && strchr(" \t\r", text.bytes[text.size - 1]))
        text.size--;
    return text;
}

static bool copy_span(char *to, size_t room, struct span from)
{
    if (from.size >= room || memchr(from.bytes, '\0', from.size))
        return false;
    memcpy(to, from.bytes, from.size);
    to[from.size] = '\0';
    return true;
}

static enum err read_line(struct settings *settings, struct span line,
                          struct err_info *info)
{
    char name[NAME_MAX_BYTES], value[VALUE_MAX_BYTES];
    line = trim(line);
    if (line.size == 0 || *line.bytes == '#')
        return ERR_OK;
    const char *equals = memchr(line.bytes, '=', line.size);
    if (!equals)
        return err_set(info, ERR_INVALID, "expected \"name = value\"");
    size_t before = (size_t)(equals - line.bytes);
    if (!copy_span(name, sizeof name, trim(span_of(line.bytes, before))) ||
        !copy_span(value, sizeof value,
                   trim(span_of(equals + 1, line.size - before - 1))))
        return err_set(info, ERR_INVALID, "the name or its value is too long");
    return settings_set(settings, name, value, info);
}

enum err settings_read(struct settings *settings, const char *text, struct err_info *info)
{
    uint64_t number = 1;
    for (const char *line = text; *line; number++) {
        struct err_info local = {0};
        size_t size = strcspn(line, "\n");
        enum err code = read_line(settings, span_of(line, size), &local);
        if (code)
            return err_set_place(info, code, (uint64_t)(line - text), number,
                                 "line %llu: %s", (unsigned long long)number,
                                 local.message);
        line += size + (line[size] == '\n');
    }
    return ERR_OK;
}

enum err settings_from_environment(struct settings *settings, struct err_info *info)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        char variable[NAME_MAX_BYTES + 8] = "FIRTH_";
        size_t at = strlen(variable);
        for (const char *c = table[i].name; *c; c++)
            variable[at++] = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        variable[at] = '\0';
        const char *value = getenv(variable);
        enum err code = value ? set_row(settings, &table[i], value, info) : ERR_OK;
        if (code)
            return code;
    }
    return ERR_OK;
}

void settings_each(const struct settings *settings,
                   void (*row)(void *context, const char *name, const char *value,
                               const char *fallback, const char *help),
                   void *context)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        char number[24];
        const char *value = text_of(settings, &table[i]);
        if (table[i].type == SETTING_INTEGER) {
            snprintf(number, sizeof number, "%lld",
                     (long long)*integer_of(settings, &table[i]));
            value = number;
        }
        row(context, table[i].name, value, table[i].fallback, table[i].help);
    }
}
