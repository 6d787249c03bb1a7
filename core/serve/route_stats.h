/* Counts of requests by route, for /metrics. One set per process: counts continue over reloads,
 * since a route is identified by its method and path as the scripts declare them. Names from a
 * request itself are never used here. */
#pragma once
#include "base/str.h"

#include <stdatomic.h>

#define TT_DURATION_BUCKETS 10

/* Upper limits in microseconds; longer requests are in the count only. */
extern const uint64_t tt_duration_limits_us[TT_DURATION_BUCKETS];

struct tt_route_stats {
    struct tt_str method, path;
    _Atomic uint64_t by_class[6];                  /* status / 100; 0 = the client left */
    _Atomic uint64_t buckets[TT_DURATION_BUCKETS]; /* each request in one at most */
    _Atomic uint64_t duration_us;
};

struct tt_route_stats_set;
struct tt_route_stats_set *tt_route_stats_set_new(void);
void tt_route_stats_set_free(struct tt_route_stats_set *set);

/* The counts of a route, created at the first call; they live as long as the set. With an empty
 * path: those of requests without a route, and of all routes beyond the first 1,000. Thread: any.
 */
struct tt_route_stats *tt_route_stats_of(struct tt_route_stats_set *set, struct tt_str method,
                                         struct tt_str path);

/* A request is over. Thread: any. */
void tt_route_stats_add(struct tt_route_stats *stats, int status, uint64_t duration_us);

/* A script failed with this code: counted as script_timeout, script_memory or internal_error. */
void tt_route_stats_add_failure(struct tt_route_stats_set *set, struct tt_str code);

/* The n-th failure's code and count; false past the last. */
bool tt_route_stats_failure(struct tt_route_stats_set *set, size_t n, const char **code,
                            uint64_t *count);

/* The same for what was refused with 429, if the code is one of those that are counted. */
void tt_route_stats_add_refusal(struct tt_route_stats_set *set, struct tt_str code);
bool tt_route_stats_refusal(struct tt_route_stats_set *set, size_t n, const char **code,
                            uint64_t *count);

/* Calls `each` for all routes, in the order in which they came. */
void tt_route_stats_each(struct tt_route_stats_set *set,
                         void (*each)(void *arg, const struct tt_route_stats *stats), void *arg);
