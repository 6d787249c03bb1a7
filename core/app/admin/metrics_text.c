/* The text of /metrics: each family with its help and type, then its lines. */
#include "app/admin/metrics_internal.h"
#include "app/reload/builder.h"
#include "base/clock.h"
#include "chat/running_reply.h"
#include "script/watchdog.h"
#include "upstream/breaker.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define MICRO 1000000.0

static void family(struct tt_buf *out, const char *name, const char *type, const char *help)
{
    tt_buf_printf(out, "# HELP tidetalk_%s %s\n# TYPE tidetalk_%s %s\n", name, help, name, type);
}

/* A family of one line. */
static void single(struct tt_buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    family(out, name, type, help);
    tt_buf_printf(out, "tidetalk_%s %.17g\n", name, value);
}

/* ---- routes ---- */

static void escape(struct tt_buf *out, struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' || c == '"')
            tt_buf_putc(out, '\\');
        if (c == '\n')
            tt_buf_append_z(out, "\\n");
        else
            tt_buf_putc(out, c);
    }
}

static void route_labels(struct tt_buf *out, const struct tt_route_stats *stats)
{
    tt_buf_append_z(out, "method=\"");
    escape(out, stats->method);
    tt_buf_append_z(out, "\",route=\"");
    escape(out, stats->path);
    tt_buf_putc(out, '"');
}

static void write_requests(void *arg, const struct tt_route_stats *stats)
{
    static const char *const classes[] = {"gone", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct tt_buf *out = arg;

    for (size_t i = 0; i < TT_COUNT(classes); i++) {
        uint64_t count = atomic_load(&stats->by_class[i]);
        if (count == 0)
            continue;
        tt_buf_append_z(out, "tidetalk_requests_total{");
        route_labels(out, stats);
        tt_buf_printf(out, ",status=\"%s\"} %" PRIu64 "\n", classes[i], count);
    }
}

/* The buckets are cumulative, and the count is taken last: so none is larger than the next. */
static void write_durations(void *arg, const struct tt_route_stats *stats)
{
    struct tt_buf *out = arg;
    uint64_t within = 0, buckets[TT_DURATION_BUCKETS], count = 0;

    for (size_t i = 0; i < TT_DURATION_BUCKETS; i++)
        buckets[i] = within += atomic_load(&stats->buckets[i]);
    double sum = (double)atomic_load(&stats->duration_us) / MICRO;
    for (size_t i = 0; i < TT_COUNT(stats->by_class); i++)
        count += atomic_load(&stats->by_class[i]);
    if (count < within)
        count = within;
    if (count == 0)
        return;
    for (size_t i = 0; i < TT_DURATION_BUCKETS; i++) {
        tt_buf_append_z(out, "tidetalk_request_duration_seconds_bucket{");
        route_labels(out, stats);
        tt_buf_printf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)tt_duration_limits_us[i] / MICRO,
                      buckets[i]);
    }
    tt_buf_append_z(out, "tidetalk_request_duration_seconds_bucket{");
    route_labels(out, stats);
    tt_buf_printf(out, ",le=\"+Inf\"} %" PRIu64 "\ntidetalk_request_duration_seconds_sum{", count);
    route_labels(out, stats);
    tt_buf_printf(out, "} %.17g\ntidetalk_request_duration_seconds_count{", sum);
    route_labels(out, stats);
    tt_buf_printf(out, "} %" PRIu64 "\n", count);
}

static void write_routes(struct tt_app *app, struct tt_buf *out)
{
    family(out, "requests_total", "counter", "Requests that are over, by route and status.");
    tt_route_stats_each(app->serving.route_stats, write_requests, out);
    family(out, "request_duration_seconds", "histogram", "From a request's head to its end.");
    tt_route_stats_each(app->serving.route_stats, write_durations, out);
}

/* ---- scripts ---- */

static void write_scripts(struct tt_app *app, struct tt_buf *out)
{
    struct tt_watchdog_stats watchdog;
    const char *code;
    uint64_t count;

    tt_watchdog_stats(&watchdog);
    family(out, "script_failures_total", "counter", "Requests whose script failed, by code.");
    for (size_t i = 0; tt_route_stats_failure(app->serving.route_stats, i, &code, &count); i++)
        tt_buf_printf(out, "tidetalk_script_failures_total{code=\"%s\"} %" PRIu64 "\n", code,
                      count);
    single(out, "script_stopped_total", "counter", "Scripts stopped for their CPU time.",
           (double)watchdog.timeouts);
    single(out, "script_stuck_total", "counter", "Scripts stuck in a C function.",
           (double)watchdog.stuck);
    single(out, "script_stuck", "gauge", "Scripts stuck in a C function now.", watchdog.stuck_now);
    single(out, "generations", "gauge", "Script generations whose states are open.",
           tt_builder_live(app->builder, NULL, 0));
}

/* ---- workers ---- */

typedef double pick_fn(const struct tt_worker_sample *sample);

static double pick_up(const struct tt_worker_sample *s)
{
    return s->there;
}

static double pick_in_flight(const struct tt_worker_sample *s)
{
    return s->in_flight;
}

static double pick_connections(const struct tt_worker_sample *s)
{
    return s->connections;
}

static double pick_tasks(const struct tt_worker_sample *s)
{
    return s->tasks;
}

static double pick_replies(const struct tt_worker_sample *s)
{
    return s->replies;
}

static double pick_memory(const struct tt_worker_sample *s)
{
    return (double)s->script_memory;
}

static double pick_turn(const struct tt_worker_sample *s)
{
    return (double)s->slowest_turn_us / MICRO;
}

static double pick_calls(const struct tt_worker_sample *s)
{
    return (double)s->upstream.started;
}

static double pick_failed(const struct tt_worker_sample *s)
{
    return (double)s->upstream.failed;
}

static double pick_open(const struct tt_worker_sample *s)
{
    return s->upstream.calls;
}

static const struct {
    const char *name, *type, *help;
    pick_fn *pick;
} worker_families[] = {
    {"worker_up", "gauge", "1: the worker told its numbers in time.", pick_up},
    {"requests_in_flight", "gauge", "Requests that are not over.", pick_in_flight},
    {"connections", "gauge", "Open connections of clients.", pick_connections},
    {"tasks", "gauge", "Coroutines of requests and timers.", pick_tasks},
    {"replies_running", "gauge", "Replies that are being made.", pick_replies},
    {"script_memory_bytes", "gauge", "Memory of the current script state.", pick_memory},
    {"loop_turn_max_seconds", "gauge", "Longest tick of the loop since the last look.", pick_turn},
    {"upstream_calls_total", "counter", "Calls to upstreams.", pick_calls},
    {"upstream_failures_total", "counter", "Calls that ended without an answer.", pick_failed},
    {"upstream_calls_open", "gauge", "Calls to upstreams that are not over.", pick_open},
};

/* Of a worker that has not told anything only that is told: a zero would be a counter's reset. */
static void write_workers(struct tt_app *app, const struct tt_worker_sample *samples,
                          struct tt_buf *out)
{
    for (size_t i = 0; i < TT_COUNT(worker_families); i++) {
        family(out, worker_families[i].name, worker_families[i].type, worker_families[i].help);
        for (int w = 0; w < app->worker_count; w++)
            if (samples[w].there || i == 0)
                tt_buf_printf(out, "tidetalk_%s{worker=\"%d\"} %.17g\n", worker_families[i].name, w,
                              worker_families[i].pick(&samples[w]));
    }
}

/* ---- what all workers share ---- */

static void write_database(struct tt_app *app, struct tt_buf *out)
{
    struct tt_db_stats db;

    tt_db_stats(app->db, &db);
    single(out, "db_jobs_total", "counter", "Jobs of the database writer.", (double)db.jobs);
    single(out, "db_failed_jobs_total", "counter", "Jobs that failed.", (double)db.failed_jobs);
    single(out, "db_commits_total", "counter", "Transactions that were committed.",
           (double)db.commits);
    single(out, "db_largest_batch", "gauge", "Most jobs in one transaction.",
           (double)db.largest_batch);
    single(out, "db_waiting", "gauge", "Jobs in the queue.", db.waiting);
    single(out, "db_wal_bytes", "gauge", "Size of the write-ahead log.", (double)db.wal_size);
}

static void write_cache(struct tt_app *app, struct tt_buf *out)
{
    struct tt_cache_stats cache;

    tt_cache_store_stats(app->cache, &cache);
    single(out, "cache_entries", "gauge", "Entries of the cache.", (double)cache.dict.entries);
    single(out, "cache_bytes", "gauge", "Bytes of the cache.", (double)cache.dict.bytes);
    single(out, "cache_hits_total", "counter", "Found in the cache.", (double)cache.dict.hits);
    single(out, "cache_misses_total", "counter", "Not there.", (double)cache.dict.misses);
    single(out, "cache_stale_total", "counter", "There in another version.",
           (double)cache.dict.stale);
    family(out, "redis_state", "gauge", "1 for the state that Redis is in.");
    for (int state = 0; state <= TT_REDIS_DOWN; state++)
        tt_buf_printf(out, "tidetalk_redis_state{state=\"%s\"} %d\n", tt_redis_state_name(state),
                      (int)cache.redis.state == state);
    single(out, "redis_opened_total", "counter", "How often Redis was found dead.",
           (double)cache.redis.opened);
    single(out, "redis_hits_total", "counter", "Found in Redis.", (double)cache.redis.hits);
    single(out, "redis_misses_total", "counter", "Not in Redis.", (double)cache.redis.misses);
    single(out, "redis_timeouts_total", "counter", "Commands that came too late.",
           (double)cache.redis.timeouts);
    single(out, "redis_errors_total", "counter", "Commands that failed.",
           (double)cache.redis.errors);
}

static void write_replies(struct tt_buf *out)
{
    struct tt_running_replies_totals totals;

    tt_running_replies_totals(&totals);
    single(out, "replies_total", "counter", "Replies that have ended.", (double)totals.ended);
    single(out, "replies_failed_total", "counter", "Replies that ended with an error.",
           (double)totals.failed);
    single(out, "reply_bytes_total", "counter", "Text of replies that have ended.",
           (double)totals.bytes);
    single(out, "reply_input_tokens_total", "counter", "Tokens that upstreams were sent.",
           (double)totals.input_tokens);
    single(out, "reply_output_tokens_total", "counter", "Tokens that upstreams have made.",
           (double)totals.output_tokens);
    single(out, "reply_memory_bytes", "gauge", "Memory of running replies' texts.",
           (double)tt_reply_memory_used());
}

struct breaker_sums {
    int by_state[3], in_flight;
};

static const char *const breaker_states[] = {"closed", "half_open", "open"};

static void add_breaker(const struct tt_breaker_status *status, void *arg)
{
    struct breaker_sums *sums = arg;

    for (size_t i = 0; i < TT_COUNT(breaker_states); i++)
        if (strcmp(status->state, breaker_states[i]) == 0)
            sums->by_state[i]++;
    sums->in_flight += status->in_flight;
}

/* Only how many: what upstreams are called comes from users. /admin/status names them. */
static void write_breakers(struct tt_app *app, struct tt_buf *out)
{
    struct breaker_sums sums = {0};

    tt_breakers_each(app->breakers, add_breaker, &sums);
    family(out, "breakers", "gauge", "Upstreams of the last minutes, by their breaker's state.");
    for (size_t i = 0; i < TT_COUNT(breaker_states); i++)
        tt_buf_printf(out, "tidetalk_breakers{state=\"%s\"} %d\n", breaker_states[i],
                      sums.by_state[i]);
    single(out, "breaker_calls_in_flight", "gauge", "Calls that hold a place of an upstream.",
           sums.in_flight);
}

static void write_process(struct tt_app *app, struct tt_buf *out)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    single(out, "resident_memory_bytes", "gauge", "Memory of the process.",
           (double)pages * (double)sysconf(_SC_PAGESIZE));
    single(out, "uptime_seconds", "gauge", "Since the start.",
           (double)(tt_clock_mono_ms() - app->started_ms) / 1000);
    single(out, "workers", "gauge", "Worker threads.", app->worker_count);
}

void tt_metrics_write(struct tt_app *app, const struct tt_worker_sample *samples,
                      struct tt_buf *out)
{
    write_process(app, out);
    write_workers(app, samples, out);
    write_routes(app, out);
    write_scripts(app, out);
    write_replies(out);
    write_breakers(app, out);
    write_database(app, out);
    write_cache(app, out);
}
