/* SPDX-License-Identifier: MIT */
/* What a trainer gives up. All of it is best effort: an older kernel refuses some. */
#ifndef FIRTH_SERVER_SANDBOX_H
#define FIRTH_SERVER_SANDBOX_H

/* First thing in the process: low priority, first to go when memory is short, no core
 * files, no new privileges. */
void sandbox_prepare(void);

/* Before reading input: no file but in `scratch`, no network, no other program. */
void sandbox_enter(const char *scratch);

#endif
