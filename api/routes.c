/* SPDX-License-Identifier: MIT */
/* The daemon's routes, all in one table; the handlers stand in one file a resource. */
#include "api/completion.h"
#include "api/corpora.h"
#include "api/health.h"
#include "api/infer.h"
#include "api/job.h"
#include "api/meta.h"
#include "api/models.h"
#include "api/openapi.h"
#include "api/route.h"
#include "api/train.h"
#include "api/vector_routes.h"

enum {
    LOOP = ROUTE_INLINE | ROUTE_ALWAYS,
    OPEN = ROUTE_OPEN | ROUTE_ALWAYS,
    ASK = ROUTE_JSON | ROUTE_COMPUTE, /* a question to a model */
    READ = SCOPE_READ,
    TRAIN = SCOPE_TRAIN
};

const struct route routes_table[] = {
    {"GET", "/", OPEN, READ, NULL, meta_home, NULL},
    {"GET", "/livez", LOOP | OPEN, READ, NULL, health_livez, NULL},
    {"GET", "/readyz", OPEN, READ, NULL, meta_readyz, NULL},
    {"GET", "/health", OPEN, READ, NULL, meta_readyz, NULL},
    {"GET", "/info", 0, READ, NULL, meta_info, NULL},
    {"GET", "/metrics", LOOP, READ, NULL, health_metrics, NULL},
    {"GET", "/openapi.yaml", 0, READ, NULL, openapi_get_yaml, NULL},
    {"GET", "/openapi.json", 0, READ, NULL, openapi_get_json, NULL},

    {"GET", "/corpora", 0, READ, "limit after", corpora_list, NULL},
    {"PUT", "/corpora/{name}", ROUTE_STREAM, TRAIN, "kind", corpora_put, NULL},
    {"GET", "/corpora/{name}", 0, READ, NULL, corpora_get, NULL},
    {"DELETE", "/corpora/{name}", 0, TRAIN, NULL, corpora_delete, NULL},
    {"GET", "/corpora/{name}/vocab", 0, READ,
     "unit segment lowercase min_count max_vocab limit", corpora_vocab, NULL},
    {"GET", "/corpora/{name}/text", 0, READ, NULL, corpora_text, NULL},

    {"GET", "/kinds", 0, READ, NULL, train_kinds, NULL},
    {"POST", "/train", ROUTE_JSON, TRAIN, "dry_run", train_post, NULL},
    {"GET", "/jobs", 0, READ, "state type kind limit after", job_list, NULL},
    {"GET", "/jobs/{id}", 0, READ, NULL, job_get, NULL},
    {"DELETE", "/jobs/{id}", 0, TRAIN, NULL, job_delete, NULL},
    {"GET", "/jobs/{id}/events", 0, READ, "last_event_id", job_events_get, NULL},
    {"GET", "/jobs/{id}/metrics", 0, READ, "series since_step max_points",
     job_metrics_get, NULL},
    {"POST", "/jobs/{id}/cancel", ROUTE_JSON | ROUTE_BODY_OPTIONAL, TRAIN, NULL,
     job_cancel, NULL},
    {"POST", "/jobs/{id}/pause", ROUTE_JSON | ROUTE_BODY_OPTIONAL, TRAIN, NULL, job_pause,
     NULL},
    {"POST", "/jobs/{id}/resume", ROUTE_JSON | ROUTE_BODY_OPTIONAL, TRAIN, NULL,
     job_resume, NULL},

    {"GET", "/models", 0, READ, "limit after", models_list, NULL},
    {"GET", "/models/{name}", 0, READ, NULL, models_get, NULL},
    {"PUT", "/models/{name}", ROUTE_STREAM, TRAIN, "format replace unit lowercase",
     model_files_put, NULL},
    {"PATCH", "/models/{name}", ROUTE_JSON, TRAIN, NULL, models_patch, NULL},
    {"DELETE", "/models/{name}", 0, TRAIN, NULL, models_delete, NULL},
    {"POST", "/models/{name}/load", ROUTE_JSON | ROUTE_BODY_OPTIONAL, TRAIN, NULL,
     models_load, NULL},
    {"POST", "/models/{name}/unload", ROUTE_JSON | ROUTE_BODY_OPTIONAL, TRAIN, NULL,
     models_unload, NULL},
    {"GET", "/models/{name}/export", 0, READ, "format", model_files_export, NULL},
    {"POST", "/models/{name}/evaluate", ASK, READ, NULL, evaluate_post, NULL},

    {"POST", "/next", ASK, READ, NULL, next_post, next_inline},
    {"POST", "/score", ASK, READ, NULL, score_post, score_inline},
    {"POST", "/rescore", ASK, READ, NULL, rescore_post, NULL},
    {"POST", "/generate", ASK, READ, NULL, generate_post, NULL},
    {"POST", "/tokenize", ASK, READ, NULL, tokenize_post, NULL},
    {"POST", "/detokenize", ASK, READ, NULL, detokenize_post, NULL},

    {"POST", "/neighbors", ASK, READ, NULL, neighbors_post, NULL},
    {"POST", "/analogy", ASK, READ, NULL, analogy_post, NULL},
    {"POST", "/similarity", ASK, READ, NULL, similarity_post, NULL},
    {"POST", "/odd-one-out", ASK, READ, NULL, odd_one_out_post, NULL},
    {"POST", "/embed", ASK, READ, NULL, embed_post, NULL},
    {"POST", "/maps", ASK, READ, NULL, maps_post, NULL},

    {"POST", "/v1/completions", ASK, READ, NULL, completion_post, NULL},
    {"POST", "/v1/embeddings", ASK, READ, NULL, embeddings_post, NULL},
    {"GET", "/v1/models", 0, READ, NULL, completion_models, NULL},
    {"GET", "/v1/models/{name}", 0, READ, NULL, completion_model, NULL},
};
const size_t routes_count = sizeof routes_table / sizeof routes_table[0];
