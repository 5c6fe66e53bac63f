/* SPDX-License-Identifier: MIT */
/* Two clocks: a monotonic one for durations and deadlines, the wall clock for the
 * timestamps people read. A change of the wall clock never moves a deadline. */
#ifndef FIRTH_BASE_CLOCK_H
#define FIRTH_BASE_CLOCK_H

#include <stdint.h>

/* Seconds of the monotonic clock. */
double clock_monotonic(void);

/* Milliseconds since 1970 of the wall clock. */
int64_t clock_wall_ms(void);

#define CLOCK_ISO_SIZE 25
/* Writes `wall_ms` as "2026-01-31T12:00:00.000Z" into text[CLOCK_ISO_SIZE]. */
void clock_iso(int64_t wall_ms, char *text);

#endif
