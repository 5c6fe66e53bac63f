/* SPDX-License-Identifier: MIT */
/* Liveness is the fact that the loop turned; the metrics are a walk over memory. */
#include "api/health.h"

#include "server/metrics.h"
#include "server/server.h"

enum err health_livez(struct exchange *x, struct err_info *info)
{
    static const char body[] = "{\"status\":\"ok\"}";
    (void)info;
    return exchange_reply_static(x, 200, "application/json", body, sizeof body - 1);
}

enum err health_metrics(struct exchange *x, struct err_info *info)
{
    struct buffer *text = exchange_buffer(x);
    (void)info;
    enum err code = metrics_render(exchange_server(x)->metrics, text);
    return code ? code
                : exchange_reply_buffer_take(x, 200, "text/plain; version=0.0.4", text);
}
