/* Liveness says that the loop turns; readiness that requests can be served: scripts loaded and not
 * shutting down. Both are answered on both listeners, without a token. */
#include "app/admin/health.h"

#include "app/admin/admin_access.h"
#include "app/admin/admin_scripts.h"
#include "app/admin/answer.h"
#include "app/admin/audit.h"
#include "app/admin/metrics.h"
#include "app/reload/builder.h"
#include "app/worker.h"
#include "base/json.h"
#include "chat/running_reply.h"
#include "script/watchdog.h"

#include <stdio.h>

#define LIVE_MAX 16
#define METRICS  TT_STR("/metrics")
#define AUDIT    TT_STR("/admin/audit")

static void live(struct tt_http_exchange *exchange)
{
    struct tt_buf body = {0};
    tt_buf_append_z(&body, "{\"status\":\"ok\"}");
    tt_answer_json(exchange, 200, &body);
}

static void ready(struct tt_worker *worker, struct tt_http_exchange *exchange,
                  enum tt_listener listener)
{
    struct tt_app *app = worker->app;
    bool is_ready = atomic_load(&app->ready) && !atomic_load(&app->stopping);
    struct tt_buf body = {0};

    struct tt_generation *generation = worker->dispatcher.generation;
    bool history = generation->fallback_reason.len > 0 && !atomic_load(&generation->on_disk_again);
    struct tt_json_writer w = {.buf = &body};

    tt_json_begin_object(&w);
    tt_answer_put_str(&w, "status",
                      is_ready                      ? TT_STR("ready")
                      : atomic_load(&app->stopping) ? TT_STR("stopping")
                                                    : TT_STR("starting"));
    tt_answer_put_int(&w, "generation", generation->number);
    tt_answer_put_str(&w, "version", tt_str_from(TT_VERSION));
    /* Names of files and what is wrong in them are for the operator only. */
    tt_answer_put_str(&w, "scripts", history ? TT_STR("history") : TT_STR("disk"));
    if (history && listener == TT_LISTENER_ADMIN)
        tt_answer_put_str(&w, "scripts_reason", generation->fallback_reason);
    tt_json_end_object(&w);
    tt_answer_json(exchange, is_ready ? 200 : 503, &body);
}

static void put_cache(struct tt_json_writer *w, struct tt_app *app)
{
    struct tt_cache_stats cache;

    tt_cache_store_stats(app->cache, &cache);
    tt_json_key(w, TT_STR("cache"));
    tt_json_begin_object(w);
    tt_answer_put_int(w, "entries", (int64_t)cache.dict.entries);
    tt_answer_put_int(w, "bytes", (int64_t)cache.dict.bytes);
    tt_answer_put_int(w, "hits", (int64_t)cache.dict.hits);
    tt_answer_put_int(w, "misses", (int64_t)cache.dict.misses);
    tt_answer_put_int(w, "stale", (int64_t)cache.dict.stale);
    tt_json_end_object(w);
    tt_json_key(w, TT_STR("redis"));
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("state"));
    tt_json_str(w, tt_str_from(tt_redis_state_name(cache.redis.state)));
    tt_answer_put_int(w, "opened", (int64_t)cache.redis.opened);
    tt_answer_put_int(w, "hits", (int64_t)cache.redis.hits);
    tt_answer_put_int(w, "misses", (int64_t)cache.redis.misses);
    tt_answer_put_int(w, "timeouts", (int64_t)cache.redis.timeouts);
    tt_answer_put_int(w, "errors", (int64_t)cache.redis.errors);
    tt_answer_put_int(w, "skipped", (int64_t)cache.redis.skipped);
    tt_json_key(w, TT_STR("last_error"));
    tt_json_str(w, tt_str_from(cache.redis.last_error));
    tt_json_end_object(w);
}

static void put_breaker(const struct tt_breaker_status *breaker, void *arg)
{
    struct tt_json_writer *w = arg;
    char key[9];

    snprintf(key, sizeof(key), "%08x", (unsigned)(breaker->key & 0xFFFFFFFFu));
    tt_json_begin_object(w);
    tt_json_key(w, TT_STR("upstream"));
    tt_json_str(w, breaker->upstream);
    tt_json_key(w, TT_STR("key"));
    tt_json_str(w, tt_str_from(key));
    tt_json_key(w, TT_STR("state"));
    tt_json_str(w, tt_str_from(breaker->state));
    tt_answer_put_int(w, "in_flight", breaker->in_flight);
    tt_answer_put_int(w, "failures", breaker->failures);
    tt_answer_put_int(w, "calls", (int64_t)breaker->calls);
    tt_answer_put_int(w, "failed", (int64_t)breaker->failed);
    tt_answer_put_int(w, "refused", (int64_t)breaker->refused);
    tt_answer_put_int(w, "opened", (int64_t)breaker->opened);
    tt_answer_put_int(w, "retry_ms", (int64_t)breaker->retry_ms);
    tt_json_end_object(w);
}

static void put_scripts(struct tt_json_writer *w, struct tt_app *app)
{
    struct tt_live_generation live[LIVE_MAX];
    int count = tt_builder_live(app->builder, live, LIVE_MAX);
    struct tt_watchdog_stats watchdog;

    tt_watchdog_stats(&watchdog);
    tt_answer_put_int(w, "script_timeouts", (int64_t)watchdog.timeouts);
    tt_answer_put_int(w, "script_stuck", (int64_t)watchdog.stuck);
    tt_answer_put_int(w, "script_stuck_now", watchdog.stuck_now);
    tt_json_key(w, TT_STR("generations"));
    tt_json_begin_array(w);
    for (int i = 0; i < count && i < LIVE_MAX; i++) {
        tt_json_begin_object(w);
        tt_answer_put_int(w, "generation", live[i].number);
        tt_answer_put_int(w, "references", live[i].references);
        tt_json_end_object(w);
    }
    tt_json_end_array(w);
}

static void put_pools(struct tt_json_writer *w, struct tt_app *app)
{
    tt_json_key(w, TT_STR("pools_busy"));
    tt_json_begin_object(w);
    tt_answer_put_int(w, "aux", tt_aux_busy(app->aux));
    tt_answer_put_int(w, "password", tt_aux_busy(app->password_aux));
    tt_answer_put_int(w, "files", tt_aux_busy(app->file_aux));
    tt_answer_put_int(w, "text", tt_aux_busy(app->text_aux));
    tt_json_end_object(w);
}

static void status(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    struct tt_app *app = worker->app;
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};
    struct tt_db_stats db;

    tt_db_stats(app->db, &db);
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("version"));
    tt_json_str(&w, tt_str_from(TT_VERSION));
    tt_answer_put_int(&w, "generation", worker->dispatcher.generation->number);
    tt_json_key(&w, TT_STR("scripts"));
    tt_json_str(&w, tt_str_from(worker->dispatcher.generation->bundle->hash));
    tt_answer_put_int(&w, "generations_live", tt_builder_live(app->builder, NULL, 0));
    tt_answer_put_int(&w, "uptime_ms", (int64_t)(tt_loop_now(worker->loop) - app->started_ms));
    tt_answer_put_int(&w, "workers", app->worker_count);
    tt_answer_put_int(&w, "port", app->port);
    tt_answer_put_int(&w, "replies_running", tt_reply_count());
    tt_answer_put_int(&w, "sessions_busy", (int64_t)tt_registry_count(app->registry));
    tt_answer_put_int(&w, "reply_memory", (int64_t)tt_reply_memory_used());
    tt_answer_put_int(&w, "replies_repaired", app->repaired);
    put_scripts(&w, app);
    put_pools(&w, app);
    tt_json_key(&w, TT_STR("database"));
    tt_json_begin_object(&w);
    tt_answer_put_int(&w, "jobs", (int64_t)db.jobs);
    tt_answer_put_int(&w, "commits", (int64_t)db.commits);
    tt_answer_put_int(&w, "failed_jobs", (int64_t)db.failed_jobs);
    tt_answer_put_int(&w, "largest_batch", (int64_t)db.largest_batch);
    tt_answer_put_int(&w, "waiting", db.waiting);
    tt_answer_put_int(&w, "wal_size", (int64_t)db.wal_size);
    tt_json_end_object(&w);
    put_cache(&w, app);
    tt_json_key(&w, TT_STR("breakers"));
    tt_json_begin_array(&w);
    tt_breakers_each(app->breakers, put_breaker, &w);
    tt_json_end_array(&w);
    tt_json_end_object(&w);
    tt_answer_json(exchange, 200, &body);
}

void tt_health_request(void *arg, struct tt_http_exchange *exchange)
{
    if (tt_str_eq(tt_http_path(exchange), METRICS))
        tt_metrics_answer(arg, exchange);
    else if (tt_str_eq(tt_http_path(exchange), AUDIT))
        tt_admin_audit_answer(arg, exchange);
    else
        tt_admin_scripts_answer(arg, exchange);
}

/* Reading is not recorded. */
void tt_health_admin_end(void *arg, const struct tt_request *request)
{
    struct tt_worker *worker = arg;
    struct tt_str method = tt_http_method(request->exchange);
    char action[256];

    if (tt_str_eq(method, TT_STR("GET")) || tt_str_eq(method, TT_STR("HEAD")))
        return;
    snprintf(action, sizeof(action), "%.*s %.*s", TT_STR_ARG(method),
             TT_STR_ARG(tt_http_path(request->exchange)));
    tt_audit_write(worker->app->db, worker->loop,
                   &(struct tt_audit_entry){.who = tt_admin_who(worker, request->exchange),
                                            .action = tt_str_from(action),
                                            .status = request->status,
                                            .code = tt_str_from(request->code)});
}

bool tt_health_answer(void *arg, struct tt_http_exchange *exchange,
                      const struct tt_listener_handle *handle)
{
    struct tt_worker *worker = arg;
    enum tt_listener listener = handle->listener;
    struct tt_str path = tt_http_path(exchange), method = tt_http_method(exchange);

    if (tt_admin_access_refuses(worker, exchange, handle))
        return true;
    if (path.len < 6 || !strchr("lram", path.data[1]))
        return false;
    if (listener == TT_LISTENER_ADMIN &&
        (tt_admin_scripts_owns(exchange) || tt_admin_access_answer(worker, exchange)))
        return true;
    if (!tt_str_eq(method, TT_STR("GET")) && !tt_str_eq(method, TT_STR("HEAD")))
        return false;
    if (tt_str_eq(path, TT_STR("/livez")))
        live(exchange);
    else if (tt_str_eq(path, TT_STR("/readyz")))
        ready(worker, exchange, listener);
    else if (listener == TT_LISTENER_ADMIN && (tt_str_eq(path, METRICS) || tt_str_eq(path, AUDIT)))
        return true; /* answered by tt_health_request */
    else if (listener == TT_LISTENER_ADMIN && tt_str_eq(path, TT_STR("/admin/status")))
        status(worker, exchange);
    else
        return false;
    return true;
}
