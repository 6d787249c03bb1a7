/* Labels come from the scripts' route table, from error codes and states: never from a request. */
#include "app/admin/metrics_labelled.h"

#include "serve/route_stats.h"

#include <inttypes.h>

#define MICRO 1000000.0

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

static void put_requests(void *arg, const struct tt_route_stats *stats)
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

/* The buckets are cumulative, and the count is read last, so none is larger than the next. */
static void put_durations(void *arg, const struct tt_route_stats *stats)
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

void tt_metrics_put_requests(const struct tt_process_sample *sample, struct tt_buf *out)
{
    tt_route_stats_each(sample->parts->route_stats, put_requests, out);
}

void tt_metrics_put_durations(const struct tt_process_sample *sample, struct tt_buf *out)
{
    tt_route_stats_each(sample->parts->route_stats, put_durations, out);
}

/* ---- codes and states ---- */

void tt_metrics_put_failures(const struct tt_process_sample *sample, struct tt_buf *out)
{
    const char *code;
    uint64_t count;

    for (size_t i = 0; tt_route_stats_failure(sample->parts->route_stats, i, &code, &count); i++)
        tt_buf_printf(out, "tidetalk_script_failures_total{code=\"%s\"} %" PRIu64 "\n", code,
                      count);
}

void tt_metrics_put_refusals(const struct tt_process_sample *sample, struct tt_buf *out)
{
    const char *code;
    uint64_t count;

    for (size_t i = 0; tt_route_stats_refusal(sample->parts->route_stats, i, &code, &count); i++)
        tt_buf_printf(out, "tidetalk_requests_refused_total{code=\"%s\"} %" PRIu64 "\n", code,
                      count);
}

void tt_metrics_put_redis_state(const struct tt_process_sample *sample, struct tt_buf *out)
{
    for (int state = 0; state <= TT_REDIS_DOWN; state++)
        tt_buf_printf(out, "tidetalk_redis_state{state=\"%s\"} %d\n", tt_redis_state_name(state),
                      (int)sample->cache.redis.state == state);
}

void tt_metrics_put_breakers(const struct tt_process_sample *sample, struct tt_buf *out)
{
    const struct tt_metrics_breaker_sums *sums = &sample->breakers;

    tt_buf_printf(out, "tidetalk_breakers{state=\"closed\"} %d\n", sums->closed);
    tt_buf_printf(out, "tidetalk_breakers{state=\"half_open\"} %d\n", sums->half_open);
    tt_buf_printf(out, "tidetalk_breakers{state=\"open\"} %d\n", sums->open);
}
