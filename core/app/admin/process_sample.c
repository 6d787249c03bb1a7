/* Everything that is read here has its own lock, or is atomic. */
#include "app/admin/process_sample.h"

#include "app/reload/builder.h"
#include "base/clock.h"
#include "base/disk_reserve.h"
#include "chat/checkpoint.h"
#include "http/unread.h"
#include "reply/registry.h"
#include "reply/reply.h"
#include "upstream/breaker.h"

#include <stdio.h>
#include <unistd.h>

static uint64_t resident_memory(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_breaker(const struct tt_breaker_status *status, void *arg)
{
    struct tt_metrics_breaker_sums *sums = arg;

    sums->closed += strcmp(status->state, "closed") == 0;
    sums->half_open += strcmp(status->state, "half_open") == 0;
    sums->open += strcmp(status->state, "open") == 0;
    sums->in_flight += status->in_flight;
}

static int64_t jobs_noted(const struct tt_dispatcher *dispatcher, const char *what)
{
    const struct tt_shared_key key = {TT_STR("queue"), tt_str_from(what)};
    struct tt_shared_value value = {0};

    if (!tt_shared_get(dispatcher->tide->shared, &key, &value))
        return 0;
    if (value.held)
        tt_cache_value_unref(value.held);
    return value.is_integer ? value.integer : 0;
}

static void sample_jobs(struct tt_metrics_queue_jobs *jobs, const struct tt_dispatcher *dispatcher)
{
    *jobs = (struct tt_metrics_queue_jobs){
        .done = jobs_noted(dispatcher, "done"),
        .failed = jobs_noted(dispatcher, "failed"),
        .waiting = jobs_noted(dispatcher, "waiting"),
        .later = jobs_noted(dispatcher, "later"),
        .running = jobs_noted(dispatcher, "running"),
        .dead = jobs_noted(dispatcher, "dead"),
    };
}

void tt_process_sample(struct tt_process_sample *sample, const struct tt_dispatcher *dispatcher)
{
    const struct tt_admin_parts *parts = &tt_admin_of(dispatcher)->parts;

    *sample = (struct tt_process_sample){
        .parts = parts,
        .generation = dispatcher->generation,
        .generation_number = dispatcher->generation->number,
        .generations_live = tt_builder_live(parts->builder, NULL, 0),
        .workers = parts->worker_count,
        .port = parts->port,
        .repaired = parts->repaired,
        .replies_lost = tt_checkpoints_lost(),
        .replies_running = tt_reply_count(),
        .aux_busy = tt_aux_busy(parts->aux),
        .names_busy = tt_aux_busy(parts->name_aux),
        .password_busy = tt_aux_busy(parts->password_aux),
        .files_busy = tt_aux_busy(parts->file_aux),
        .text_busy = tt_aux_busy(parts->text_aux),
        .uptime_ms = tt_clock_mono_ms() - parts->started_ms,
        .resident_memory = resident_memory(),
        .reply_memory = tt_reply_memory_used(),
        .unread = tt_unread_bytes(),
        .disk_full = tt_disk_is_full(),
        .sessions_busy = tt_registry_count(parts->registry),
    };
    tt_node_stats(parts->node, &sample->node);
    tt_watchdog_stats(&sample->watchdog);
    tt_running_totals_get(&sample->replies);
    tt_db_stats(parts->db, &sample->db);
    tt_cache_store_stats(parts->cache, &sample->cache);
    tt_breakers_each(parts->breakers, add_breaker, &sample->breakers);
    sample_jobs(&sample->jobs, dispatcher);
}
