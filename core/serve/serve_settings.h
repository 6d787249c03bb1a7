/* The operator's settings for serving requests: one for all workers, immutable. */
#pragma once
#include "serve/core_route.h"
#include "serve/route_stats.h"

struct tt_serve_settings {
    const struct tt_core_route *core_routes;
    size_t core_route_count;
    /* Answers, for people, a path of the public listener that no route has, and returns the status;
     * 0: the error object is the answer. NULL: it always is. Thread: the dispatcher's worker. */
    int (*answer_unknown)(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
    const struct tt_str *cors_origins;
    size_t cors_origin_count;
    struct tt_str public_url;
    struct tt_str base_path; /* public_url's path without its last slash: "/chat", "" = none */
    struct tt_route_stats_set *route_stats; /* NULL: nothing is counted */
    bool dev;                               /* tracebacks in answers */
    size_t body_max;                        /* default for routes that read a body */
    size_t upload_max;                      /* bytes of one file */
    uint64_t old_events_ms; /* for streams of events of old scripts to end; 0: a minute */
};
