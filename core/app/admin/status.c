/* What the process is at, as JSON. */
#include "app/admin/status.h"

#include "app/admin/admin_internal.h"
#include "app/reload/builder.h"
#include "base/clock.h"
#include "chat/production.h"
#include "script/watchdog.h"
#include "serve/answer.h"
#include "upstream/breaker.h"

#include <stdio.h>

#define LIVE_MAX 16

static void put_cache(struct tt_json_writer *w, const struct tt_admin_parts *parts)
{
    struct tt_cache_stats cache;

    tt_cache_store_stats(parts->cache, &cache);
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

static void put_scripts(struct tt_json_writer *w, const struct tt_admin_parts *parts)
{
    struct tt_live_generation live[LIVE_MAX];
    int count = tt_builder_live(parts->builder, live, LIVE_MAX);
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

static void put_pools(struct tt_json_writer *w, const struct tt_admin_parts *parts)
{
    tt_json_key(w, TT_STR("pools_busy"));
    tt_json_begin_object(w);
    tt_answer_put_int(w, "aux", tt_aux_busy(parts->aux));
    tt_answer_put_int(w, "password", tt_aux_busy(parts->password_aux));
    tt_answer_put_int(w, "files", tt_aux_busy(parts->file_aux));
    tt_answer_put_int(w, "text", tt_aux_busy(parts->text_aux));
    tt_json_end_object(w);
}

void tt_status_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_admin_parts *parts = &tt_admin_of(dispatcher)->parts;
    struct tt_buf body = {0};
    struct tt_json_writer w = {.buf = &body};
    struct tt_db_stats db;

    tt_db_stats(parts->db, &db);
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("version"));
    tt_json_str(&w, tt_str_from(TT_VERSION));
    tt_answer_put_int(&w, "generation", dispatcher->generation->number);
    tt_json_key(&w, TT_STR("scripts"));
    tt_json_str(&w, tt_str_from(dispatcher->generation->bundle->hash));
    tt_answer_put_int(&w, "generations_live", tt_builder_live(parts->builder, NULL, 0));
    tt_answer_put_int(&w, "uptime_ms", (int64_t)(tt_clock_mono_ms() - parts->started_ms));
    tt_answer_put_int(&w, "workers", parts->worker_count);
    tt_answer_put_int(&w, "port", parts->port);
    tt_answer_put_int(&w, "replies_running", tt_reply_count());
    tt_answer_put_int(&w, "sessions_busy", (int64_t)tt_registry_count(parts->registry));
    tt_answer_put_int(&w, "reply_memory", (int64_t)tt_reply_memory_used());
    tt_answer_put_int(&w, "replies_repaired", parts->repaired);
    put_scripts(&w, parts);
    put_pools(&w, parts);
    tt_json_key(&w, TT_STR("database"));
    tt_json_begin_object(&w);
    tt_answer_put_int(&w, "jobs", (int64_t)db.jobs);
    tt_answer_put_int(&w, "commits", (int64_t)db.commits);
    tt_answer_put_int(&w, "failed_jobs", (int64_t)db.failed_jobs);
    tt_answer_put_int(&w, "largest_batch", (int64_t)db.largest_batch);
    tt_answer_put_int(&w, "waiting", db.waiting);
    tt_answer_put_int(&w, "wal_size", (int64_t)db.wal_size);
    tt_json_end_object(&w);
    put_cache(&w, parts);
    tt_json_key(&w, TT_STR("breakers"));
    tt_json_begin_array(&w);
    tt_breakers_each(parts->breakers, put_breaker, &w);
    tt_json_end_array(&w);
    tt_json_end_object(&w);
    tt_answer_json(exchange, 200, &body);
}
