/* SPDX-License-Identifier: MIT */
/* The HTTP loops: each one is a thread, a libmicrohttpd daemon on its own listening
 * socket, and the exchanges on that daemon's connections. Private to api/. */
#ifndef FIRTH_API_LOOP_H
#define FIRTH_API_LOOP_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access.h"
#include "api/route.h"
#include "base/lock.h"
#include "base/random.h"
#include "server/pool.h"
#include "server/server.h"

enum {
    LOOP_MOST = 16,
    LOOP_TICK_MS = 250,
    LOOP_SPARES = 64,
    LOOP_ADDRESS_SIZE = 300,
    LOOP_MEMORY_LIMIT = 16384 /* the library's pool of one connection */
};

/* One TCP connection. Only its loop's thread touches it. */
struct connection {
    struct loop *loop;
    struct connection *previous, *next;
    struct MHD_Connection *mhd;
    int fd;
    bool refused;             /* over the soft cap: 503 and close */
    bool loopback;            /* the peer's address is a loopback one */
    bool fresh;               /* no request has ended on it yet */
    bool shut;                /* we shut it down; the library will find out */
    struct exchange *current; /* the request in progress, NULL between requests */
    double idle_since;        /* accepted, or the last reply ended */
    double sampled_at;        /* when received_bytes was last looked at */
    double head_since;        /* when a request head had begun; 0: not yet */
    uint64_t received_bytes;
};

struct loop {
    struct api *api;
    unsigned index;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool running;
    int wake_fd; /* an eventfd */
    struct connection *connections;
    struct exchange *spares; /* to be used again */
    size_t spare_count;
    struct exchange *alive; /* all that are not spares */
    double ticked_at;
    struct random random;
    struct access_log log;
    struct lock lock;
    struct exchange *attend; /* exchanges that changed; under lock */
    bool woken;              /* the eventfd was written; under lock */
};

struct api {
    struct server *server;
    const struct route *routes;
    size_t route_count;
    struct loop loops[LOOP_MOST];
    unsigned loop_count;
    struct pool *desk; /* threads for what waits on the disk or the client */
    struct gate *gate;
    char address[LOOP_ADDRESS_SIZE], host[LOOP_ADDRESS_SIZE];
    bool any_address;   /* listens on 0.0.0.0 or [::] */
    bool look_at_lines; /* the library is the one whose memory request.c knows */
    atomic_int connections, streams, busy;
    atomic_bool draining, stopping, abandoned;
    struct lock parse_lock;
    struct condition parse_free;
    struct lock keys_lock; /* only to wait for keys_changed */
    struct condition keys_changed;
    pthread_t keys_thread;
    bool keys_running;
    unsigned parsing; /* large bodies being parsed; under parse_lock */
};

MUST_CHECK enum err loop_start(struct api *api, struct loop *loop, int listen_fd,
                               struct err_info *info);
/* Waits for the thread after `stopping` was set. */
void loop_join(struct loop *loop);
void loop_wake(struct loop *loop);
/* Shuts a connection's socket down, so that the library drops it. */
void loop_shut(struct connection *connection);

#endif
