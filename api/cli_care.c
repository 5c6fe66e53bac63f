/* SPDX-License-Identifier: MIT */
/* `firthd check`, `backup` and `keys`: care of the store. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli_int.h"
#include "api/fields.h"
#include "api/printer.h"
#include "base/clock.h"
#include "base/random.h"
#include "storage/digest.h"

/* ---- check ---- */

static void tell_damage(void *context, const char *what)
{
    (void)context;
    printf("damaged\t%s\n", what);
}

enum cli_status cli_check(struct cli *cli)
{
    struct err_info info = {0};
    struct store *store = NULL;
    struct store_stats stats = {0};
    enum err code = cli_store_open(cli, false, &store, &info);
    if (!code)
        code = store_check(store, tell_damage, NULL, &info);
    if (!code)
        code = store_stats_get(store, &stats);
    if (store)
        store_close(store);
    if (code)
        return cli_fail(cli, code, &info);
    printf("ok\t%" PRIu64 " corpora\t%" PRIu64 " models\t%" PRIu64 " jobs\t%" PRIu64
           " bytes\n",
           stats.corpora, stats.models, stats.jobs, stats.object_bytes);
    return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
}

/* ---- backup ---- */

enum cli_status cli_backup(struct cli *cli)
{
    struct err_info info = {0};
    enum err code = store_copy(cli->arguments.store, cli->arguments.rest.items[0], &info);
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}

/* ---- keys ---- */

static const struct {
    const char *name;
    unsigned scope;
} scopes[] = {{"read", SCOPE_READ}, {"train", SCOPE_TRAIN}, {"admin", SCOPE_ADMIN}};
enum { SCOPES = sizeof scopes / sizeof scopes[0], SECRET_WORDS = 4, ID_SIZE = 18 };
enum { LINE_MAX_BYTES = 4096 };

static bool read_scopes(const char *text, unsigned *set)
{
    *set = 0;
    while (*text) {
        size_t size = strcspn(text, ","), i = 0;
        while (i < SCOPES && (strlen(scopes[i].name) != size ||
                              strncmp(scopes[i].name, text, size) != 0))
            i++;
        if (i == SCOPES)
            return false;
        *set |= scopes[i].scope;
        text += size + (text[size] == ',');
    }
    return *set != 0;
}

static void put_scopes(FILE *to, unsigned set)
{
    const char *comma = "";
    for (size_t i = 0; i < SCOPES; i++) {
        if (set & scopes[i].scope) {
            fprintf(to, "%s%s", comma, scopes[i].name);
            comma = ",";
        }
    }
}

/* `secret` only of a new key. */
static enum err put_json(const struct key_row *row, const char *secret)
{
    struct buffer line;
    struct printer p;
    buffer_init(&line, LINE_MAX_BYTES);
    printer_init(&p, &line);
    printer_open(&p, '{');
    printer_key_text(&p, "id", row->id);
    if (secret)
        printer_key_text(&p, "key", secret);
    printer_key(&p, "scopes");
    printer_open(&p, '[');
    for (size_t i = 0; i < SCOPES; i++)
        if (row->scopes & scopes[i].scope)
            printer_text(&p, scopes[i].name);
    printer_close(&p, ']');
    printer_key_text(&p, "label", row->label);
    if (!secret) {
        printer_key(&p, "created_at");
        printer_time(&p, row->created_ms);
    }
    printer_close(&p, '}');
    enum err code = buffer_append_char(&line, '\n');
    if (!code)
        (void)fwrite(line.bytes, 1, line.size, stdout);
    buffer_fini(&line);
    return code;
}

static enum err list_keys(const struct cli *cli, struct store *store)
{
    struct key_row *rows = NULL;
    size_t count = 0;
    enum err code = store_key_list(store, &rows, &count);
    for (size_t i = 0; i < count && !code; i++) {
        char created[CLOCK_ISO_SIZE];
        if (cli->arguments.json) {
            code = put_json(&rows[i], NULL);
            continue;
        }
        clock_iso(rows[i].created_ms, created);
        printf("%s\t", rows[i].id);
        put_scopes(stdout, rows[i].scopes);
        printf("\t%s\t%s\n", created, rows[i].label);
    }
    free(rows);
    return code;
}

/* ID.SECRET, of which the store keeps the ID and the digest of the whole. */
static enum err add_key(const struct cli *cli, struct store *store)
{
    struct key_row row = {0};
    char key[ID_SIZE + SECRET_WORDS * 16 + 2];
    int size;
    (void)read_scopes(cli->arguments.scope ? cli->arguments.scope : "read", &row.scopes);
    (void)snprintf(row.id, sizeof row.id, "k%016" PRIx64, random_from_system());
    (void)snprintf(row.label, sizeof row.label, "%s",
                   cli->arguments.label ? cli->arguments.label : "");
    size = snprintf(key, sizeof key, "%s.", row.id);
    for (int i = 0; i < SECRET_WORDS; i++)
        size += snprintf(key + size, sizeof key - (size_t)size, "%016" PRIx64,
                         random_from_system());
    digest_sha256_bytes(span_of(key, (size_t)size), row.sha256);
    enum err code = store_key_insert(store, &row);
    if (!code && cli->arguments.json)
        return put_json(&row, key);
    if (!code)
        printf("%s\n", key);
    return code;
}

enum cli_status cli_keys(struct cli *cli)
{
    const struct cli_list *rest = &cli->arguments.rest;
    const char *action = rest->items[0];
    struct err_info info = {0};
    struct store *store = NULL;
    unsigned set;
    bool list = strcmp(action, "list") == 0, add = strcmp(action, "add") == 0;
    bool remove = strcmp(action, "remove") == 0;
    if (!(list || add || remove) || rest->count != (remove ? 2u : 1u))
        return cli_misuse(cli, "say list, add or remove ID");
    if (cli->arguments.scope && !read_scopes(cli->arguments.scope, &set))
        return cli_misuse(cli, "--scope is a list out of read, train, admin");
    enum err code = cli_store_open(cli, add, &store, &info);
    if (!code)
        code = list  ? list_keys(cli, store)
               : add ? add_key(cli, store)
                     : store_key_delete(store, rest->items[1]);
    if (remove && code == ERR_NOT_FOUND)
        (void)err_set(&info, code,
                      "There is no key '%.40s'; firthd keys list shows them.",
                      rest->items[1]);
    if (store)
        store_close(store);
    if (!code && fflush(stdout) != 0)
        code = ERR_IO;
    return code ? cli_fail(cli, code, &info) : CLI_DONE;
}
