/* One worker's connection to Redis, which may be absent, slow, frozen, full or broken: then
 * commands end at once with an error, and nobody waits. Asynchronous hiredis on the worker's loop.
 */
#pragma once
#include "cache/health.h"
#include "cache/redis_url.h"
#include "loop/resolve.h"

struct tt_redis_settings {
    struct tt_redis_url url;
    uint64_t timeout_ms;   /* of a command; 0 = 20. A late answer opens the breaker */
    uint64_t connect_ms;   /* name, TCP; 0 = 1000. Nobody waits for it */
    uint64_t probe_ms;     /* between attempts; 0 = 1000 */
    int errors_max;        /* error answers in a row that open the breaker; 0 = 5 */
    size_t value_max;      /* bytes; larger ones are not sent, and not read; 0 = 1 MiB */
    size_t in_flight_max;  /* commands; 0 = 1024 */
    size_t in_flight_size; /* bytes of commands; 0 = 16 MiB */
};

struct tt_redis;

/* Starts connecting in the loop's first tick. Owns: the caller, tt_redis_free; resolver and health
 * are borrowed. Thread: the loop's for everything here. */
struct tt_redis *tt_redis_new(struct tt_loop *loop, const struct tt_redis_settings *settings,
                              struct tt_resolver *resolver, struct tt_redis_health *health);

/* Commands in progress end with TT_REDIS_ERROR before this returns. Do not call it from a
 * completion. */
void tt_redis_free(struct tt_redis *redis);

enum tt_redis_result {
    TT_REDIS_VALUE, /* GET: the value, valid during the call */
    TT_REDIS_MISS,  /* GET: no such key */
    TT_REDIS_DONE,  /* SET, UNLINK */
    TT_REDIS_ERROR  /* anything else: read the database */
};
typedef void tt_redis_done_fn(enum tt_redis_result result, struct tt_str value, void *arg);

/* False: a command would fail at once. */
bool tt_redis_usable(struct tt_redis *redis);

/* Each calls `done` (NULL is allowed) exactly once, never before the call has returned; keys and
 * values are copied. */
void tt_redis_get(struct tt_redis *redis, struct tt_str key, tt_redis_done_fn *done, void *arg);
void tt_redis_set(struct tt_redis *redis, struct tt_str key, struct tt_str value, uint64_t ttl_ms,
                  tt_redis_done_fn *done, void *arg);
void tt_redis_unlink(struct tt_redis *redis, struct tt_str key, tt_redis_done_fn *done, void *arg);
