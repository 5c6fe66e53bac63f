/* SPDX-License-Identifier: MIT */
/* What the frames carry. Each message has a writer that appends its payload to a buffer
 * and a reader that takes it apart; a reader returns false for anything that is not
 * exactly such a message, and touches nothing outside of it. */
#ifndef FIRTH_SERVER_MESSAGES_H
#define FIRTH_SERVER_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/progress.h"
#include "base/span.h"
#include "model/train.h"

#define MESSAGE_PATH_SIZE 4096
#define MESSAGE_PHASE_SIZE 32
#define MESSAGE_WORK_SIZE 16

/* Descriptors follow the socket in this order: text, valid, resume, components. */
struct hello_message {
    uint32_t parent; /* the daemon's process id */
    bool has_text, has_valid, has_resume;
    uint32_t components;
    double beat_s; /* seconds between heartbeats */
    char work[MESSAGE_WORK_SIZE];
    char scratch[MESSAGE_PATH_SIZE];
    struct span spec; /* what the work is asked; a view into the payload */
};
void hello_write(const struct hello_message *hello, struct buffer *to);
MUST_CHECK bool hello_read(struct span payload, struct hello_message *hello);

struct progress_message {
    double fraction, epoch;
    uint64_t step, steps_total, tokens;
    char phase[MESSAGE_PHASE_SIZE];
};
void progress_write(const struct progress_report *report, struct buffer *to);
MUST_CHECK bool progress_read(struct span payload, struct progress_message *progress);

struct metric_message {
    char series[48];
    uint64_t step;
    double value;
};
void metric_write(const char *series, uint64_t step, double value, struct buffer *to);
MUST_CHECK bool metric_read(struct span payload, struct metric_message *metric);

/* Heartbeats carry the number of reports, kept answers an error code, ends of checkpoints
 * their step and size. */
void messages_number_write(uint64_t value, struct buffer *to);
MUST_CHECK bool messages_number_read(struct span payload, uint64_t *value);
void checkpoint_end_write(uint64_t step, uint64_t size, struct buffer *to);
MUST_CHECK bool checkpoint_end_read(struct span payload, uint64_t *step, uint64_t *size);

void result_write(const struct train_result *result, uint64_t artefact_size,
                  struct buffer *to);
MUST_CHECK bool result_read(struct span payload, struct train_result *result,
                            uint64_t *artefact_size);

void error_write(enum err code, const struct err_info *info, struct buffer *to);
MUST_CHECK bool error_read(struct span payload, struct err_info *info);

#endif
