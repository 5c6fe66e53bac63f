/* SPDX-License-Identifier: MIT */
/* Apart from api.c, so that a program with a table of its own does not link the daemon's.
 */
#include "api/api.h"
#include "api/route.h"

enum err api_start(struct server *server, struct api **out, struct err_info *info)
{
    return api_start_routes(server, routes_table, routes_count, out, info);
}
