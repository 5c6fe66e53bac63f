/* SPDX-License-Identifier: MIT */
/* Clients retry 408, 409, 429 and 5xx by themselves, so what will never work must be 400,
 * 404, 413 or 422. The switch has no default: a new error code does not compile until
 * somebody has decided its status. */
#include "api/status_map.h"

#include <stddef.h>

unsigned status_map(enum err code)
{
    switch (code) {
    case ERR_OK:
        return 200;
    case ERR_SYNTAX:
        return 400;
    case ERR_UNAUTHORIZED:
        return 401;
    case ERR_FORBIDDEN:
        return 403;
    case ERR_NOT_FOUND:
    case ERR_CORPUS_NOT_FOUND:
    case ERR_MODEL_NOT_FOUND:
    case ERR_JOB_NOT_FOUND:
        return 404;
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_IN_USE:
        return 409;
    case ERR_LIMIT:
        return 413;
    case ERR_INVALID:
    case ERR_BAD_MODEL_FILE:
    case ERR_BAD_UTF8:
    case ERR_EMPTY_CORPUS:
    case ERR_CORPUS_TOO_SMALL:
    case ERR_UNKNOWN_WORDS:
    case ERR_NOT_ABLE:
    case ERR_VOCAB_MISMATCH:
    case ERR_IDEMPOTENCY_MISMATCH:
    case ERR_UNSUPPORTED:
        return 422;
    case ERR_QUEUE_FULL:
        return 429;
    case ERR_NO_SPACE:
        return 507;
    case ERR_UNAVAILABLE:
    case ERR_CANCELLED:
    case ERR_NO_MEMORY:
    case ERR_LOCKED:
        return 503;
    case ERR_TIMEOUT:
        return 504;
    case ERR_IO:
    case ERR_DIVERGED:
    case ERR_CRASH:
    case ERR_PROTOCOL:
    case ERR_INTEGRITY:
    case ERR_WRONG_STORE:
    case ERR_INTERNAL:
    case ERR_COUNT:
        break;
    }
    return 500;
}

const char *status_map_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } rows[] = {{200, "OK"},
                {201, "Created"},
                {202, "Accepted"},
                {204, "No Content"},
                {206, "Partial Content"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {406, "Not Acceptable"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {411, "Length Required"},
                {412, "Precondition Failed"},
                {413, "Content Too Large"},
                {415, "Unsupported Media Type"},
                {416, "Range Not Satisfiable"},
                {417, "Expectation Failed"},
                {421, "Misdirected Request"},
                {422, "Unprocessable Content"},
                {429, "Too Many Requests"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].title;
    return status < 400 ? "OK" : status < 500 ? "Client Error" : "Server Error";
}

unsigned status_map_retry_after(unsigned status)
{
    return status == 429 || status == 503 ? 2 : 0;
}
