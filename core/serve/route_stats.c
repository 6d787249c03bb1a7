/* Routes are looked up once per generation, under a lock; a request only adds to atomic counters.
 */
#include "serve/route_stats.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define ROUTES_MAX 1000

const uint64_t tt_duration_limits_us[TT_DURATION_BUCKETS] = {
    500, 1000, 2500, 5000, 10000, 50000, 250000, 1000000, 5000000, 30000000};

static const char *const failure_codes[] = {"internal_error", "script_timeout", "script_memory"};
/* What one user or address is refused because of what they have done already. */
static const char *const refusal_codes[] = {"login_throttled", "too_many_replies",
                                            "too_much_unread", "session_busy", "limit_reached"};

struct tt_route_stats_set {
    pthread_mutex_t mutex;
    struct tt_arena arena;
    struct tt_map *by_key;
    struct tt_route_stats *list[ROUTES_MAX];
    size_t count;
    struct tt_route_stats other;
    _Atomic uint64_t failures[TT_COUNT(failure_codes)];
    _Atomic uint64_t refusals[TT_COUNT(refusal_codes)];
};

struct tt_route_stats_set *tt_route_stats_set_new(void)
{
    struct tt_route_stats_set *set = TT_NEW(struct tt_route_stats_set);

    pthread_mutex_init(&set->mutex, NULL);
    set->by_key = tt_map_new();
    set->other.method = TT_STR("-");
    set->other.path = TT_STR("-");
    return set;
}

void tt_route_stats_set_free(struct tt_route_stats_set *set)
{
    if (!set)
        return;
    tt_map_free(set->by_key);
    tt_arena_destroy(&set->arena);
    pthread_mutex_destroy(&set->mutex);
    free(set);
}

static struct tt_route_stats *add_route(struct tt_route_stats_set *set, struct tt_str key,
                                        struct tt_str method, struct tt_str path)
{
    if (set->count == ROUTES_MAX)
        return &set->other;
    struct tt_route_stats *stats = tt_arena_alloc(&set->arena, sizeof(*stats));
    *stats = (struct tt_route_stats){.method = tt_arena_str(&set->arena, method),
                                     .path = tt_arena_str(&set->arena, path)};
    tt_map_put(set->by_key, key, stats);
    set->list[set->count++] = stats;
    return stats;
}

struct tt_route_stats *tt_route_stats_of(struct tt_route_stats_set *set, struct tt_str method,
                                         struct tt_str path)
{
    char key[512];

    if (path.len == 0 || method.len + path.len + 1 >= sizeof(key))
        return &set->other;
    memcpy(key, method.data, method.len);
    key[method.len] = ' ';
    memcpy(key + method.len + 1, path.data, path.len);
    struct tt_str name = tt_str_of(key, method.len + 1 + path.len);
    pthread_mutex_lock(&set->mutex);
    struct tt_route_stats *stats = tt_map_get(set->by_key, name);
    if (!stats)
        stats = add_route(set, name, method, path);
    pthread_mutex_unlock(&set->mutex);
    return stats;
}

static void add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

void tt_route_stats_add(struct tt_route_stats *stats, int status, uint64_t duration_us)
{
    int class = status / 100;

    add(&stats->by_class[class >= 1 && class <= 5 ? class : 0], 1);
    add(&stats->duration_us, duration_us);
    for (size_t i = 0; i < TT_DURATION_BUCKETS; i++) {
        if (duration_us <= tt_duration_limits_us[i]) {
            add(&stats->buckets[i], 1);
            return;
        }
    }
}

void tt_route_stats_add_failure(struct tt_route_stats_set *set, struct tt_str code)
{
    for (size_t i = 0; i < TT_COUNT(failure_codes); i++)
        if (tt_str_eq(code, tt_str_from(failure_codes[i])))
            add(&set->failures[i], 1);
}

void tt_route_stats_add_refusal(struct tt_route_stats_set *set, struct tt_str code)
{
    for (size_t i = 0; i < TT_COUNT(refusal_codes); i++)
        if (tt_str_eq(code, tt_str_from(refusal_codes[i])))
            add(&set->refusals[i], 1);
}

bool tt_route_stats_refusal(struct tt_route_stats_set *set, size_t n, const char **code,
                            uint64_t *count)
{
    if (n >= TT_COUNT(refusal_codes))
        return false;
    *code = refusal_codes[n];
    *count = atomic_load(&set->refusals[n]);
    return true;
}

bool tt_route_stats_failure(struct tt_route_stats_set *set, size_t n, const char **code,
                            uint64_t *count)
{
    if (n >= TT_COUNT(failure_codes))
        return false;
    *code = failure_codes[n];
    *count = atomic_load(&set->failures[n]);
    return true;
}

void tt_route_stats_each(struct tt_route_stats_set *set,
                         void (*each)(void *arg, const struct tt_route_stats *stats), void *arg)
{
    each(arg, &set->other);
    pthread_mutex_lock(&set->mutex);
    size_t count = set->count;
    pthread_mutex_unlock(&set->mutex);
    for (size_t i = 0; i < count; i++) /* entries are never taken out or changed */
        each(arg, set->list[i]);
}
