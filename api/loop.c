/* SPDX-License-Identifier: MIT */
/* One HTTP loop: waits for the library's epoll descriptor or its own eventfd, attends to
 * exchanges that other threads changed, lets the library run, and ticks.
 *
 * Why not the library's own threads: its internal epoll loop waits again with the full
 * timeout whenever a batch has exactly 128 events, and its timeout is one of silence, so
 * a byte a second keeps a connection for ever. The tick enforces what the library does
 * not: the total time of a request head, the rate of a body, clients that left while
 * their connection is suspended, readers that do not read, idleness, pings.
 *
 * The library does not tell when the first byte of a request head came; the kernel counts
 * the bytes a socket received, so a look every while dates it well enough. */
#include "api/loop.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exchange_int.h"
#include "api/gate.h"
#include "api/ranks.h"
#include "api/reply.h"
#include "api/serve.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    PEEK_BATCH = 64,
    STOP_SECONDS = 10,
    DRAIN_GRACE_SECONDS = 1,
    TCP_STATE_ESTABLISHED = 1
};

/* ---- connections ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (!address)
        return false;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const void *)address;
    const unsigned char *bytes = v6->sin6_addr.s6_addr;
    return address->sa_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
            (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && bytes[12] == 127));
}

static void open_connection(struct loop *loop, struct MHD_Connection *mhd, void **state)
{
    struct api *api = loop->api;
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct connection *connection = memory_new_array(1, sizeof *connection);
    *state = connection;
    if (!connection) {
        shutdown(fd, SHUT_RDWR);
        return;
    }
    connection->loop = loop;
    connection->mhd = mhd;
    connection->fd = fd;
    connection->fresh = true;
    connection->idle_since = clock_monotonic();
    connection->loopback = is_loopback(
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    connection->refused =
        atomic_fetch_add(&api->connections, 1) >= api->server->settings.connections;
    if (connection->refused)
        metrics_add(api->server->metrics, METRIC_CONNECTIONS_REFUSED, 0, 1);
    connection->next = loop->connections;
    if (connection->next)
        connection->next->previous = connection;
    loop->connections = connection;
}

static void close_connection(struct loop *loop, struct connection *connection)
{
    *(connection->previous ? &connection->previous->next : &loop->connections) =
        connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    atomic_fetch_sub(&loop->api->connections, 1);
    free(connection);
}

static void notify_connection(void *context, struct MHD_Connection *mhd, void **state,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        open_connection(context, mhd, state);
    else if (*state)
        close_connection(context, *state);
}

void loop_shut(struct connection *connection)
{
    if (connection->shut)
        return;
    connection->shut = true;
    shutdown(connection->fd, SHUT_RDWR);
    if (connection->current) {
        exchange_cancel(connection->current);
        exchange_attend(connection->current);
    }
}

/* ---- the tick ---- */

/* The bytes received so far; UINT64_MAX when the peer has closed: the library may miss
 * that when the end came together with data. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
        return 0;
    return info.tcpi_state == TCP_STATE_ESTABLISHED ? info.tcpi_bytes_received
                                                    : UINT64_MAX;
}

/* Finds out when the head of the next request began to arrive. */
static void sample(struct connection *connection, double now, double every)
{
    double last =
        connection->sampled_at > 0 ? connection->sampled_at : connection->idle_since;
    if (connection->head_since > 0 || now - last < every)
        return;
    bool first = connection->sampled_at == 0 && !connection->fresh;
    uint64_t received = bytes_received(connection->fd);
    if (received == UINT64_MAX)
        loop_shut(connection);
    else if (!first && received != connection->received_bytes)
        connection->head_since = last;
    connection->received_bytes = received;
    connection->sampled_at = now;
}

static void check_idle(struct connection *connection, double now)
{
    const struct settings *settings = &connection->loop->api->server->settings;
    double head = (double)settings->header_seconds;
    bool waits = connection->fresh && now - connection->idle_since < DRAIN_GRACE_SECONDS;
    if (atomic_load(&connection->loop->api->draining) && connection->head_since == 0 &&
        !waits) { /* a new one may be about to ask whether we are ready */
        loop_shut(connection);
        return;
    }
    sample(connection, now, head / 5);
    bool slow = connection->head_since > 0 && now - connection->head_since > head;
    double idle = connection->refused ? head : (double)settings->idle_seconds;
    if (slow)
        reply_timeout(connection->fd);
    if (slow || now - connection->idle_since > idle)
        loop_shut(connection);
}

/* The sender closed and nothing it sent is left. The library clears its readiness after a
 * short read, so an end that came together with the last bytes is never told to it. */
static bool sender_left(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* A body must bring body_rate bytes a second over 30 s, or over idle_seconds when that is
 * less. Time in which the loop itself held the sender back does not count. */
static void check_body_rate(struct exchange *x, double now)
{
    const struct settings *settings = &x->api->server->settings;
    double window = settings->idle_seconds < EXCHANGE_STALL_SECONDS
                        ? (double)settings->idle_seconds
                        : EXCHANGE_STALL_SECONDS;
    if (x->suspended)
        return;
    if (sender_left(x->connection->fd)) {
        loop_shut(x->connection);
        return;
    }
    if (now - x->window_at < window)
        return;
    if ((double)x->window_bytes < (double)settings->body_rate * window) {
        reply_timeout(x->connection->fd);
        loop_shut(x->connection);
    }
    x->window_at = now;
    x->window_bytes = 0;
}

static void check_stream(struct exchange *x, double now)
{
    static const char ping[] = ": ping\n\n";
    const struct settings *settings = &x->api->server->settings;
    double stall = settings->idle_seconds < EXCHANGE_STALL_SECONDS
                       ? (double)settings->idle_seconds
                       : EXCHANGE_STALL_SECONDS;
    lock_take(&x->lock);
    bool waiting = x->out.bytes.size > x->out.at;
    bool due = x->reply.sse && !waiting && !x->out.ended && x->opened &&
               now - x->event_at >= EXCHANGE_PING_SECONDS;
    if (due) {
        buffer_append(&x->out.bytes, ping, sizeof ping - 1);
        x->event_at = now;
    }
    bool pump_end = x->reply.sse && x->pump_set && !x->out.ended && !x->failed &&
                    atomic_load(&x->api->draining);
    if (pump_end) {
        struct err_info info = {0};
        err_set(&info, ERR_UNAVAILABLE, "The service is about to stop");
        exchange_put_error_event(x, ERR_UNAVAILABLE, &info);
        x->pump_next = PUMP_DONE;
        x->out.ended = true;
    }
    lock_release(&x->lock);
    if (!waiting)
        x->progress_at = now;
    if (waiting && now - x->progress_at > stall)
        loop_shut(x->connection);
    if (due || pump_end || x->pump_set)
        exchange_attend(x);
}

static void check_connection(struct connection *connection, double now)
{
    struct exchange *x = connection->current;
    const struct settings *settings = &connection->loop->api->server->settings;
    if (connection->shut)
        return;
    if (!x) {
        check_idle(connection, now);
        return;
    }
    double began = connection->head_since > 0 ? connection->head_since : x->started;
    switch (x->stage) {
    case STAGE_HEAD:
        if (now - began > (double)settings->header_seconds) {
            reply_timeout(connection->fd);
            loop_shut(connection);
        }
        break;
    case STAGE_BODY:
        check_body_rate(x, now);
        break;
    case STAGE_WAIT:
        break;
    case STAGE_REPLY:
        if (x->reply.kind == REPLY_STREAM)
            check_stream(x, now);
        break;
    }
}

static void peek_batch(struct pollfd *fds, struct exchange **who, size_t count)
{
    if (count == 0 || poll(fds, count, 0) <= 0)
        return;
    for (size_t i = 0; i < count; i++)
        if (fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
            exchange_cancel(who[i]);
            exchange_attend(who[i]);
        }
}

/* Clients of suspended connections that left: the library does not look at those. */
static void peek(struct loop *loop)
{
    struct pollfd fds[PEEK_BATCH];
    struct exchange *who[PEEK_BATCH];
    size_t count = 0;
    for (struct connection *c = loop->connections; c; c = c->next) {
        if (!c->current || !c->current->suspended || atomic_load(&c->current->gone))
            continue;
        fds[count] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
        who[count++] = c->current;
        if (count == PEEK_BATCH) {
            peek_batch(fds, who, count);
            count = 0;
        }
    }
    peek_batch(fds, who, count);
}

static void set_gauges(struct api *api)
{
    struct server *server = api->server;
    metrics_set(server->metrics, METRIC_CONNECTIONS, 0, atomic_load(&api->connections));
    metrics_set(server->metrics, METRIC_STREAMS, 0, atomic_load(&api->streams));
    if (server->pool)
        metrics_set(server->metrics, METRIC_INFERENCE_WAITING, 0,
                    (double)pool_waiting(server->pool));
}

static void tick(struct loop *loop, double now)
{
    struct connection *next;
    loop->ticked_at = now;
    for (struct connection *c = loop->connections; c; c = next) {
        next = c->next;
        check_connection(c, now);
    }
    peek(loop);
    access_flush(&loop->log);
    if (loop->index == 0)
        set_gauges(loop->api);
}

/* ---- the loop ---- */

void loop_wake(struct loop *loop)
{
    eventfd_write(loop->wake_fd, 1);
}

static struct exchange *pop_attend(struct loop *loop)
{
    lock_take(&loop->lock);
    struct exchange *x = loop->attend;
    if (x) {
        loop->attend = x->attend_next;
        x->attend_queued = false;
    } else {
        loop->woken = false;
    }
    lock_release(&loop->lock);
    return x;
}

static void attend_all(struct loop *loop)
{
    struct exchange *x;
    while ((x = pop_attend(loop)))
        serve_attend(x);
}

static void wait_for_events(struct loop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout;
    double until = loop->ticked_at + LOOP_TICK_MS / 1000.0 - clock_monotonic();
    int milliseconds = until > 0 ? (int)(until * 1000) + 1 : 0;
    struct pollfd fds[2] = {
        {.fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
         .events = POLLIN},
        {.fd = loop->wake_fd, .events = POLLIN}};
    if (MHD_get_timeout(loop->daemon, &timeout) == MHD_YES &&
        timeout < (MHD_UNSIGNED_LONG_LONG)milliseconds)
        milliseconds = (int)timeout;
    if (milliseconds > 0 && poll(fds, 2, milliseconds) > 0 && fds[1].revents) {
        eventfd_t ignored;
        eventfd_read(loop->wake_fd, &ignored);
    }
}

/* Everything goes: sockets are shut, handlers told; true when nothing is left. */
static bool wind_up(struct loop *loop)
{
    struct exchange *next;
    for (struct connection *c = loop->connections; c; c = c->next)
        loop_shut(c);
    for (struct exchange *x = loop->alive; x; x = next) {
        next = x->next;
        if (!atomic_load(&x->gone))
            exchange_cancel(x);
        serve_attend(x);
    }
    return !loop->connections && !loop->alive;
}

static void run_until_stopped(struct loop *loop)
{
    double deadline = 0;
    while (true) {
        attend_all(loop);
        MHD_run(loop->daemon);
        double now = clock_monotonic();
        if (now - loop->ticked_at >= LOOP_TICK_MS / 1000.0)
            tick(loop, now);
        if (atomic_load(&loop->api->stopping)) {
            if (deadline == 0) {
                int fd = MHD_quiesce_daemon(loop->daemon);
                if (fd >= 0)
                    close(fd);
                deadline = now + STOP_SECONDS;
            }
            if (wind_up(loop))
                return;
            if (now > deadline) {
                atomic_store(&loop->api->abandoned, true);
                return;
            }
            loop->ticked_at = now - LOOP_TICK_MS / 1000.0 + 0.01; /* look again soon */
        }
        wait_for_events(loop);
    }
}

static void *run(void *argument)
{
    struct loop *loop = argument;
    run_until_stopped(loop);
    if (!atomic_load(&loop->api->abandoned))
        MHD_stop_daemon(loop->daemon);
    access_flush(&loop->log);
    return NULL;
}

/* ---- starting ---- */

/* The target is decoded by target.c; the library must leave it as it is. */
static size_t leave_as_is(void *context, struct MHD_Connection *mhd, char *text)
{
    (void)context, (void)mhd;
    return strlen(text);
}

static void log_library(void *context, const char *format, va_list arguments)
{
    char text[LOG_VALUE_MAX];
    (void)context;
    if (!log_wants(LOG_DEBUG))
        return;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    LOG_EVENT(LOG_DEBUG, "http_library", LOG_T("message", text));
}

static void panic(void *context, const char *file, unsigned line, const char *reason)
{
    (void)context;
    LOG_EVENT(LOG_ERROR, "http_library_panic", LOG_T("file", file), LOG_I("line", line),
              LOG_T("reason", reason));
    raise(SIGABRT); /* the library cannot go on, and must not return from here */
}

static struct MHD_Daemon *start_daemon(struct loop *loop, int listen_fd)
{
    const struct settings *settings = &loop->api->server->settings;
    unsigned most = (unsigned)(settings->connections + settings->connections / 10 + 64);
    /* Only the loop's own thread resumes, so the library needs no channel to wake it. */
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG |
                     ((unsigned)MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
    MHD_set_panic_func(panic, NULL);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, serve_request, loop, /* the order of options matters */
        MHD_OPTION_EXTERNAL_LOGGER, log_library, loop, MHD_OPTION_LISTEN_SOCKET,
        listen_fd, MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)settings->idle_seconds + 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)LOOP_MEMORY_LIMIT, MHD_OPTION_NOTIFY_CONNECTION, notify_connection, loop,
        MHD_OPTION_NOTIFY_COMPLETED, serve_completed, loop, MHD_OPTION_URI_LOG_CALLBACK,
        serve_target, loop, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_is, NULL,
        MHD_OPTION_END);
}

enum err loop_start(struct api *api, struct loop *loop, int listen_fd,
                    struct err_info *info)
{
    loop->api = api;
    loop->ticked_at = clock_monotonic();
    random_seed(&loop->random, random_from_system(), loop->index);
    lock_init(&loop->lock, RANK_API_LOOP);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    enum err code = access_init(&loop->log, api->route_count);
    if (!code && loop->wake_fd >= 0)
        loop->daemon = start_daemon(loop, listen_fd);
    if (!loop->daemon) {
        close(listen_fd);
        return err_set(info, code ? code : ERR_IO, "The HTTP library did not start");
    }
    if (pthread_create(&loop->thread, NULL, run, loop) != 0) {
        MHD_stop_daemon(loop->daemon);
        return err_set(info, ERR_NO_MEMORY, "No thread could be started");
    }
    loop->running = true;
    return ERR_OK;
}

void loop_join(struct loop *loop)
{
    if (loop->running)
        pthread_join(loop->thread, NULL);
    if (!loop->api || atomic_load(&loop->api->abandoned))
        return;
    while (loop->spares) {
        struct exchange *next = loop->spares->next;
        exchange_destroy(loop->spares);
        loop->spares = next;
    }
    access_fini(&loop->log);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    lock_fini(&loop->lock);
}
