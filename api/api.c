/* SPDX-License-Identifier: MIT */
/* Starting, draining and stopping the HTTP side. Each loop has a listening socket of its
 * own on the same address (SO_REUSEPORT), so the kernel spreads connections over them. */
#include "api/api.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/gate.h"
#include "api/loop.h"
#include "api/ranks.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parallel.h"

enum {
    LOOPS_BY_DEFAULT = 4,
    BACKLOG = 1024,
    DESK_THREADS = 16,
    DESK_QUEUE = 512,
    KEYS_EVERY_MS = 2000,
    FILES_SPARE = 256 /* descriptors that are not connections */
};

/* ---- listening ---- */

static bool is_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && port <= 65535;
}

/* Splits "host:port" or "[v6]:port". */
static bool split_address(const char *listen, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(listen, ':');
    size_t length = colon ? (size_t)(colon - listen) : 0;
    if (!colon || !is_port(colon + 1) || length >= size)
        return false;
    bool bracketed = length >= 2 && listen[0] == '[' && listen[length - 1] == ']';
    if (!bracketed && memchr(listen, ':', length))
        return false;
    memcpy(host, listen + (bracketed ? 1 : 0), length - (bracketed ? 2 : 0));
    host[length - (bracketed ? 2 : 0)] = '\0';
    *port = colon + 1;
    return true;
}

/* The first socket is bound before it may share its address, so that a port another
 * daemon has is refused and not shared with it; the others join the first. */
static int open_socket(const struct sockaddr *address, socklen_t size, bool first)
{
    int one = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        (first && bind(fd, address, size)) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) ||
        (!first && bind(fd, address, size)) || listen(fd, BACKLOG)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static unsigned short port_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port)
               : ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static bool is_any(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    return address->ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)
                                          : v4->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    return address->ss_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
                                          : ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

static enum err resolve(const char *listen, char *host, size_t size,
                        struct sockaddr_storage *address, socklen_t *address_size,
                        struct err_info *info)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *port;
    if (!split_address(listen, host, size, &port))
        return err_set(info, ERR_INVALID, "%s is not ADDRESS:PORT (127.0.0.1:8080)",
                       listen);
    int failed = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (failed || !found)
        return err_set(info, ERR_INVALID, "%s cannot be resolved: %s", listen,
                       failed ? gai_strerror(failed) : "no address");
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return ERR_OK;
}

/* Opens the first socket, then as many more on the port it got. */
static enum err open_sockets(struct api *api, int *fds, struct err_info *info)
{
    struct sockaddr_storage address = {0};
    socklen_t size = 0, real_size = sizeof address;
    const char *listen = api->server->settings.listen;
    unsigned opened = 0;
    enum err code = resolve(listen, api->host, sizeof api->host, &address, &size, info);
    if (code)
        return code;
    api->any_address = is_any(&address);
    if (!is_loopback(&address) && !gate_has_keys(api->gate))
        return err_set(info, ERR_FORBIDDEN,
                       "%s can be reached from other machines, and no API key is "
                       "configured: make one with `firthd keys`, or listen on 127.0.0.1",
                       listen);
    while (opened < api->loop_count) {
        fds[opened] = open_socket((struct sockaddr *)&address, size, opened == 0);
        if (fds[opened] < 0)
            break;
        if (opened++ == 0)
            getsockname(fds[0], (struct sockaddr *)&address, &real_size);
    }
    bool v6 = address.ss_family == AF_INET6;
    snprintf(api->address, sizeof api->address, v6 ? "[%.255s]:%u" : "%.255s:%u",
             *api->host ? api->host : "0.0.0.0", port_of(&address));
    if (v6) { /* as it stands in a Host header */
        memcpy(api->host, api->address, sizeof api->host);
        *strrchr(api->host, ':') = '\0';
    }
    if (opened == api->loop_count)
        return ERR_OK;
    while (opened > 0)
        close(fds[--opened]);
    return err_set(info, ERR_IO, "Cannot listen on %s: %m", listen);
}

/* ---- the keys, kept fresh ---- */

static void *refresh_keys(void *argument)
{
    struct api *api = argument;
    lock_take(&api->keys_lock);
    while (!atomic_load(&api->stopping)) {
        condition_wait(&api->keys_changed, &api->keys_lock, KEYS_EVERY_MS / 1000.0);
        lock_release(&api->keys_lock);
        if (gate_refresh(api->gate))
            LOG_EVENT(LOG_WARNING, "keys_not_read", LOG_T("address", api->address));
        lock_take(&api->keys_lock);
    }
    lock_release(&api->keys_lock);
    return NULL;
}

/* ---- life ---- */

static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* The soft cap must leave descriptors for everything else. */
static void fit_connections(struct settings *settings)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY)
        return;
    int64_t most = ((int64_t)files.rlim_cur - FILES_SPARE) * 10 / 11;
    if (most < 16)
        most = 16;
    if (settings->connections > most) {
        LOG_EVENT(LOG_WARNING, "connections_lowered", LOG_I("to", most),
                  LOG_I("file_limit", files.rlim_cur));
        settings->connections = most;
    }
}

static unsigned loops_wanted(const struct settings *settings)
{
    unsigned cores = parallel_cores();
    if (settings->http_loops > 0)
        return settings->http_loops < LOOP_MOST ? (unsigned)settings->http_loops
                                                : LOOP_MOST;
    return cores < LOOPS_BY_DEFAULT ? cores : LOOPS_BY_DEFAULT;
}

static enum err start_loops(struct api *api, struct err_info *info)
{
    int fds[LOOP_MOST];
    enum err code = open_sockets(api, fds, info);
    for (unsigned i = 0; i < api->loop_count && !code; i++) {
        api->loops[i].index = i;
        code = loop_start(api, &api->loops[i], fds[i], info);
        for (unsigned j = i + 1; code && j < api->loop_count; j++)
            close(fds[j]);
    }
    return code;
}

enum err api_start_routes(struct server *server, const struct route *routes, size_t count,
                          struct api **out, struct err_info *info)
{
    *out = NULL;
    struct api *api = memory_new_array(1, sizeof *api);
    if (!api)
        return ERR_NO_MEMORY;
    api->server = server;
    api->routes = routes;
    api->route_count = count;
    api->loop_count = loops_wanted(&server->settings);
    lock_init(&api->parse_lock, RANK_API_PARSE);
    condition_init(&api->parse_free);
    lock_init(&api->keys_lock, RANK_API_PARSE);
    condition_init(&api->keys_changed);
    api->look_at_lines = strcmp(MHD_get_version(), "0.9.75") == 0;
    json_object_seed(0);
    raise_file_limit();
    fit_connections(&server->settings);
    enum err code = gate_new(server->store, &api->gate);
    if (!code)
        code = pool_new(DESK_THREADS, DESK_QUEUE, &api->desk);
    if (!code)
        code = start_loops(api, info);
    if (!code && pthread_create(&api->keys_thread, NULL, refresh_keys, api) != 0)
        code = ERR_NO_MEMORY;
    api->keys_running = code == ERR_OK;
    if (code) {
        api_stop(api);
        return err_finish(info, code);
    }
    *out = api;
    return ERR_OK;
}

const char *api_address(const struct api *api)
{
    return api->address;
}

static void wake_all(struct api *api)
{
    for (unsigned i = 0; i < api->loop_count; i++)
        if (api->loops[i].running)
            loop_wake(&api->loops[i]);
}

void api_drain(struct api *api, double seconds)
{
    struct timespec pause = {.tv_nsec = 20000000};
    double until = clock_monotonic() + seconds;
    atomic_store(&api->draining, true);
    wake_all(api);
    while (atomic_load(&api->busy) > 0 && clock_monotonic() < until)
        nanosleep(&pause, NULL);
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    atomic_store(&api->stopping, true);
    wake_all(api);
    if (api->keys_running) {
        lock_take(&api->keys_lock);
        condition_broadcast(&api->keys_changed);
        lock_release(&api->keys_lock);
        pthread_join(api->keys_thread, NULL);
    }
    for (unsigned i = 0; i < api->loop_count; i++)
        loop_join(&api->loops[i]);
    if (atomic_load(&api->abandoned)) {
        LOG_EVENT(LOG_ERROR, "handlers_stuck", LOG_T("address", api->address));
        return; /* a handler still uses all this */
    }
    pool_free(api->desk);
    gate_free(api->gate);
    condition_fini(&api->parse_free);
    lock_fini(&api->parse_lock);
    condition_fini(&api->keys_changed);
    lock_fini(&api->keys_lock);
    free(api);
}
