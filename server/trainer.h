/* SPDX-License-Identifier: MIT */
/* The trainer process. trainer_main (server.h) is this with the works there are. */
#ifndef FIRTH_SERVER_TRAINER_H
#define FIRTH_SERVER_TRAINER_H

#include "server/work.h"

/* Serves one job over the socket, its work being one of `table`; the exit status. */
int trainer_run(int socket_fd, const struct work *table);

#endif
