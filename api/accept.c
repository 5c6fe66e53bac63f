/* SPDX-License-Identifier: MIT */
/* Accept as RFC 9110 has it: a list of media ranges, each with a quality from 0 to 1. The
 * range that says most about a type counts for it: "text/csv" more than a range of all
 * text, that more than one of all types. What no range covers has quality 0, but without
 * a header everything is alike. Parameters other than q are passed over. */
#include "api/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

enum { QUALITY_MOST = 1000, EXACT = 3 };

/* What the header says of one type. */
struct liking {
    int quality, specificity;
    size_t place; /* of the range, from 0 */
};

static struct span trim(struct span text)
{
    while (text.size > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text = span_of(text.bytes + 1, text.size - 1);
    while (text.size > 0 &&
           (text.bytes[text.size - 1] == ' ' || text.bytes[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Takes what stands before the next `separator` off the rest. */
static struct span next_part(struct span *rest, char separator)
{
    const char *end = memchr(rest->bytes, separator, rest->size);
    size_t size = end ? (size_t)(end - rest->bytes) : rest->size;
    struct span part = span_of(rest->bytes, size);
    size += end != NULL;
    *rest = span_of(rest->bytes + size, rest->size - size);
    return trim(part);
}

/* "0.25" in thousandths. */
static int read_quality(struct span text)
{
    int quality = 0, unit = QUALITY_MOST;
    for (size_t i = 0; i < text.size && unit > 0; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            continue;
        quality += (text.bytes[i] - '0') * unit;
        unit /= 10;
    }
    return quality < QUALITY_MOST ? quality : QUALITY_MOST;
}

static bool is_text(struct span text, const char *wanted, size_t size)
{
    return text.size == size && strncasecmp(text.bytes, wanted, size) == 0;
}

/* How much the range says about the type: EXACT, 2, 1, or 0 when it does not cover it. */
static int specificity_of(struct span range, const char *type)
{
    size_t group = strcspn(type, "/") + 1; /* with its stroke */
    if (is_text(range, type, strlen(type)))
        return EXACT;
    if (range.size == group + 1 && range.bytes[group] == '*' &&
        strncasecmp(range.bytes, type, group) == 0)
        return 2;
    return is_text(range, "*/*", 3);
}

static struct liking liking_of(const char *header, const char *type)
{
    struct liking liking = {0};
    struct span rest = span_of_text(header);
    for (size_t place = 0; rest.size > 0; place++) {
        struct span range = next_part(&rest, ',');
        int specificity = specificity_of(next_part(&range, ';'), type);
        int quality = QUALITY_MOST;
        while (range.size > 0) {
            struct span parameter = next_part(&range, ';');
            if (parameter.size > 2 && strncasecmp(parameter.bytes, "q=", 2) == 0)
                quality = read_quality(span_of(parameter.bytes + 2, parameter.size - 2));
        }
        if (specificity > liking.specificity)
            liking = (struct liking){quality, specificity, place};
    }
    return liking;
}

bool accept_prefers(const char *header, const char *type, const char *other)
{
    if (!header)
        return false;
    struct liking first = liking_of(header, type), second = liking_of(header, other);
    if (first.quality != second.quality)
        return first.quality > second.quality;
    if (first.specificity != second.specificity)
        return first.quality > 0 && first.specificity > second.specificity;
    return first.quality > 0 && first.specificity == EXACT && first.place < second.place;
}
