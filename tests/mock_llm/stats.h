/*
 * What the mock has seen: counters, the last requests, and how often a path with fails=K was tried.
 * Shared by all threads: counters are relaxed atomics, the rest has one lock.
 */
#ifndef MOCK_STATS_H
#define MOCK_STATS_H

#include "http.h"

#include <stdatomic.h>

struct stats {
    atomic_long requests;       /* complete requests, the mock's own pages not counted */
    atomic_long connections;    /* accepted */
    atomic_long open;           /* connections now */
    atomic_long active;         /* answers running now */
    atomic_long streams_active; /* of those, the streamed ones */
    atomic_long started, finished;
    atomic_long client_closed; /* connections the client closed while an answer was running */
    atomic_long last_client_close_us;  /* how long after its request, in microseconds */
    atomic_llong last_client_close_ns; /* when, CLOCK_MONOTONIC */
    atomic_bool record;
};

extern struct stats stats;

void stats_json(struct buf *out);
void stats_reset(void);
void stats_client_closed(uint64_t started_ns, uint64_t now_ns);

/* How often this target was tried before, since the last reset. */
unsigned stats_attempts(struct slice target);

void stats_record(const struct http_request *r, uint64_t conn_id, uint64_t now_ns);
void stats_requests_json(struct buf *out, size_t n);

#endif
