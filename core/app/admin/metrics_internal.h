/* Between gathering (metrics.c) and writing (metrics_text.c). */
#pragma once
#include "app/admin/admin_internal.h"
#include "upstream/client.h"

struct tt_worker_sample { /* what only the worker's own thread may look at */
    bool there;
    int tasks, connections, in_flight, replies;
    size_t script_memory;
    uint64_t slowest_turn_us; /* since the last time that was asked */
    struct tt_client_stats upstream;
};

void tt_metrics_write(const struct tt_admin_parts *parts, const struct tt_worker_sample *samples,
                      struct tt_buf *out);
