/* SPDX-License-Identifier: MIT */
/* A job as JSON: what every job has, whatever its work; the rest is job_view.c's. */
#include "api/print_job.h"

#include <math.h>

#include "api/print_infer.h"
#include "api/print_train.h"
#include "base/clock.h"
#include "server/jobs.h"

static void print_progress(struct printer *p, const struct job_row *job)
{
    double spent = (double)(clock_wall_ms() - job->started_ms) / 1000;
    printer_key(p, "progress");
    printer_open(p, '{');
    printer_key_number(p, "fraction", job->fraction);
    printer_key_number(p, "epoch", job->epoch);
    printer_key_integer(p, "step", (int64_t)job->step);
    printer_key_integer(p, "steps_total", (int64_t)job->steps_total);
    printer_key_integer(p, "tokens", (int64_t)job->tokens);
    printer_key_number(p, "tokens_per_second", job->tokens_per_second);
    printer_key_number(p, "eta_s",
                       job->state == JOB_RUNNING ? jobs_seconds_left(job, spent) : NAN);
    printer_close(p, '}');
}

static void print_result(struct printer *p, const struct job_row *job,
                         const struct job_answer *answer)
{
    printer_key(p, "result");
    if (answer && answer->view)
        job_answer_print(p, job, answer);
    else if (job->result && *job->result && !job_view_answers(job))
        print_named_values(p, job->result);
    else
        printer_null(p);
}

static void print_outcome(struct printer *p, const struct job_row *job,
                          const struct job_answer *answer)
{
    printer_key(p, "best");
    if (isnan(job->best_loss)) {
        printer_null(p);
    } else {
        printer_open(p, '{');
        printer_key_integer(p, "step", (int64_t)job->best_step);
        print_finite(p, "loss", job->best_loss);
        printer_close(p, '}');
    }
    print_result(p, job, answer);
    printer_key(p, "error");
    if (job->error == ERR_OK) {
        printer_null(p);
        return;
    }
    printer_open(p, '{');
    printer_key_text(p, "code", err_word(job->error));
    printer_key_text(p, "message",
                     job->error_message && *job->error_message ? job->error_message
                                                               : err_text(job->error));
    printer_close(p, '}');
}

static void print_times(struct printer *p, const struct job_row *job)
{
    printer_key(p, "created_at");
    printer_time(p, job->created_ms);
    printer_key(p, "started_at");
    printer_time(p, job->started_ms);
    printer_key(p, "finished_at");
    printer_time(p, job->finished_ms);
}

void print_job(struct printer *p, const struct job_row *job, size_t queue_position,
               const struct metric_point *latest, size_t latest_count,
               const struct job_answer *answer)
{
    printer_open(p, '{');
    printer_key_text(p, "id", job->id);
    printer_key_text(p, "type", job->type);
    printer_key_text(p, "kind", job->kind);
    printer_key_text(p, "model", job->model);
    printer_key_text(p, "corpus", *job->corpus ? job->corpus : NULL);
    printer_key_text(p, "state", job_state_names[job->state]);
    print_progress(p, job);
    printer_key(p, "latest");
    printer_open(p, '{');
    for (size_t i = 0; i < latest_count; i++)
        print_finite(p, latest[i].series, latest[i].value);
    printer_close(p, '}');
    print_outcome(p, job, answer);
    printer_key_integer(p, "attempts", job->attempts);
    job_view_order(p, job);
    print_metadata(p, job->metadata);
    print_times(p, job);
    printer_key(p, "queue_position");
    if (queue_position)
        printer_integer(p, (int64_t)queue_position);
    else
        printer_null(p);
    printer_close(p, '}');
}
