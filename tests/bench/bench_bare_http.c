/* SPDX-License-Identifier: MIT */
/* The yardstick for HTTP figures: libmicrohttpd with the thread mode Firth uses (external
 * epoll, one daemon a thread, SO_REUSEPORT) and a handler that answers a constant,
 * nothing else. A Firth route can come near it and never past it.
 *
 *     bench_bare_http [port [threads [body bytes]]]      stop it with a signal */
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct MHD_Response *constant;

static enum MHD_Result answer(void *context, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *bytes, size_t *size, void **state)
{
    (void)context, (void)url, (void)method, (void)version, (void)bytes;
    if (!*state) {
        *state = constant;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, constant);
}

static void *serve(void *argument)
{
    struct MHD_Daemon *daemon = argument;
    struct pollfd wait = {
        .fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
        .events = POLLIN};
    for (;;) {
        MHD_UNSIGNED_LONG_LONG timeout = 1000;
        if (MHD_get_timeout(daemon, &timeout) != MHD_YES || timeout > 1000)
            timeout = 1000;
        if (timeout > 0)
            poll(&wait, 1, (int)timeout);
        MHD_run(daemon);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    unsigned port = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 8081;
    unsigned threads = count > 2 ? (unsigned)strtoul(arguments[2], NULL, 10) : 2;
    size_t size = count > 3 ? strtoul(arguments[3], NULL, 10) : 16;
    char *body = malloc(size + 1);
    if (!body || port > 65535)
        return 2;
    memset(body, 'x', size);
    constant = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(constant, "Content-Type", "application/json");
    for (unsigned i = 0; i < threads; i++) {
        pthread_t thread;
        struct MHD_Daemon *daemon = MHD_start_daemon(
            MHD_USE_EPOLL, (uint16_t)port, NULL, NULL, answer, NULL,
            MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_CONNECTION_LIMIT, 15000u,
            MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)32768, MHD_OPTION_END);
        if (!daemon || pthread_create(&thread, NULL, serve, daemon) != 0) {
            fprintf(stderr, "port %u cannot be had\n", port);
            return 1;
        }
    }
    printf("http://127.0.0.1:%u/\n", port);
    fflush(stdout);
    for (;;)
        poll(NULL, 0, -1);
}
