/* The table. Both answers have its order; rows of one section stand together. */
#include "app/admin/metrics_table.h"

#include "app/admin/metrics_labelled.h"
#include "app/admin/status_values.h"

#include <stddef.h>

#define GAUGE(name_, help_)   .name = (name_), .type = "gauge", .help = (help_)
#define COUNTER(name_, help_) .name = (name_), .type = "counter", .help = (help_)
#define STATUS(key_)          .key = (key_)
#define IN(section_, key_)    .section = (section_), .key = (key_)
#define MEMBER(type, member)  offsetof(type, member), .size = sizeof(((type *)0)->member)
#define PROCESS(member)       .offset = MEMBER(struct tt_process_sample, member)
#define WORKER(member)        .per_worker = true, .offset = MEMBER(struct tt_worker_sample, member)

/* clang-format off */
const struct tt_metric tt_metrics[] = {
    {STATUS("version"), .put_value = tt_status_put_version},
    {GAUGE("script_generation", "Number of the script generation that serves."),
     STATUS("generation"), PROCESS(generation_number)},
    {STATUS("scripts"), .put_value = tt_status_put_scripts},
    {GAUGE("generations", "Script generations with open states."),
     STATUS("generations_live"), PROCESS(generations_live)},
    {GAUGE("uptime_seconds", "Time since the start."),
     STATUS("uptime_ms"), PROCESS(uptime_ms), .divide = 1e3},
    {GAUGE("resident_memory_bytes", "Resident memory of the process."), PROCESS(resident_memory)},
    {GAUGE("workers", "Worker threads."), STATUS("workers"), PROCESS(workers)},
    {STATUS("port"), PROCESS(port)},

    {GAUGE("worker_up", "1 if the worker reported in time."), WORKER(there)},
    {GAUGE("requests_in_flight", "Requests in progress."), WORKER(in_flight)},
    {GAUGE("connections", "Open client connections."), WORKER(connections)},
    {GAUGE("tasks", "Running coroutines of requests and timers."), WORKER(tasks)},
    {GAUGE("replies_running", "Replies being generated."), WORKER(replies)},
    {GAUGE("script_memory_bytes", "Memory of the current script state."), WORKER(script_memory)},
    {GAUGE("loop_turn_max_seconds", "Longest tick of the event loop since the last scrape."),
     WORKER(slowest_tick_us), .divide = 1e6},
    {COUNTER("upstream_calls_total", "Calls to upstreams."), WORKER(upstream.started)},
    {COUNTER("upstream_failures_total", "Upstream calls that got no answer."),
     WORKER(upstream.failed)},
    {GAUGE("upstream_calls_open", "Upstream calls in progress."), WORKER(upstream.calls)},
    {GAUGE("nodes_others", "Other nodes that are alive."),
     PROCESS(node.others)},
    {GAUGE("nodes_other_scripts", "Of these, those that serve another script generation."),
     PROCESS(node.other_scripts)},
    {GAUGE("node_keeper", "1 if this node does what one of them does: timers, queues."),
     PROCESS(node.keeper)},
    {GAUGE("node_draining", "1 if this node takes no new turns."),
     PROCESS(node.draining)},
    {COUNTER("node_heartbeats_total", "How often this node has renewed its lease."),
     PROCESS(node.heartbeats)},
    {COUNTER("node_late_total", "How often its lease was over before it was renewed."),
     PROCESS(node.late)},
    {COUNTER("node_news_total", "News of nodes that this one has read."),
     PROCESS(node.news.read)},
    {COUNTER("node_news_delay_seconds_total", "Time from the changes until their news were read."),
     PROCESS(node.news.delay_us), .divide = 1e6},
    {COUNTER("node_news_notices_total", "How often the database said that there are news."),
     PROCESS(node.news.notices)},
    {COUNTER("replies_lost_total", "Replies that another node has taken over."),
     PROCESS(replies_lost)},
    {COUNTER("relayed_requests_total", "Requests passed on to other nodes."), WORKER(relay.sent)},
    {COUNTER("relayed_requests_failed_total", "Of these, those that got no answer."),
     WORKER(relay.failed)},
    {COUNTER("relayed_requests_broken_total", "Of these, those whose answer broke off."),
     WORKER(relay.broken)},
    {COUNTER("relayed_wait_seconds_total", "Time until the other nodes' answers began."),
     WORKER(relay.wait_us), .divide = 1e6},
    {COUNTER("relayed_requests_received_total", "Requests that other nodes passed on."),
     WORKER(relay.received)},
    {COUNTER("relayed_requests_refused_total",
             "Requests at the private listener that no node had signed."),
     WORKER(relay.refused)},

    {COUNTER("requests_total", "Finished requests, by route and status."),
     .put_lines = tt_metrics_put_requests},
    {.name = "request_duration_seconds", .type = "histogram",
     .help = "Time from a request's head to its end.", .put_lines = tt_metrics_put_durations},

    {COUNTER("requests_refused_total", "Requests refused by a limit of a user or address, by code."),
     .put_lines = tt_metrics_put_refusals},

    {STATUS("replies_running"), PROCESS(replies_running)},
    {STATUS("sessions_busy"), PROCESS(sessions_busy)},
    {GAUGE("reply_memory_bytes", "Memory used by the texts of running replies."),
     STATUS("reply_memory"), PROCESS(reply_memory)},
    {GAUGE("unread_bytes", "Bytes of answers that clients have not read yet."),
     STATUS("unread"), PROCESS(unread)},
    {STATUS("replies_repaired"), PROCESS(repaired)},
    {COUNTER("replies_total", "Finished replies."), PROCESS(replies.ended)},
    {COUNTER("replies_failed_total", "Replies that ended with an error."), PROCESS(replies.failed)},
    {COUNTER("reply_bytes_total", "Bytes of text in finished replies."), PROCESS(replies.bytes)},
    {COUNTER("reply_input_tokens_total", "Tokens sent to upstreams."),
     PROCESS(replies.input_tokens)},
    {COUNTER("reply_output_tokens_total", "Tokens generated by upstreams."),
     PROCESS(replies.output_tokens)},

    {COUNTER("script_failures_total", "Requests whose script failed, by error code."),
     .put_lines = tt_metrics_put_failures},
    {COUNTER("script_stopped_total", "Scripts stopped because they used up their CPU time."),
     STATUS("script_timeouts"), PROCESS(watchdog.timeouts)},
    {COUNTER("script_stuck_total", "Scripts that got stuck in a C function."),
     STATUS("script_stuck"), PROCESS(watchdog.stuck)},
    {GAUGE("script_stuck", "Scripts that are stuck in a C function now."),
     STATUS("script_stuck_now"), PROCESS(watchdog.stuck_now)},
    {STATUS("generations"), .put_value = tt_status_put_generations},

    {IN("pools_busy", "aux"), PROCESS(aux_busy)},
    {IN("pools_busy", "names"), PROCESS(names_busy)},
    {IN("pools_busy", "password"), PROCESS(password_busy)},
    {IN("pools_busy", "files"), PROCESS(files_busy)},
    {IN("pools_busy", "text"), PROCESS(text_busy)},

    {COUNTER("db_jobs_total", "Jobs done by the database writer."),
     IN("database", "jobs"), PROCESS(db.jobs)},
    {COUNTER("db_commits_total", "Committed transactions."),
     IN("database", "commits"), PROCESS(db.commits)},
    {COUNTER("db_failed_jobs_total", "Jobs of the database writer that failed."),
     IN("database", "failed_jobs"), PROCESS(db.failed_jobs)},
    {GAUGE("db_largest_batch", "Most jobs in one transaction."),
     IN("database", "largest_batch"), PROCESS(db.largest_batch)},
    {GAUGE("db_waiting", "Jobs waiting for the database writer."),
     IN("database", "waiting"), PROCESS(db.waiting)},
    {GAUGE("db_wal_bytes", "Size of the write-ahead log."),
     IN("database", "wal_size"), PROCESS(db.wal_size)},
    {GAUGE("disk_full", "1 if only what deletes or ends something is stored."),
     STATUS("disk_full"), PROCESS(disk_full)},

    {COUNTER("queue_jobs_done_total", "Jobs of queues that ended well."),
     IN("queues", "done"), PROCESS(jobs.done)},
    {COUNTER("queue_jobs_failed_total", "Attempts of jobs that failed."),
     IN("queues", "failed"), PROCESS(jobs.failed)},
    {GAUGE("queue_jobs_waiting", "Jobs that wait for a place."),
     IN("queues", "waiting"), PROCESS(jobs.waiting)},
    {GAUGE("queue_jobs_later", "Jobs that wait for their time."),
     IN("queues", "later"), PROCESS(jobs.later)},
    {GAUGE("queue_jobs_running", "Jobs that run."),
     IN("queues", "running"), PROCESS(jobs.running)},
    {GAUGE("queue_jobs_dead", "Jobs that failed too often."),
     IN("queues", "dead"), PROCESS(jobs.dead)},
    {GAUGE("cache_entries", "Entries in the cache."),
     IN("cache", "entries"), PROCESS(cache.dict.entries)},
    {GAUGE("cache_bytes", "Bytes in the cache."), IN("cache", "bytes"), PROCESS(cache.dict.bytes)},
    {COUNTER("cache_hits_total", "Cache hits."), IN("cache", "hits"), PROCESS(cache.dict.hits)},
    {COUNTER("cache_misses_total", "Cache misses."),
     IN("cache", "misses"), PROCESS(cache.dict.misses)},
    {COUNTER("cache_stale_total", "Cache entries found in another version."),
     IN("cache", "stale"), PROCESS(cache.dict.stale)},

    {GAUGE("redis_state", "1 for the state that Redis is in."),
     IN("redis", "state"), .put_lines = tt_metrics_put_redis_state,
     .put_value = tt_status_put_redis_state},
    {COUNTER("redis_opened_total", "Times that Redis went down."),
     IN("redis", "opened"), PROCESS(cache.redis.opened)},
    {COUNTER("redis_hits_total", "Redis hits."), IN("redis", "hits"), PROCESS(cache.redis.hits)},
    {COUNTER("redis_misses_total", "Redis misses."),
     IN("redis", "misses"), PROCESS(cache.redis.misses)},
    {COUNTER("redis_timeouts_total", "Commands that timed out."),
     IN("redis", "timeouts"), PROCESS(cache.redis.timeouts)},
    {COUNTER("redis_errors_total", "Commands that failed."),
     IN("redis", "errors"), PROCESS(cache.redis.errors)},
    {IN("redis", "skipped"), PROCESS(cache.redis.skipped)},
    {IN("redis", "last_error"), .put_value = tt_status_put_redis_error},

    {GAUGE("breakers", "Upstreams of the last minutes, by the state of their circuit breaker."),
     STATUS("breakers"), .put_lines = tt_metrics_put_breakers,
     .put_value = tt_status_put_breakers},
    {GAUGE("breaker_calls_in_flight", "Calls that count against the limit of an upstream."),
     PROCESS(breakers.in_flight)},
};
/* clang-format on */
const size_t tt_metric_count = TT_COUNT(tt_metrics);

int64_t tt_metric_number(const struct tt_metric *metric, const void *sample)
{
    const char *at = (const char *)sample + metric->offset;

    if (metric->size == sizeof(bool))
        return *(const bool *)at;
    return metric->size == sizeof(int) ? *(const int *)at : (int64_t) * (const uint64_t *)at;
}
