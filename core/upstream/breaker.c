/* Breakers in a few shards, each with a lock that is held for the few instructions of a look-up or
 * a count and never during a callback (except the list for operators). States: closed; open until a
 * point in time; then half-open: calls pass one at a time until one of them has a result. Any
 * answer closes it, even one of a call that began earlier: it proves that the upstream works. A
 * call that ends without a result (stopped by its user) leaves the test to the next one. */
#include "upstream/breaker.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARDS         16u
#define SHARD_MAX      256u /* upstreams a shard; more only while all of them are in use */
#define BUSY_RETRY_S   1
#define UPSTREAM_BYTES 320u

struct shard {
    pthread_mutex_t lock;
    struct tt_map *map; /* "upstream#key" -> breaker */
    const struct tt_breaker_settings *settings;
};

struct tt_breaker {
    struct shard *shard;
    size_t upstream_len; /* of name */
    uint64_t key;
    uint64_t used_ms, failing_since_ms;
    uint64_t open_until_ms; /* 0 = closed */
    bool probing;
    enum tt_breaker_fault fault; /* of the failures that are counted */
    int in_flight, failures;
    uint64_t calls, failed, refused, opened;
    size_t name_len;
    char name[]; /* the map's key */
};

struct tt_breakers {
    struct tt_breaker_settings settings;
    struct shard shards[SHARDS];
};

struct tt_breakers *tt_breakers_new(const struct tt_breaker_settings *settings)
{
    struct tt_breakers *breakers = TT_NEW(struct tt_breakers);
    breakers->settings = *settings;
    for (unsigned i = 0; i < SHARDS; i++) {
        breakers->shards[i].settings = &breakers->settings;
        breakers->shards[i].map = tt_map_new();
        pthread_mutex_init(&breakers->shards[i].lock, NULL);
    }
    return breakers;
}

void tt_breakers_free(struct tt_breakers *breakers)
{
    if (!breakers)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct tt_str key;
        void *value;
        size_t position = 0;
        while (tt_map_next(breakers->shards[i].map, &position, &key, &value))
            free(value);
        tt_map_free(breakers->shards[i].map);
        pthread_mutex_destroy(&breakers->shards[i].lock);
    }
    free(breakers);
}

/* ---- finding, under the shard's lock ---- */

/* Makes room: the one that has been at rest for the longest time goes. */
static void forget_one(struct shard *shard)
{
    struct tt_breaker *oldest = NULL;
    struct tt_str key;
    void *value;
    size_t position = 0;
    while (tt_map_next(shard->map, &position, &key, &value)) {
        struct tt_breaker *breaker = value;
        if (breaker->in_flight == 0 && (!oldest || breaker->used_ms < oldest->used_ms))
            oldest = breaker;
    }
    if (oldest)
        tt_map_remove(shard->map, tt_str_of(oldest->name, oldest->name_len));
    free(oldest);
}

static struct tt_breaker *get(struct shard *shard, struct tt_str name, size_t upstream_len,
                              uint64_t key)
{
    struct tt_breaker *breaker = tt_map_get(shard->map, name);
    if (breaker)
        return breaker;
    if (tt_map_count(shard->map) >= SHARD_MAX)
        forget_one(shard);
    breaker = tt_alloc(sizeof(*breaker) + name.len);
    breaker->shard = shard;
    breaker->key = key;
    breaker->upstream_len = upstream_len;
    breaker->name_len = name.len;
    memcpy(breaker->name, name.data, name.len);
    tt_map_put(shard->map, tt_str_of(breaker->name, name.len), breaker);
    return breaker;
}

/* ---- a call ---- */

static int refuse(struct tt_breaker *breaker, bool force, uint64_t now, int64_t *retry_after_s,
                  struct tt_err *err)
{
    int most = breaker->shard->settings->in_flight_max;
    if (!force && breaker->open_until_ms && (now < breaker->open_until_ms || breaker->probing)) {
        uint64_t left = breaker->open_until_ms > now ? breaker->open_until_ms - now : 1;
        *retry_after_s = (int64_t)((left + 999) / 1000);
        return tt_err_set(err, 503, "upstream_circuit_open",
                          "%.*s failed %d times in a row and is left alone for a while",
                          (int)breaker->upstream_len, breaker->name, breaker->failures);
    }
    if (most > 0 && breaker->in_flight >= most) {
        *retry_after_s = BUSY_RETRY_S;
        return tt_err_set(err, 503, "busy", "%d calls to %.*s are running already", most,
                          (int)breaker->upstream_len, breaker->name);
    }
    return 0;
}

int tt_breaker_enter(struct tt_breakers *breakers, struct tt_str upstream, uint64_t key, bool force,
                     struct tt_breaker_permit *permit, int64_t *retry_after_s, struct tt_err *err)
{
    char text[UPSTREAM_BYTES + 20];
    uint64_t now = tt_clock_mono_ms();
    struct shard *shard = &breakers->shards[(key ^ key >> 32) % SHARDS];
    if (upstream.len > UPSTREAM_BYTES)
        upstream.len = UPSTREAM_BYTES;
    int len =
        snprintf(text, sizeof(text), "%.*s#%016llx", TT_STR_ARG(upstream), (unsigned long long)key);
    pthread_mutex_lock(&shard->lock);
    struct tt_breaker *breaker = get(shard, tt_str_of(text, (size_t)len), upstream.len, key);
    int refused = refuse(breaker, force, now, retry_after_s, err);
    breaker->used_ms = now;
    if (refused) {
        breaker->refused++;
    } else {
        *permit = (struct tt_breaker_permit){breaker, breaker->open_until_ms != 0};
        breaker->probing = breaker->probing || permit->probe;
        breaker->in_flight++;
        breaker->calls++;
    }
    pthread_mutex_unlock(&shard->lock);
    return refused;
}

static void count_failure(struct tt_breaker *breaker, enum tt_breaker_fault fault, uint64_t now)
{
    const struct tt_breaker_settings *settings = breaker->shard->settings;
    if (breaker->failures == 0 || breaker->fault != fault ||
        now > breaker->failing_since_ms + settings->window_ms) {
        breaker->failures = 0;
        breaker->fault = fault;
        breaker->failing_since_ms = now;
    }
    breaker->failures++;
    if (settings->failures > 0 && breaker->failures >= settings->failures) {
        breaker->open_until_ms = now + settings->pause_ms;
        breaker->opened++;
    }
}

void tt_breaker_report(struct tt_breaker_permit *permit, enum tt_breaker_fault fault)
{
    struct tt_breaker *breaker = permit->breaker;
    bool failed = fault != TT_BREAKER_NO_FAULT;
    uint64_t now = tt_clock_mono_ms();
    if (!breaker)
        return;
    pthread_mutex_lock(&breaker->shard->lock);
    if (failed)
        breaker->failed++;
    if (!failed) {
        breaker->failures = 0;
        breaker->open_until_ms = 0;
    } else if (permit->probe) {
        breaker->open_until_ms = now + breaker->shard->settings->pause_ms;
        breaker->opened++;
    } else if (!breaker->open_until_ms) { /* else it is known already */
        count_failure(breaker, fault, now);
    }
    if (permit->probe || !failed)
        breaker->probing = false;
    permit->probe = false;
    pthread_mutex_unlock(&breaker->shard->lock);
}

void tt_breaker_leave(struct tt_breaker_permit *permit)
{
    struct tt_breaker *breaker = permit->breaker;
    if (!breaker)
        return;
    pthread_mutex_lock(&breaker->shard->lock);
    if (permit->probe)
        breaker->probing = false;
    breaker->in_flight--;
    breaker->used_ms = tt_clock_mono_ms();
    pthread_mutex_unlock(&breaker->shard->lock);
    *permit = (struct tt_breaker_permit){0};
}

/* ---- for operators ---- */

static struct tt_breaker_status status_of(const struct tt_breaker *breaker, uint64_t now)
{
    bool open = breaker->open_until_ms > now;
    return (struct tt_breaker_status){
        .upstream = tt_str_of(breaker->name, breaker->upstream_len),
        .key = breaker->key,
        .state = open                     ? "open"
                 : breaker->open_until_ms ? "half_open"
                                          : "closed",
        .in_flight = breaker->in_flight,
        .failures = breaker->failures,
        .calls = breaker->calls,
        .failed = breaker->failed,
        .refused = breaker->refused,
        .opened = breaker->opened,
        .retry_ms = open ? breaker->open_until_ms - now : 0,
    };
}

void tt_breakers_each(struct tt_breakers *breakers,
                      void (*each)(const struct tt_breaker_status *status, void *arg), void *arg)
{
    uint64_t now = tt_clock_mono_ms();
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &breakers->shards[i];
        struct tt_str key;
        void *value;
        size_t position = 0;
        pthread_mutex_lock(&shard->lock);
        while (tt_map_next(shard->map, &position, &key, &value)) {
            struct tt_breaker_status status = status_of(value, now);
            each(&status, arg);
        }
        pthread_mutex_unlock(&shard->lock);
    }
}
