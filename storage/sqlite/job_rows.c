/* SPDX-License-Identifier: MIT */
/* Reading jobs, and naming them: 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32, so ids sort by time, are not guessed, and have no letters that
 * look alike. */
#include "storage/sqlite/job_rows.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

/* The queries say these as numbers, and so does every store there is. */
_Static_assert(JOB_QUEUED == 0 && JOB_RUNNING == 1 && JOB_PAUSED == 2 &&
                   JOB_SUCCEEDED == 3 && JOB_FAILED == 4 && JOB_CANCELLED == 5 &&
                   JOB_INTERRUPTED == 6 && JOB_DIVERGED == 7,
               "job states are stored by number");

/* Errors are stored by word: their numbers may change. */
static enum err error_of_word(const char *word)
{
    if (!*word)
        return ERR_OK;
    for (int code = 0; code < ERR_COUNT; code++)
        if (strcmp(err_word((enum err)code), word) == 0)
            return (enum err)code;
    return ERR_INTERNAL;
}

static void read_fields(struct statement *query, struct job_row *row)
{
    char word[64];
    statement_copy(query, 0, row->id, sizeof row->id);
    statement_copy(query, 1, row->type, sizeof row->type);
    statement_copy(query, 2, row->kind, sizeof row->kind);
    statement_copy(query, 3, row->model, sizeof row->model);
    statement_copy(query, 4, row->corpus, sizeof row->corpus);
    statement_copy(query, 5, row->valid_corpus, sizeof row->valid_corpus);
    statement_copy(query, 18, word, sizeof word);
    row->error = error_of_word(word);
}

static void read_numbers(struct statement *query, struct job_row *row)
{
    int64_t state = statement_integer(query, 6);
    row->state =
        state >= 0 && state < JOB_STATE_COUNT ? (enum job_state)state : JOB_FAILED;
    row->fraction = statement_real(query, 10);
    row->epoch = statement_real(query, 11);
    row->tokens_per_second = statement_real(query, 12);
    row->step = statement_unsigned(query, 13);
    row->steps_total = statement_unsigned(query, 14);
    row->tokens = statement_unsigned(query, 15);
    row->best_step = statement_unsigned(query, 16);
    row->best_loss = statement_real(query, 17);
    row->created_ms = statement_integer(query, 20);
    row->started_ms = statement_integer(query, 21);
    row->finished_ms = statement_integer(query, 22);
    row->attempts = (unsigned)statement_integer(query, 23);
    row->fence = statement_unsigned(query, 24);
    row->pause_wanted = statement_integer(query, 25) != 0;
    row->cancel_wanted = statement_integer(query, 26) != 0;
    row->lane = (unsigned)statement_integer(query, 27);
}

enum err job_rows_read(struct statement *query, struct job_row *row)
{
    memset(row, 0, sizeof *row);
    read_fields(query, row);
    read_numbers(query, row);
    row->spec = statement_text(query, 7);
    row->metadata = statement_text(query, 8);
    row->result = statement_text(query, 9);
    row->error_message = statement_text(query, 19);
    return query->failed;
}

enum err job_rows_find(struct database *connection, const char *id,
                       struct job_rows_key *key)
{
    struct statement query =
        statement_start(connection, "SELECT serial, state, fence FROM job WHERE id = ?");
    statement_put_text(&query, id);
    bool found = statement_next(&query);
    if (found) {
        key->serial = statement_integer(&query, 0);
        key->state = (enum job_state)statement_integer(&query, 1);
        key->fence = statement_unsigned(&query, 2);
    }
    enum err code = statement_end(&query);
    return code ? code : found ? ERR_OK : ERR_JOB_NOT_FOUND;
}

void job_rows_new_id(int64_t now_ms, char id[STORE_ID_SIZE])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t time = (uint64_t)now_ms & 0xffffffffffffu;
    uint64_t chance[2] = {random_from_system(), random_from_system()};
    memcpy(id, "job-", 4);
    for (int i = 9; i >= 0; i--, time >>= 5)
        id[4 + i] = digits[time & 31];
    for (int i = 0; i < 16; i++) {
        id[14 + i] = digits[chance[i / 8] & 31];
        chance[i / 8] >>= 5;
    }
    id[30] = '\0';
}
