/* What the whole process knows about Redis: the breaker's state, shared by the connections of all
 * workers. The first worker that finds Redis dead opens it, and all others rely on that without
 * trying themselves; the first probe that is answered closes it. */
#pragma once
#include "base/str.h"

enum tt_redis_state {
    TT_REDIS_OFF,        /* no redis_url */
    TT_REDIS_CONNECTING, /* since the start, nothing is known yet */
    TT_REDIS_UP,
    TT_REDIS_DOWN /* the breaker is open: nobody uses Redis, each worker probes once per second */
};

struct tt_redis_status {
    enum tt_redis_state state;
    uint64_t opened;       /* how often the breaker opened: from up to down */
    int64_t changed_us;    /* wall clock of the last change of state */
    char last_error[160];  /* "" = none yet; never holds keys, values or passwords */
    int64_t last_error_us; /* wall clock */
    uint64_t hits, misses;
    uint64_t errors;   /* commands that were sent and not answered correctly */
    uint64_t timeouts; /* connections given up because of a late answer */
    uint64_t skipped;  /* commands not sent: down, full, too large, too many under way */
};

enum tt_redis_count {
    TT_REDIS_COUNT_HIT,
    TT_REDIS_COUNT_MISS,
    TT_REDIS_COUNT_ERROR,
    TT_REDIS_COUNT_TIMEOUT,
    TT_REDIS_COUNT_SKIPPED,
    TT_REDIS_COUNTS
};

struct tt_redis_health;

/* Owns: the caller; one per process, freed after all connections that use it. */
struct tt_redis_health *tt_redis_health_new(enum tt_redis_state state);
void tt_redis_health_free(struct tt_redis_health *health);

/* A running Redis is down, because of `why`. Counts and logs only if it was up. Thread: any, for
 * all. */
void tt_redis_health_open(struct tt_redis_health *health, const char *why);

/* An attempt failed: stores the reason. Ends "connecting". */
void tt_redis_health_failed(struct tt_redis_health *health, const char *why);

/* A failure that says nothing about the state (a write refused because Redis is full). */
void tt_redis_health_note(struct tt_redis_health *health, const char *why);

/* A probe was answered. Returns the epoch that the connection belongs to. */
uint64_t tt_redis_health_close(struct tt_redis_health *health);

/* If this differs from a connection's own number, the breaker has opened since: do not trust the
 * connection. */
uint64_t tt_redis_health_epoch(const struct tt_redis_health *health);

void tt_redis_health_count(struct tt_redis_health *health, enum tt_redis_count what);
void tt_redis_health_status(struct tt_redis_health *health, struct tt_redis_status *out);
const char *tt_redis_state_name(enum tt_redis_state state);
