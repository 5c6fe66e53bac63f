/* SPDX-License-Identifier: MIT */
/* The trainer process. trainer_main (server.h) is this with train_run. */
#ifndef FIRTH_SERVER_TRAINER_H
#define FIRTH_SERVER_TRAINER_H

#include "model/train.h"

typedef enum err trainer_work(const struct train_spec *spec,
                              const struct train_input *input,
                              const struct progress *progress,
                              const struct writer *artefact, struct train_result *result,
                              struct err_info *info);

/* Serves one job over the socket with `work` doing the training; the exit status. */
int trainer_run(int socket_fd, trainer_work *work);

#endif
