/* The numbers of the process and its workers at one moment. */
#pragma once
#include "app/admin/admin_internal.h"
#include "chat/running_totals.h"
#include "node/node.h"
#include "node/relay.h"
#include "script/watchdog.h"
#include "upstream/client.h"

struct tt_metrics_breaker_sums {
    int closed, half_open, open; /* upstreams */
    int in_flight;               /* calls */
};

struct tt_metrics_queue_jobs { /* of all queues, as lua/queue/runner.lua notes them */
    int64_t done, failed, waiting, later, running, dead;
};

struct tt_process_sample { /* what any thread may read */
    const struct tt_admin_parts *parts;
    const struct tt_generation *generation; /* the one that serves */
    int generation_number, generations_live;
    int workers, port, repaired, replies_running;
    int aux_busy, names_busy, password_busy, files_busy, text_busy;
    uint64_t uptime_ms, resident_memory, reply_memory, unread, sessions_busy, disk_full;
    struct tt_watchdog_stats watchdog;
    struct tt_running_totals replies;
    struct tt_db_stats db;
    struct tt_cache_stats cache;
    struct tt_metrics_breaker_sums breakers;
    struct tt_metrics_queue_jobs jobs;
    struct tt_node_stats node;
    uint64_t replies_lost;
};

struct tt_worker_sample { /* what only the worker's own thread may read */
    bool there;           /* it has reported */
    int tasks, connections, in_flight, replies;
    size_t script_memory;
    uint64_t slowest_tick_us; /* since the last sample */
    struct tt_client_stats upstream;
    struct tt_relay_stats relay;
};

/* Reads the process's numbers, without the workers'. Thread: the dispatcher's worker. */
void tt_process_sample(struct tt_process_sample *sample, const struct tt_dispatcher *dispatcher);
