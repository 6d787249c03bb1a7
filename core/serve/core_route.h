/* Routes that the core answers itself, without scripts: the page, health and the operator's
 * requests. The list comes in through tt_serve_settings. They are in the same routers as the
 * scripts' routes, so one look-up finds both; 404, 405 with Allow, OPTIONS and HEAD are the same
 * for both, and a script that declares one of them is refused. */
#pragma once
#include <stdbool.h>

struct tt_dispatcher;
struct tt_http_exchange;

enum tt_listener { TT_LISTENER_PUBLIC, TT_LISTENER_ADMIN, TT_LISTENERS };

struct tt_core_route {
    const char *method, *path;
    enum tt_listener listener;
    bool open; /* also for callers that the listener refuses otherwise */
    /* The request is complete, including its body (at most 64 KiB). Answers now or later. The
     * dispatcher's generation is the one that serves now; it may be another one when a later answer
     * comes. Thread: the dispatcher's worker. */
    void (*answer)(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
};
