/* SPDX-License-Identifier: MIT */
/* Host and Origin are compared as text. Ports of the Host are not compared, so that a
 * proxy or a forwarded port in front may differ from ours. */
#include "api/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "api/loop.h"
#include "base/span.h"

/* The name part of "name", "name:port", "[v6]" or "[v6]:port"; empty when malformed. */
static struct span name_of(const char *host)
{
    size_t size = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (size > strlen(host))
        return span_of(host, 0);
    const char *port = host + size;
    if (*port == ':')
        port += 1 + strspn(port + 1, "0123456789");
    return span_of(host, *port ? 0 : size);
}

static bool span_is(struct span a, const char *text)
{
    return a.size == strlen(text) && strncasecmp(a.bytes, text, a.size) == 0;
}

/* Looks for `item` in a list by comma. */
static bool list_has(const char *list, struct span item)
{
    while (*list) {
        list += strspn(list, ", \t");
        size_t size = strcspn(list, ", \t");
        if (size > 0 && size == item.size && strncasecmp(list, item.bytes, size) == 0)
            return true;
        list += size;
    }
    return false;
}

static bool is_literal_address(struct span name)
{
    char text[64];
    unsigned char address[16];
    bool bracketed = name.size > 2 && name.bytes[0] == '[';
    size_t size = bracketed ? name.size - 2 : name.size;
    if (size >= sizeof text)
        return false;
    memcpy(text, name.bytes + (bracketed ? 1 : 0), size);
    text[size] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, text, address) == 1;
}

bool origin_is_our_host(const struct api *api, const char *host)
{
    struct span name = name_of(host);
    if (name.size == 0)
        return false;
    return span_is(name, "localhost") || span_is(name, "127.0.0.1") ||
           span_is(name, "[::1]") || span_is(name, api->host) ||
           (api->any_address && is_literal_address(name)) ||
           list_has(api->server->settings.allowed_hosts, name);
}

bool origin_is_allowed(const struct api *api, const char *origin)
{
    return strcmp(origin, "null") != 0 && !strpbrk(origin, ", \t") &&
           list_has(api->server->settings.allowed_origins, span_of_text(origin));
}

bool origin_is_same(const char *origin, const char *host)
{
    const char *rest = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
                                                                 : "";
    return *rest && strcasecmp(rest, host) == 0;
}
