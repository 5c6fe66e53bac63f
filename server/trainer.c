/* SPDX-License-Identifier: MIT */
/* The trainer: a process that is told over a socket what to do, reads its input from
 * descriptors it was started with, and answers with frames. It opens no database and
 * keeps nothing; whatever happens to it costs one job.
 *
 * Two threads. The main one works; its progress hook, checkpoints and model file become
 * frames. The control thread sends a heartbeat every second (with the number of reports,
 * so that a trainer that lives but no longer moves is seen) and listens for "stop" and
 * for the answers to checkpoints. A socket that is full blocks the sender: that is how a
 * slow disk slows a trainer. When the daemon is gone the kernel kills this process; until
 * then every hook says "stop". */
#include "server/trainer.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "server/frames.h"
#include "server/messages.h"
#include "server/ranks.h"
#include "server/sandbox.h"
#include "server/server.h"
#include "server/spawn.h"

enum { MESSAGE_MAX = 64 << 10, READ_SIZE = 16 << 10 };
/* The first checkpoint comes soon: a job that is cancelled then leaves one even when its
 * step takes longer than the daemon waits. */
static const double PROGRESS_EVERY = 0.25, FIRST_CHECKPOINT_AFTER = 1;

struct trainer {
    int fd;
    struct lock lock; /* sending, and the answer to a checkpoint */
    struct condition answered;
    struct buffer frame; /* the frame being sent */
    struct buffer last_words;
    double beat_s;
    bool have_answer;
    enum err answer;
    atomic_bool stop;   /* asked to end, or the daemon is gone */
    atomic_bool gone;   /* the daemon, or its side of the socket */
    atomic_bool ending; /* the control thread shall return */
    _Atomic uint64_t reports;
    struct frame_decoder decoder;
    /* The main thread's own: */
    double checkpoint_every, checkpoint_due;
    struct progress_report last; /* the newest report, */
    char phase[MESSAGE_PHASE_SIZE];
    bool unsent; /* and whether it is still to be sent */
    double last_sent;
    uint64_t artefact_size;
    struct buffer artefact; /* a chunk being filled */
};

/* The daemon is gone: whoever waits for it wakes up, every hook says "stop". Lock held.
 */
static void lose_daemon(struct trainer *trainer)
{
    atomic_store(&trainer->gone, true);
    atomic_store(&trainer->stop, true);
    condition_broadcast(&trainer->answered);
}

/* Sends all of the frame buffer. Lock held. */
static enum err send_frame(struct trainer *trainer)
{
    const char *next = trainer->frame.bytes;
    size_t left = trainer->frame.size;
    while (left > 0 && !atomic_load(&trainer->gone)) {
        ssize_t sent = send(trainer->fd, next, left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            lose_daemon(trainer);
        } else {
            next += sent;
            left -= (size_t)sent;
        }
    }
    return left > 0 ? ERR_IO : ERR_OK;
}

static enum err tell(struct trainer *trainer, enum frame_type type, struct span payload)
{
    lock_take(&trainer->lock);
    buffer_clear(&trainer->frame);
    enum err code = frame_encode(&trainer->frame, type, payload);
    if (!code)
        code = send_frame(trainer);
    lock_release(&trainer->lock);
    return code;
}

/* Sends a message that was written into `payload`, which is freed. */
static enum err tell_message(struct trainer *trainer, enum frame_type type,
                             struct buffer *payload)
{
    enum err code = payload->failed
                        ? payload->failed
                        : tell(trainer, type, span_of(payload->bytes, payload->size));
    buffer_fini(payload);
    return code;
}

/* As tell_message, for what may be lost when memory is short: the training meets the
 * same shortage and ends with it. */
static void mention(struct trainer *trainer, enum frame_type type, struct buffer *payload)
{
    if (tell_message(trainer, type, payload))
        LOG_EVENT(LOG_DEBUG, "trainer_frame_lost", LOG_I("type", type));
}

/* ---- the control thread ---- */

static void take_frame(struct trainer *trainer, const struct frame *frame)
{
    uint64_t code;
    if (frame->type == FRAME_STOP)
        atomic_store(&trainer->stop, true);
    if (frame->type != FRAME_KEPT || !messages_number_read(frame->payload, &code))
        return;
    lock_take(&trainer->lock);
    trainer->answer = code < ERR_COUNT ? (enum err)code : ERR_PROTOCOL;
    trainer->have_answer = true;
    condition_broadcast(&trainer->answered);
    lock_release(&trainer->lock);
}

/* Reads once; false when the daemon is gone or talks nonsense. */
static bool listen_once(struct trainer *trainer)
{
    char bytes[READ_SIZE];
    struct frame frame;
    bool have = true;
    ssize_t got = recv(trainer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (got == 0 || frame_decoder_give(&trainer->decoder, bytes, (size_t)got))
        return false;
    while (have) {
        if (frame_decoder_next(&trainer->decoder, &frame, &have))
            return false;
        if (have)
            take_frame(trainer, &frame);
    }
    return true;
}

static void beat(struct trainer *trainer)
{
    struct buffer payload;
    buffer_init(&payload, MESSAGE_MAX);
    messages_number_write(atomic_load(&trainer->reports), &payload);
    mention(trainer, FRAME_HEARTBEAT, &payload);
}

static void *control(void *argument)
{
    struct trainer *trainer = argument;
    double next_beat = 0;
    while (!atomic_load(&trainer->ending) && !atomic_load(&trainer->gone)) {
        double now = clock_monotonic();
        if (now >= next_beat) {
            next_beat = now + trainer->beat_s;
            beat(trainer);
        }
        struct pollfd watched = {.fd = trainer->fd, .events = POLLIN};
        int ready = poll(&watched, 1, (int)((next_beat - now) * 1000) + 1);
        if (ready > 0 && !listen_once(trainer) && !atomic_load(&trainer->ending)) {
            lock_take(&trainer->lock);
            lose_daemon(trainer);
            lock_release(&trainer->lock);
        }
    }
    return NULL;
}

/* ---- the hooks of the training ---- */

static void send_progress(struct trainer *trainer)
{
    struct buffer payload;
    trainer->unsent = false;
    buffer_init(&payload, MESSAGE_MAX);
    progress_write(&trainer->last, &payload);
    mention(trainer, FRAME_PROGRESS, &payload);
}

/* Keeps the report; true when it is time to send one: the first, a new phase, or a while
 * after the last. */
static bool keep_report(struct trainer *trainer, const struct progress_report *report,
                        double now)
{
    const char *phase = report->phase ? report->phase : "";
    bool same = strncmp(phase, trainer->phase, MESSAGE_PHASE_SIZE - 1) == 0;
    bool due =
        trainer->last_sent == 0 || !same || now - trainer->last_sent >= PROGRESS_EVERY;
    snprintf(trainer->phase, sizeof trainer->phase, "%s", phase);
    trainer->last = *report;
    trainer->last.phase = trainer->phase;
    trainer->unsent = true;
    if (due)
        trainer->last_sent = now;
    return due;
}

static enum progress_answer on_report(void *context, const struct progress_report *report)
{
    struct trainer *trainer = context;
    double now = clock_monotonic();
    atomic_fetch_add(&trainer->reports, 1);
    if (keep_report(trainer, report, now))
        send_progress(trainer);
    if (atomic_load(&trainer->stop))
        return PROGRESS_STOP;
    return trainer->checkpoint_every > 0 && now >= trainer->checkpoint_due
               ? PROGRESS_CHECKPOINT
               : PROGRESS_GO_ON;
}

static void on_metric(void *context, const char *series, uint64_t step, double value)
{
    struct buffer payload;
    buffer_init(&payload, MESSAGE_MAX);
    metric_write(series, step, value, &payload);
    mention(context, FRAME_METRIC, &payload);
}

static void on_note(void *context, const char *text)
{
    struct buffer payload;
    buffer_init(&payload, MESSAGE_MAX);
    buffer_append(&payload, text, strnlen(text, MESSAGE_MAX));
    mention(context, FRAME_NOTE, &payload);
}

static enum err wait_for_answer(struct trainer *trainer)
{
    lock_take(&trainer->lock);
    while (!trainer->have_answer && !atomic_load(&trainer->gone))
        condition_wait(&trainer->answered, &trainer->lock, -1);
    enum err code = trainer->have_answer ? trainer->answer : ERR_IO;
    lock_release(&trainer->lock);
    return code;
}

static enum err on_checkpoint(void *context, uint64_t step, struct span bytes)
{
    struct trainer *trainer = context;
    struct buffer payload;
    enum err code = ERR_OK;
    lock_take(&trainer->lock);
    trainer->have_answer = false;
    lock_release(&trainer->lock);
    for (size_t at = 0; !code && at < bytes.size; at += FRAME_CHUNK) {
        size_t rest = bytes.size - at;
        code = tell(trainer, FRAME_CHECKPOINT,
                    span_of(bytes.bytes + at, rest < FRAME_CHUNK ? rest : FRAME_CHUNK));
    }
    buffer_init(&payload, MESSAGE_MAX);
    checkpoint_end_write(step, bytes.size, &payload);
    if (code)
        buffer_fini(&payload);
    else
        code = tell_message(trainer, FRAME_CHECKPOINT_END, &payload);
    trainer->checkpoint_due = clock_monotonic() + trainer->checkpoint_every;
    return code ? code : wait_for_answer(trainer);
}

static enum err flush_artefact(struct trainer *trainer)
{
    struct span chunk = span_of(trainer->artefact.bytes, trainer->artefact.size);
    enum err code = chunk.size ? tell(trainer, FRAME_ARTEFACT, chunk) : ERR_OK;
    buffer_clear(&trainer->artefact);
    return code;
}

static enum err on_artefact(void *context, const void *bytes, size_t size)
{
    struct trainer *trainer = context;
    const char *next = bytes;
    enum err code = ERR_OK;
    trainer->artefact_size += size;
    while (!code && size > 0) {
        size_t room = FRAME_CHUNK - trainer->artefact.size;
        size_t part = size < room ? size : room;
        code = buffer_append(&trainer->artefact, next, part);
        next += part;
        size -= part;
        if (!code && trainer->artefact.size == FRAME_CHUNK)
            code = flush_artefact(trainer);
    }
    return code;
}

/* ---- beginning and end ---- */

/* Waits for the hello; its payload stays in the decoder until more bytes come. */
static bool read_hello(struct trainer *trainer, struct buffer *payload,
                       struct hello_message *hello)
{
    char bytes[READ_SIZE];
    struct frame frame = {0};
    bool have = false;
    while (!have) {
        ssize_t got = recv(trainer->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || frame_decoder_give(&trainer->decoder, bytes, (size_t)got) ||
            frame_decoder_next(&trainer->decoder, &frame, &have))
            return false;
    }
    return frame.type == FRAME_HELLO &&
           !buffer_append(payload, frame.payload.bytes, frame.payload.size) &&
           hello_read(span_of(payload->bytes, payload->size), hello);
}

static enum err map_fd(int fd, struct span *content)
{
    struct stat about;
    *content = span_of("", 0);
    if (fstat(fd, &about))
        return err_from_errno(errno);
    if (about.st_size == 0)
        return ERR_OK;
    void *mapped = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        return err_from_errno(errno);
    *content = span_of(mapped, (size_t)about.st_size);
    return ERR_OK;
}

static enum err map_input(const struct hello_message *hello, struct train_input *input)
{
    int fd = TRAINER_SOCKET + 1;
    enum err code = hello->has_text ? map_fd(fd++, &input->text) : ERR_OK;
    if (!code && hello->has_valid)
        code = map_fd(fd++, &input->valid);
    if (!code && hello->has_resume)
        code = map_fd(fd++, &input->resume);
    for (uint32_t i = 0; !code && i < hello->components; i++)
        code = map_fd(fd++, &input->components[i]);
    input->component_count = hello->components;
    input->scratch_directory = *hello->scratch ? hello->scratch : NULL;
    return code;
}

/* Works without memory, too: its buffers were set aside at the start. */
static void tell_error(struct trainer *trainer, enum err code, struct err_info *info)
{
    err_finish(info, code);
    error_write(code, info, &trainer->last_words);
    mention(trainer, FRAME_ERROR, &trainer->last_words);
}

static enum err tell_result(struct trainer *trainer, const struct train_result *result)
{
    struct buffer payload;
    enum err code = flush_artefact(trainer);
    if (code)
        return code;
    buffer_init(&payload, MESSAGE_MAX);
    result_write(result, trainer->artefact_size, &payload);
    return tell_message(trainer, FRAME_RESULT, &payload);
}

static enum err work(struct trainer *trainer, const struct hello_message *hello,
                     const struct work *table, struct err_info *info)
{
    struct train_input input = {.text = span_of("", 0)};
    struct work_order *order;
    struct train_result result = {0};
    const struct progress progress = {trainer, on_report, on_metric, on_note,
                                      on_checkpoint};
    const struct writer artefact = {trainer, on_artefact};
    enum err code = work_order_read(table, hello->work, hello->spec, &order, info);
    if (code)
        return code;
    code = map_input(hello, &input);
    trainer->checkpoint_every = order->checkpoint_every_s;
    trainer->checkpoint_due =
        clock_monotonic() + fmin(trainer->checkpoint_every, FIRST_CHECKPOINT_AFTER);
    if (!code)
        code = order->work->run(order, &input, &progress, &artefact, &result, info);
    free(order);
    if (trainer->unsent)
        send_progress(trainer);
    return code ? code : tell_result(trainer, &result);
}

static void trainer_init(struct trainer *trainer, int fd)
{
    *trainer = (struct trainer){.fd = fd};
    lock_init(&trainer->lock, RANK_TRAINER);
    condition_init(&trainer->answered);
    buffer_init(&trainer->frame, FRAME_HEAD + FRAME_PAYLOAD_MAX);
    buffer_reserve(&trainer->frame, FRAME_HEAD + FRAME_CHUNK);
    buffer_init(&trainer->last_words, MESSAGE_MAX);
    buffer_reserve(&trainer->last_words, sizeof(struct err_info) + 64);
    buffer_init(&trainer->artefact, FRAME_CHUNK);
    frame_decoder_init(&trainer->decoder);
}

static void trainer_fini(struct trainer *trainer)
{
    frame_decoder_fini(&trainer->decoder);
    buffer_fini(&trainer->artefact);
    buffer_fini(&trainer->last_words);
    buffer_fini(&trainer->frame);
    condition_fini(&trainer->answered);
    lock_fini(&trainer->lock);
}

static int serve_job(struct trainer *trainer, const struct work *table)
{
    struct hello_message hello;
    struct buffer payload;
    struct err_info info = {0};
    pthread_t thread;
    int status = 1;
    buffer_init(&payload, FRAME_PAYLOAD_MAX);
    if (!read_hello(trainer, &payload, &hello) || getppid() != (pid_t)hello.parent)
        goto done;
    sandbox_enter(hello.scratch);
    trainer->beat_s = hello.beat_s;
    if (pthread_create(&thread, NULL, control, trainer)) {
        tell_error(trainer, ERR_NO_MEMORY, &info);
        goto done;
    }
    enum err code = work(trainer, &hello, table, &info);
    if (code)
        tell_error(trainer, code, &info);
    status = atomic_load(&trainer->gone) ? 1 : 0;
    atomic_store(&trainer->ending, true);
    shutdown(trainer->fd, SHUT_RD);
    pthread_join(thread, NULL);
done:
    buffer_fini(&payload);
    return status;
}

int trainer_run(int socket_fd, const struct work *table)
{
    struct trainer trainer;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "firth-trainer");
    signal(SIGPIPE, SIG_IGN);
    sandbox_prepare();
    trainer_init(&trainer, socket_fd);
    int status = serve_job(&trainer, table);
    trainer_fini(&trainer);
    return status;
}

int trainer_main(int socket_fd)
{
    return trainer_run(socket_fd, works);
}
