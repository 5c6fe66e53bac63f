/* SPDX-License-Identifier: MIT */
/* The daemon's routes, all in one table; the handlers stand in one file a resource. */
#include "api/health.h"
#include "api/route.h"

const struct route routes_table[] = {
    {"GET", "/livez", ROUTE_INLINE | ROUTE_OPEN | ROUTE_ALWAYS, SCOPE_READ, NULL,
     health_livez, NULL},
    {"GET", "/metrics", ROUTE_INLINE | ROUTE_ALWAYS, SCOPE_READ, NULL, health_metrics,
     NULL},
};
const size_t routes_count = sizeof routes_table / sizeof routes_table[0];
