/* SPDX-License-Identifier: MIT */
/* The one mapping from maps to text. Coordinates are floats and printed in the fewest
 * digits that read back to the same float. A word of a CSV line is quoted when it holds a
 * comma, a quote or a line's end. */
#include "api/print_map.h"

#include <math.h>
#include <string.h>

static const char *const axes[] = {"x", "y", "z"};

void print_map_order(struct printer *p, const struct map_order *order)
{
    const struct maps_settings *settings = &order->settings;
    printer_key_text(p, "method", maps_method_names[settings->method]);
    printer_key_integer(p, "dims", settings->dims);
    if (order->top)
        printer_key_integer(p, "top", order->top);
    if (settings->method != MAPS_TSNE)
        return;
    printer_key_number(p, "perplexity", settings->perplexity);
    printer_key_integer(p, "iterations", settings->iterations);
}

static void print_point(struct printer *p, const struct map_file *map, size_t index)
{
    printer_open(p, '{');
    printer_key(p, "word");
    printer_span(p, map_file_word(map, index));
    for (unsigned k = 0; k < map->dims; k++) {
        printer_key(p, axes[k]);
        printer_float(p, map->points[index * map->dims + k]);
    }
    printer_close(p, '}');
}

static void print_numbers(struct printer *p, const char *key, const double *numbers,
                          size_t count)
{
    printer_key(p, key);
    printer_open(p, '[');
    for (size_t i = 0; i < count; i++)
        printer_number(p, numbers[i]);
    printer_close(p, ']');
}

void print_map(struct printer *p, const struct map_file *map)
{
    printer_key(p, "points");
    printer_open(p, '[');
    for (size_t i = 0; i < map->count; i++)
        print_point(p, map, i);
    printer_close(p, ']');
    if (map->iterations > 0)
        print_numbers(p, "kl_by_iteration", map->kl, map->iterations);
    else
        print_numbers(p, "explained_variance", map->explained, map->dims);
}

static void csv_word(struct buffer *text, struct span word)
{
    bool plain = true;
    for (size_t i = 0; i < word.size; i++)
        plain = plain && !memchr(",\"\r\n", word.bytes[i], 4);
    if (plain) {
        buffer_append(text, word.bytes, word.size);
        return;
    }
    buffer_append_char(text, '"');
    for (size_t i = 0; i < word.size; i++) {
        if (word.bytes[i] == '"')
            buffer_append_char(text, '"');
        buffer_append_char(text, word.bytes[i]);
    }
    buffer_append_char(text, '"');
}

void print_map_csv(struct buffer *text, const struct map_file *map)
{
    struct printer p;
    printer_init(&p, text);
    buffer_append_text(text, "word");
    for (unsigned k = 0; k < map->dims; k++)
        buffer_printf(text, ",%s", axes[k]);
    buffer_append_text(text, "\r\n");
    for (size_t i = 0; i < map->count; i++) {
        csv_word(text, map_file_word(map, i));
        for (unsigned k = 0; k < map->dims; k++) {
            float value = map->points[i * map->dims + k];
            buffer_append_char(text, ',');
            p.comma = false;
            if (isfinite(value))
                printer_float(&p, value);
        }
        buffer_append_text(text, "\r\n");
    }
}
