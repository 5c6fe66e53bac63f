/* SPDX-License-Identifier: MIT */
/* The feed of one job. The store holds every event under a number, so the feed is a
 * cursor: it reads what is stored after the last number sent, sends it, and sleeps until
 * the supervisor says that the job has news. A client that comes back with Last-Event-ID
 * therefore misses nothing and gets nothing twice.
 *
 * The listener is registered before the first read; news that come between the two cause
 * one needless wake and no lost event. After the job finished and its last event is out,
 * the feed closes. The row of a job may say so a moment before the event is stored; and a
 * daemon that was killed in between never stored it, so the feed waits for it, not long.
 */
#include "api/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "server/server.h"

enum { EVENTS_AT_ONCE = 64, ROOM_NEEDED = 16384, LAST_EVENT_MS = 2000, POLL_US = 10000 };

struct feed {
    struct jobs_listener listener;
    struct exchange *x;
    struct server *server;
    char id[STORE_ID_SIZE];
    int64_t last; /* number of the last event sent */
    bool told;    /* the event that ends the job was among them */
};

static void feed_changed(struct jobs_listener *listener, const char *id)
{
    struct feed *feed = (struct feed *)listener;
    if (strcmp(feed->id, id) == 0)
        exchange_wake(feed->x);
}

static void feed_end(void *state)
{
    struct feed *feed = state;
    jobs_unlisten(feed->server->jobs, &feed->listener);
    free(feed);
}

/* True for the event with which a job ends. */
static bool is_last(const struct event_row *row)
{
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        char text[48];
        (void)snprintf(text, sizeof text, "\"state\":\"%s\"", job_state_names[i]);
        if (job_state_finished((enum job_state)i) && strcmp(row->type, "state") == 0 &&
            row->data && strstr(row->data, text))
            return true;
    }
    return false;
}

static enum err send_event(struct feed *feed, const struct event_row *row)
{
    char id[24];
    (void)snprintf(id, sizeof id, "%" PRId64, row->id);
    feed->last = row->id;
    feed->told = is_last(row);
    return exchange_sse_event(feed->x, id, row->type,
                              span_of_text(row->data ? row->data : "{}"));
}

/* Sends what is stored and not sent yet, as far as there is room. */
static enum err send_stored(struct feed *feed, size_t *sent, bool *more)
{
    struct event_row *rows = NULL;
    size_t count = 0;
    *sent = 0;
    enum err code = store_events_read(feed->server->store, feed->id, feed->last,
                                      EVENTS_AT_ONCE, &rows, &count);
    for (size_t i = 0; i < count; i++) {
        if (!code && exchange_room(feed->x) >= ROOM_NEEDED) {
            code = send_event(feed, &rows[i]);
            (*sent)++;
        }
    }
    *more = *sent < count || count == EVENTS_AT_ONCE;
    for (size_t i = 0; i < count; i++)
        free(rows[i].data);
    free(rows);
    return code;
}

/* The job is over; is its last event still to come? Waits a moment if so. */
static bool wait_for_last(const struct feed *feed, const struct job_row *row)
{
    int64_t since = clock_wall_ms() - row->finished_ms;
    if (feed->told || since < 0 || since > LAST_EVENT_MS)
        return false;
    (void)usleep(POLL_US);
    return true;
}

static enum err feed_more(struct exchange *x, void *state, enum pump_next *next,
                          struct err_info *info)
{
    struct feed *feed = state;
    struct job_row row = {0};
    size_t sent = 0;
    bool more = false;
    (void)x;
    /* The state is read before the events: the one that finished the job is then among
     * them. */
    enum err code = store_job_get(feed->server->store, feed->id, &row);
    bool gone = code == ERR_JOB_NOT_FOUND; /* deleted while we looked */
    bool finished = gone || (!code && job_state_finished(row.state));
    if (!code || gone)
        code = send_stored(feed, &sent, &more);
    if (!code && !more && finished && !gone)
        more = wait_for_last(feed, &row);
    job_row_fini(&row);
    *next = more ? PUMP_AGAIN : finished ? PUMP_DONE : PUMP_WAIT;
    return code ? err_finish(info, code) : ERR_OK;
}

static enum err read_last(struct exchange *x, int64_t *last, struct err_info *info)
{
    const char *text = exchange_header(x, "Last-Event-ID");
    char *end = NULL;
    if (!text)
        return exchange_query_integer(x, "last_event_id", 0, INT64_MAX, 0, last, info);
    *last = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || *last < 0)
        return err_set(info, ERR_INVALID,
                       "Last-Event-ID is the number of the last event received.");
    return ERR_OK;
}

enum err job_events_get(struct exchange *x, struct err_info *info)
{
    struct job_row row = {0};
    int64_t last = 0;
    enum err code = job_find(x, &row, info);
    if (code)
        return code;
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed)
        memcpy(feed->id, row.id, sizeof feed->id);
    job_row_fini(&row);
    if (!feed)
        return err_finish(info, ERR_NO_MEMORY);
    code = read_last(x, &last, info);
    if (!code)
        code = exchange_sse_open(x);
    if (code) {
        free(feed);
        return err_finish(info, code);
    }
    feed->x = x;
    feed->server = exchange_server(x);
    feed->last = last;
    feed->listener.changed = feed_changed;
    jobs_listen(feed->server->jobs, &feed->listener);
    exchange_pump(x, (struct pump){feed_more, feed_end, feed});
    return ERR_OK;
}
