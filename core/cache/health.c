/* The state is one atomic, so that reading it costs a load; texts and times, which change only with
 * it or with an error, are behind a lock. The caller that changes the state logs it, so it is
 * logged once in the process, however many workers see it. */
#include "cache/health.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct tt_redis_health {
    atomic_int state;
    atomic_uint_fast64_t opened;
    atomic_uint_fast64_t counts[TT_REDIS_COUNTS];
    pthread_mutex_t lock; /* the rest */
    int64_t changed_us, last_error_us;
    char last_error[160];
};

struct tt_redis_health *tt_redis_health_new(enum tt_redis_state state)
{
    struct tt_redis_health *health = TT_NEW(struct tt_redis_health);
    atomic_init(&health->state, (int)state);
    pthread_mutex_init(&health->lock, NULL);
    health->changed_us = tt_clock_wall_us();
    return health;
}

void tt_redis_health_free(struct tt_redis_health *health)
{
    if (!health)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

static void set_error(struct tt_redis_health *health, const char *why, bool changed)
{
    pthread_mutex_lock(&health->lock);
    snprintf(health->last_error, sizeof(health->last_error), "%s", why);
    health->last_error_us = tt_clock_wall_us();
    if (changed)
        health->changed_us = health->last_error_us;
    pthread_mutex_unlock(&health->lock);
}

static bool swap(struct tt_redis_health *health, enum tt_redis_state from, enum tt_redis_state to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong(&health->state, &expected, (int)to);
}

void tt_redis_health_open(struct tt_redis_health *health, const char *why)
{
    bool changed = swap(health, TT_REDIS_UP, TT_REDIS_DOWN);
    set_error(health, why, changed);
    if (!changed)
        return;
    uint64_t opened = atomic_fetch_add(&health->opened, 1) + 1;
    tt_log(TT_LOG_WARN, "redis is down, the database answers alone", TT_F_Z("why", why),
           TT_F_INT("opened", (int64_t)opened));
}

void tt_redis_health_failed(struct tt_redis_health *health, const char *why)
{
    bool changed = swap(health, TT_REDIS_CONNECTING, TT_REDIS_DOWN);
    set_error(health, why, changed);
    if (changed)
        tt_log(TT_LOG_WARN, "redis cannot be used", TT_F_Z("why", why));
}

void tt_redis_health_note(struct tt_redis_health *health, const char *why)
{
    set_error(health, why, false);
}

uint64_t tt_redis_health_close(struct tt_redis_health *health)
{
    uint64_t epoch = atomic_load(&health->opened);
    if (atomic_exchange(&health->state, TT_REDIS_UP) != TT_REDIS_UP) {
        pthread_mutex_lock(&health->lock);
        health->changed_us = tt_clock_wall_us();
        pthread_mutex_unlock(&health->lock);
        tt_log(TT_LOG_INFO, "redis is up", TT_F_INT("opened", (int64_t)epoch));
    }
    return epoch;
}

uint64_t tt_redis_health_epoch(const struct tt_redis_health *health)
{
    return atomic_load(&health->opened);
}

void tt_redis_health_count(struct tt_redis_health *health, enum tt_redis_count what)
{
    atomic_fetch_add_explicit(&health->counts[what], 1, memory_order_relaxed);
}

void tt_redis_health_status(struct tt_redis_health *health, struct tt_redis_status *out)
{
    *out = (struct tt_redis_status){
        .state = (enum tt_redis_state)atomic_load(&health->state),
        .opened = atomic_load(&health->opened),
        .hits = atomic_load(&health->counts[TT_REDIS_COUNT_HIT]),
        .misses = atomic_load(&health->counts[TT_REDIS_COUNT_MISS]),
        .errors = atomic_load(&health->counts[TT_REDIS_COUNT_ERROR]),
        .timeouts = atomic_load(&health->counts[TT_REDIS_COUNT_TIMEOUT]),
        .skipped = atomic_load(&health->counts[TT_REDIS_COUNT_SKIPPED]),
    };
    pthread_mutex_lock(&health->lock);
    memcpy(out->last_error, health->last_error, sizeof(out->last_error));
    out->last_error_us = health->last_error_us;
    out->changed_us = health->changed_us;
    pthread_mutex_unlock(&health->lock);
}

const char *tt_redis_state_name(enum tt_redis_state state)
{
    static const char *const names[] = {"off", "connecting", "up", "down"};
    return names[state];
}
