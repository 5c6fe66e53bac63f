/* SPDX-License-Identifier: MIT */
/* Listening to a trainer: frames become progress, curve points, events, checkpoints and
 * the model file. Chunks go straight into the store, on this thread; while it writes, it
 * does not read, the socket fills and the trainer waits. Silence is therefore counted
 * only from the moment this thread is back at poll().
 *
 * Nothing a trainer sends is trusted: sizes are compared, numbers are brought into range,
 * and what makes no sense ends the attempt. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/jobs_int.h"
#include "server/metrics.h"

enum { READ_SIZE = 128 << 10, MESSAGE_MAX = 128 << 10 };
static const double BEAT_LONGEST = 1;
static const double FLUSH_EVERY = 1.0, CANCEL_PATIENCE = 1.5, PAUSE_PATIENCE = 20,
                    ANSWER_PATIENCE = 0.5, STOP_MARGIN = 1;
/* A trainer that beats but reports nothing for so many heartbeats has stalled. */
static const double STALL_HEARTBEATS = 20, STALL_LEAST = 600;

static void end(struct run *run, enum ending ending, enum err code, const char *message)
{
    if (run->ending)
        return;
    run->ending = ending;
    if (code)
        err_set(&run->error, code, "%s", message);
}

static void end_protocol(struct run *run, const char *what)
{
    char message[200];
    snprintf(message, sizeof message, "the trainer broke its protocol: %s", what);
    end(run, ENDING_PROTOCOL, ERR_PROTOCOL, message);
}

/* ---- to the trainer ---- */

static void tell(struct run *run, enum frame_type type, struct buffer *payload)
{
    struct buffer frame;
    buffer_init(&frame, MESSAGE_MAX);
    enum err code =
        payload->failed
            ? payload->failed
            : frame_encode(&frame, type, span_of(payload->bytes, payload->size));
    if (code) {
        end_protocol(run, "a message to it is too large");
    } else {
        ssize_t sent = send(run->runner->socket_fd, frame.bytes, frame.size,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0 && (size_t)sent < frame.size)
            end_protocol(run, "it does not read what it is told");
        /* A failed send shows as the end of the stream at the next read. */
    }
    buffer_fini(&frame);
    buffer_fini(payload);
}

static void tell_number(struct run *run, enum frame_type type, uint64_t number)
{
    struct buffer payload;
    buffer_init(&payload, 64);
    messages_number_write(number, &payload);
    tell(run, type, &payload);
}

void listen_hello(struct run *run)
{
    const struct runner *runner = run->runner;
    struct buffer payload;
    struct hello_message hello = {
        .parent = (uint32_t)getpid(),
        .has_text = runner->feed.corpus != NULL,
        .has_valid = runner->feed.valid != NULL,
        .has_resume = runner->feed.resume != NULL,
        .components = (uint32_t)runner->feed.component_count,
        .beat_s = fmin(BEAT_LONGEST, run->jobs->setup.heartbeat_seconds / 4),
        .spec = span_of_text(runner->row.spec),
    };
    run->resumes = hello.has_resume;
    snprintf(hello.work, sizeof hello.work, "%s", runner->row.type);
    snprintf(hello.scratch, sizeof hello.scratch, "%s", run->jobs->scratch);
    buffer_init(&payload, MESSAGE_MAX);
    hello_write(&hello, &payload);
    tell(run, FRAME_HELLO, &payload);
}

/* ---- progress ---- */

static double in_range(double value, double most)
{
    return !(value > 0) ? 0 : value < most ? value : most;
}

static uint64_t for_store(uint64_t value)
{
    return value < INT64_MAX ? value : INT64_MAX;
}

static void take_progress(struct run *run, struct span payload)
{
    struct progress_message *progress = &run->progress;
    struct job_row *row = &run->runner->row;
    uint64_t before = run->tokens;
    if (!progress_read(payload, progress)) {
        end_protocol(run, "progress");
        return;
    }
    row->fraction = progress->fraction = in_range(progress->fraction, 1);
    row->epoch = progress->epoch = in_range(progress->epoch, 1e12);
    row->step = for_store(progress->step);
    row->steps_total = for_store(progress->steps_total);
    if (progress->tokens > run->tokens) /* evaluation counts anew; training does not */
        run->tokens = for_store(progress->tokens);
    if (before == 0 && run->resumes) { /* the checkpoint's, not this run's */
        before = run->rated_tokens = run->tokens;
        run->rated_at = clock_monotonic();
    }
    progress->tokens = row->tokens = run->tokens;
    run->progress_new = true;
    if (run->jobs->setup.metrics && row->tokens > before)
        metrics_add(run->jobs->setup.metrics, METRIC_TRAIN_TOKENS, 0,
                    (double)(row->tokens - before));
}

/* Tokens a second, smoothed over a few seconds; zero where none are seen. */
static void rate_progress(struct run *run, double now)
{
    uint64_t tokens = run->tokens;
    double elapsed = now - run->rated_at;
    if (elapsed >= 0.5) {
        double moment = (double)(tokens - run->rated_tokens) / elapsed;
        double weight = run->rate > 0 ? 1 - exp(-elapsed / 5) : 1;
        run->rate += weight * (moment - run->rate);
        run->rated_at = now;
        run->rated_tokens = tokens;
    }
    run->runner->row.tokens_per_second = run->rate;
}

static void tell_progress(struct run *run, double now)
{
    rate_progress(run, now);
    chronicle_progress(&run->chronicle, &run->progress, run->rate,
                       jobs_seconds_left(&run->runner->row, now - run->started));
    run->progress_new = false;
}

enum err listen_flush(struct run *run)
{
    bool wrote = false, moved = run->progress_new;
    double now = clock_monotonic();
    enum err code = ERR_OK;
    run->last_flush = now;
    if (moved) {
        tell_progress(run, now);
        code = store_job_update(run->jobs->setup.store, &run->runner->row);
    }
    if (code == ERR_CONFLICT || code == ERR_JOB_NOT_FOUND) {
        end(run, ENDING_STALE, ERR_CONFLICT, "another attempt has taken the job over");
        return code;
    }
    code = chronicle_flush(&run->chronicle, &wrote);
    if (wrote)
        jobs_notify(run->jobs, run->runner->id);
    return code;
}

static void flush_or_carry_on(struct run *run)
{
    if (listen_flush(run))
        return; /* lost curves are no reason to lose the training */
}

static void take_metric(struct run *run, struct span payload)
{
    struct metric_message metric;
    struct job_row *row = &run->runner->row;
    if (!metric_read(payload, &metric)) {
        end_protocol(run, "metric");
        return;
    }
    metric.step = for_store(metric.step);
    chronicle_metric(&run->chronicle, &metric);
    bool is_loss = strcmp(metric.series, "valid_loss") == 0;
    run->has_valid_loss |= is_loss;
    double loss = is_loss ? metric.value
                  : strcmp(metric.series, "valid_perplexity") == 0 && !run->has_valid_loss
                      ? log(metric.value)
                      : NAN;
    if (isfinite(loss) && (isnan(row->best_loss) || loss < row->best_loss)) {
        row->best_loss = loss;
        row->best_step = metric.step;
        run->progress_new = true;
    }
}

/* ---- checkpoints and the model file ---- */

static enum err receive(struct run *run, struct store_upload **upload,
                        struct span payload)
{
    enum err code = ERR_OK;
    if (!*upload)
        code = store_upload_begin(run->jobs->setup.store, upload);
    if (!code)
        code = store_upload_write(*upload, payload.bytes, payload.size);
    if (code) {
        store_upload_abort(*upload);
        *upload = NULL;
    }
    return code;
}

static void take_checkpoint_chunk(struct run *run, struct span payload)
{
    if (!run->checkpoint_error)
        run->checkpoint_error = receive(run, &run->checkpoint, payload);
}

/* Puts the received checkpoint in place. Takes the upload. */
static enum err keep_checkpoint(struct run *run, uint64_t step, uint64_t size)
{
    struct runner *runner = run->runner;
    struct store_upload *upload = run->checkpoint;
    struct err_info info = {0};
    bool best = !isnan(runner->row.best_loss) &&
                runner->row.best_step > run->last_checkpoint_step &&
                runner->row.best_step <= step;
    run->checkpoint = NULL;
    enum err code =
        store_checkpoint_commit(upload, runner->id, runner->row.fence, step, best, &info);
    if (code == ERR_CONFLICT)
        end(run, ENDING_STALE, code, "another attempt has taken the job over");
    if (code)
        return code;
    run->last_checkpoint_step = step;
    if (runner->row.attempts > 1)
        runner->row.attempts = 1; /* it got further: only attempts that do not count */
    chronicle_checkpoint(&run->chronicle, step, size, best);
    return ERR_OK;
}

static void take_checkpoint_end(struct run *run, struct span payload)
{
    uint64_t step, size;
    if (!checkpoint_end_read(payload, &step, &size)) {
        end_protocol(run, "end of a checkpoint");
        return;
    }
    enum err code = run->checkpoint_error;
    if (!code && (!run->checkpoint || store_upload_size(run->checkpoint) != size)) {
        end_protocol(run, "a checkpoint of another size than it says");
        return;
    }
    if (!code)
        code = keep_checkpoint(run, for_store(step), size);
    run->checkpoint_error = ERR_OK;
    tell_number(run, FRAME_KEPT, (uint64_t)code);
    flush_or_carry_on(run);
}

static void take_artefact_chunk(struct run *run, struct span payload)
{
    enum err code = receive(run, &run->artefact, payload);
    char message[200];
    if (!code)
        return;
    snprintf(message, sizeof message, "the model file could not be stored: %s",
             err_text(code));
    end(run, ENDING_STORE, code, message);
}

static void take_result(struct run *run, struct span payload)
{
    uint64_t size;
    if (!result_read(payload, &run->result, &size))
        end_protocol(run, "result");
    else if (!run->artefact || store_upload_size(run->artefact) != size)
        end_protocol(run, "a model file of another size than it says");
    else
        end(run, ENDING_RESULT, ERR_OK, "");
}

static void take_error(struct run *run, struct span payload)
{
    struct err_info info;
    if (!error_read(payload, &info)) {
        end_protocol(run, "error");
    } else if (!run->ending) {
        run->ending = ENDING_ERROR;
        run->error = info;
    }
}

static void take_heartbeat(struct run *run, struct span payload)
{
    uint64_t reports;
    if (!messages_number_read(payload, &reports)) {
        end_protocol(run, "heartbeat");
    } else if (reports != run->reports) {
        run->reports = reports;
        run->last_report = clock_monotonic();
    }
}

static void take_frame(struct run *run, const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_HEARTBEAT:
        take_heartbeat(run, frame->payload);
        break;
    case FRAME_PROGRESS:
        take_progress(run, frame->payload);
        break;
    case FRAME_METRIC:
        take_metric(run, frame->payload);
        break;
    case FRAME_NOTE:
        chronicle_log(&run->chronicle, frame->payload);
        break;
    case FRAME_CHECKPOINT:
        take_checkpoint_chunk(run, frame->payload);
        break;
    case FRAME_CHECKPOINT_END:
        take_checkpoint_end(run, frame->payload);
        break;
    case FRAME_ARTEFACT:
        take_artefact_chunk(run, frame->payload);
        break;
    case FRAME_RESULT:
        take_result(run, frame->payload);
        break;
    case FRAME_ERROR:
        take_error(run, frame->payload);
        break;
    default:
        end_protocol(run, "a frame that only the daemon sends");
    }
}

/* ---- the loop ---- */

static void read_frames(struct run *run)
{
    char bytes[READ_SIZE];
    struct frame frame;
    bool have = true;
    ssize_t got = recv(run->runner->socket_fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end(run, ENDING_DEATH, ERR_OK, "");
        return;
    }
    enum err code = frame_decoder_give(&run->decoder, bytes, (size_t)got);
    while (!code && have && !run->ending) {
        code = frame_decoder_next(&run->decoder, &frame, &have);
        if (!code && have)
            take_frame(run, &frame);
    }
    if (code)
        end_protocol(run, "a damaged frame");
    run->last_frame = clock_monotonic();
}

/* Passes a new wish on to the trainer and sets the hour at which patience ends: soon for
 * a cancel and for a work that has nothing to hand over, later when a checkpoint is to be
 * saved, a little before all must be over. */
static void obey_intent(struct run *run, double now)
{
    double stop_by;
    enum intent intent = runner_intent(run->runner, &stop_by);
    struct buffer nothing;
    if (intent == INTENT_NONE)
        return;
    if (!run->stop_sent) {
        buffer_init(&nothing, 16);
        buffer_append(&nothing, "", 0);
        tell(run, FRAME_STOP, &nothing);
        run->stop_sent = true;
        run->kill_at = now + (run->runner->order->work->makes_model ? PAUSE_PATIENCE
                                                                    : ANSWER_PATIENCE);
    }
    if (intent == INTENT_CANCEL)
        run->kill_at = fmin(run->kill_at, now + CANCEL_PATIENCE);
    run->kill_at = fmin(run->kill_at, stop_by - STOP_MARGIN);
}

static void check_time(struct run *run, double now)
{
    double silence = run->jobs->setup.heartbeat_seconds;
    double stall = fmax(STALL_LEAST, STALL_HEARTBEATS * silence);
    if (run->stop_sent && now >= run->kill_at)
        end(run, ENDING_STOPPED, ERR_OK, "");
    else if (now - run->last_frame > silence)
        end(run, ENDING_SILENCE, ERR_TIMEOUT,
            "the trainer sent no sign of life for heartbeat_seconds and was killed");
    else if (now - run->last_report > stall)
        end(run, ENDING_SILENCE, ERR_TIMEOUT,
            "the trainer made no progress for a long time and was killed");
    else if (now - run->last_flush >= FLUSH_EVERY)
        flush_or_carry_on(run);
}

static int wait_milliseconds(const struct run *run, double now)
{
    double until = run->last_flush + FLUSH_EVERY;
    until = fmin(until, run->last_frame + run->jobs->setup.heartbeat_seconds);
    if (run->stop_sent)
        until = fmin(until, run->kill_at);
    return until <= now ? 1 : (int)(fmin(until - now, FLUSH_EVERY) * 1000) + 1;
}

void listen_to_trainer(struct run *run)
{
    struct pollfd watched[] = {
        {.fd = run->runner->socket_fd, .events = POLLIN},
        {.fd = run->runner->wake_fd, .events = POLLIN},
    };
    double now = clock_monotonic();
    run->started = run->last_frame = run->last_flush = run->last_report = now;
    run->rated_at = now;
    while (!run->ending) {
        eventfd_t ignored;
        if (poll(watched, 2, wait_milliseconds(run, clock_monotonic())) < 0 &&
            errno != EINTR)
            end_protocol(run, "poll failed");
        if (watched[1].revents)
            eventfd_read(run->runner->wake_fd, &ignored);
        if (watched[0].revents)
            read_frames(run);
        now = clock_monotonic();
        obey_intent(run, now);
        check_time(run, now);
    }
}
