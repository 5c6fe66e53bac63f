/* SPDX-License-Identifier: MIT */
/* The one table of error codes: X(symbol, stable word seen by clients, plain sentence).
 * The word never changes once released; api/status_map.c alone turns codes into statuses.
 */
#ifndef FIRTH_BASE_ERR_TABLE_H
#define FIRTH_BASE_ERR_TABLE_H

#define ERR_TABLE(X)                                                                     \
    X(ERR_OK, "ok", "No error")                                                          \
    X(ERR_NO_MEMORY, "out_of_memory", "Not enough memory")                               \
    X(ERR_IO, "io_error", "Reading or writing failed")                                   \
    X(ERR_NO_SPACE, "no_space", "No space is left where the data is kept")               \
    X(ERR_LIMIT, "limit_exceeded", "A stated limit was exceeded")                        \
    X(ERR_INVALID, "invalid_value", "A value is not usable")                             \
    X(ERR_SYNTAX, "malformed_request", "The request could not be parsed")                \
    X(ERR_BAD_MODEL_FILE, "bad_model_file", "The model file is malformed")               \
    X(ERR_BAD_UTF8, "invalid_utf8", "The text is not valid UTF-8")                       \
    X(ERR_EMPTY_CORPUS, "empty_corpus", "The corpus holds no text to learn from")        \
    X(ERR_CORPUS_TOO_SMALL, "corpus_too_small", "The corpus is too small for this")      \
    X(ERR_NOT_FOUND, "not_found", "No such resource")                                    \
    X(ERR_CORPUS_NOT_FOUND, "corpus_not_found", "No corpus has this name")               \
    X(ERR_MODEL_NOT_FOUND, "model_not_found", "No model has this name")                  \
    X(ERR_JOB_NOT_FOUND, "job_not_found", "No job has this id")                          \
    X(ERR_UNKNOWN_WORDS, "unknown_words", "Some words are not in the vocabulary")        \
    X(ERR_EXISTS, "already_exists", "The name is taken")                                 \
    X(ERR_CONFLICT, "conflict", "The resource is in another state")                      \
    X(ERR_IN_USE, "in_use", "Something still uses the resource")                         \
    X(ERR_NOT_ABLE, "not_able", "A model of this kind cannot do this")                   \
    X(ERR_VOCAB_MISMATCH, "vocabulary_mismatch", "The models differ in vocabulary")      \
    X(ERR_IDEMPOTENCY_MISMATCH, "idempotency_mismatch",                                  \
      "The idempotency key was used with another body")                                  \
    X(ERR_QUEUE_FULL, "queue_full", "The queue is full")                                 \
    X(ERR_UNAVAILABLE, "unavailable", "The service cannot do this right now")            \
    X(ERR_CANCELLED, "cancelled", "The work was cancelled")                              \
    X(ERR_TIMEOUT, "timeout", "The work took longer than it may")                        \
    X(ERR_DIVERGED, "diverged", "Training diverged: the loss is no longer a number")     \
    X(ERR_CRASH, "crash", "The trainer process died")                                    \
    X(ERR_PROTOCOL, "protocol", "The trainer process broke its protocol")                \
    X(ERR_INTEGRITY, "integrity_error", "Stored data failed its checksum")               \
    X(ERR_WRONG_STORE, "wrong_store", "The file is not a store this program can use")    \
    X(ERR_LOCKED, "locked", "Another process uses the store")                            \
    X(ERR_UNAUTHORIZED, "unauthorized", "A valid API key is needed")                     \
    X(ERR_FORBIDDEN, "forbidden", "The API key does not allow this")                     \
    X(ERR_UNSUPPORTED, "unsupported", "This is not supported")                           \
    X(ERR_INTERNAL, "internal_error", "An internal error happened")

#endif
