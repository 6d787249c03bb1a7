/* Routes that the core answers itself, without scripts: the page, health, and what the operator
 * asks. Which there are comes in through tt_serve_settings. They stand in the same routers as the
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
    bool open; /* also for those whom the listener refuses otherwise */
    /* The request is complete, its body (at most 64 KiB) included. Answers now or later. The
     * dispatcher's generation is what serves now: it may be another one when a later answer comes.
     * Thread: the dispatcher's worker. */
    void (*answer)(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
};
