/* SPDX-License-Identifier: MIT */
/* Queues training. A dry run goes through the same reading and the same checks and stops
 * before the queue. A client that repeats itself with an Idempotency-Key gets the job it
 * made the first time; the key is kept with the digest of the body as it came, since two
 * bodies that differ in a blank may as well differ in meaning. */
#include "api/train.h"

#include <stdlib.h>

#include "api/job.h"
#include "api/print_train.h"
#include "api/read_train.h"
#include "api/resource.h"
#include "server/server.h"
#include "storage/digest.h"

enum { KEY_MAX = 255 };

static enum err read_key(struct exchange *x, const char **key, struct err_info *info)
{
    *key = exchange_header(x, "Idempotency-Key");
    if (!*key)
        return ERR_OK;
    size_t size = strlen(*key);
    for (size_t i = 0; i < size; i++)
        if ((*key)[i] < ' ' || (*key)[i] == 127)
            size = 0;
    if (size == 0 || size > KEY_MAX)
        return err_set(info, ERR_INVALID,
                       "Idempotency-Key is 1 to %d printable characters.", KEY_MAX);
    return ERR_OK;
}

static enum err reply_estimate(struct exchange *x, struct train_spec *spec,
                               struct err_info *info)
{
    struct train_estimate estimate = {0};
    struct buffer json;
    struct printer printer;
    enum err code = jobs_estimate(exchange_server(x)->jobs, spec, &estimate, info);
    if (code)
        return err_finish(info, code);
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    print_estimate(&printer, spec, &estimate);
    return exchange_reply_json_take(x, 200, &json);
}

static enum err submit(struct exchange *x, struct train_spec *spec, const char *metadata,
                       const char *key, struct err_info *info)
{
    struct server *server = exchange_server(x);
    struct job_row row = {0};
    char digest[STORE_DIGEST_SIZE];
    bool existed = false;

    digest_sha256(exchange_body(x), digest);
    enum err code =
        jobs_submit(server->jobs, spec, metadata, key, digest, &row, &existed, info);
    if (!code)
        code = job_reply_queued(x, &row, info);
    job_row_fini(&row);
    return code ? err_finish(info, code) : ERR_OK;
}

enum err train_post(struct exchange *x, struct err_info *info)
{
    json_t *body = NULL;
    const char *key = NULL;
    char *metadata = NULL;
    bool dry_run = false;
    enum err code = exchange_query_flag(x, "dry_run", false, &dry_run, info);
    if (!code)
        code = read_key(x, &key, info);
    if (!code)
        code = exchange_json(x, &body, info);
    if (code)
        return code;
    struct train_spec *spec = calloc(1, sizeof *spec);
    if (!spec)
        return err_finish(info, ERR_NO_MEMORY);
    code = read_train(body, spec, &metadata, exchange_errors(x));
    if (!code)
        code = dry_run ? reply_estimate(x, spec, info)
                       : submit(x, spec, metadata, key, info);
    free(metadata);
    free(spec);
    return code;
}

enum err train_kinds(struct exchange *x, struct err_info *info)
{
    struct buffer json;
    struct printer printer;
    size_t count = 0;
    (void)info;
    buffer_init(&json, PRINTER_REPLY_MAX);
    printer_init(&printer, &json);
    resource_list_open(&printer);
    for (; kinds[count]; count++)
        print_kind(&printer, kinds[count]);
    resource_list_close(&printer, false, count ? kinds[0]->name : NULL,
                        count ? kinds[count - 1]->name : NULL);
    return resource_reply_tagged_take(x, 200, &json);
}
