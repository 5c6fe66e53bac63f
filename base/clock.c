/* SPDX-License-Identifier: MIT */
/* Reading the two clocks, and RFC 3339 timestamps in UTC. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

double clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_iso(int64_t wall_ms, char *text)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    int milliseconds = (int)(wall_ms % 1000);
    struct tm parts;
    if (milliseconds < 0 || !gmtime_r(&seconds, &parts))
        parts = (struct tm){.tm_year = 70, .tm_mday = 1}, milliseconds = 0;
    char whole[20];
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, CLOCK_ISO_SIZE, "%s.%03uZ", whole, (unsigned)milliseconds % 1000u);
}
