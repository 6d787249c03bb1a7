/* The steps of a reload, written as one sequence: read -> build -> hand over -> record -> swap. It
 * runs its own loop while it waits for workers or the database, so it needs no states in between.
 */
#include "app/reload/builder_internal.h"
#include "app/reload/overlay_bases.h"
#include "app/reload/plugin_data.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "node/members.h"
#include "node/node.h"
#include "script/timers.h"
#include "serve/events.h"
#include "serve/lifecycle.h"

#include <stdlib.h>

/* ---- swaps to all workers ---- */

struct swap {
    struct tt_mail mail;
    struct tt_builder *builder;
    struct tt_dispatcher *worker;
    struct tt_generation *next; /* of a swap */
    struct tt_buf state;        /* exported */
    struct tt_err err;
    uint64_t ns;                    /* that it took on its worker's loop */
    void (*run)(struct swap *swap); /* worker */
};

static void come_back(struct tt_mail *mail)
{
    struct swap *swap = TT_CONTAINER_OF(mail, struct swap, mail);
    struct tt_builder *builder = swap->builder;

    builder->awaited--;
    if (builder->stall_ns < swap->ns)
        builder->stall_ns = swap->ns;
}

static void run_errand(struct tt_mail *mail)
{
    struct swap *swap = TT_CONTAINER_OF(mail, struct swap, mail);

    uint64_t began_ns = tt_clock_mono_ns();
    swap->run(swap);
    swap->ns = tt_clock_mono_ns() - began_ns;
    mail->deliver = come_back;
    tt_loop_post(swap->builder->loop, mail);
}

/* Sends one to each worker and waits for all answers. Owns: the caller, free(). */
static struct swap *send_errands(struct tt_builder *builder, struct tt_generation *next,
                                 void (*run)(struct swap *swap))
{
    int count = builder->parts.worker_count;
    struct swap *swaps = tt_alloc((size_t)count * sizeof(struct swap));

    builder->awaited = count;
    for (int i = 0; i < count; i++) {
        swaps[i].builder = builder;
        swaps[i].worker = builder->parts.workers[i];
        swaps[i].next = next;
        swaps[i].run = run;
        swaps[i].mail.deliver = run_errand;
        tt_loop_post(tt_dispatcher_loop(swaps[i].worker), &swaps[i].mail);
    }
    while (builder->awaited > 0)
        tt_loop_tick(builder->loop, -1);
    return swaps;
}

/* ---- hand-over ---- */

/* Worker. */
static void export_state(struct swap *swap)
{
    tt_lifecycle_export_state(tt_dispatcher_vm(swap->worker), &swap->state, &swap->err);
}

/* What the old side could not export. Without `need_state` this does not stop the reload: otherwise
 * a bad export_state could never be replaced. */
static void note_exports(struct swap *swaps, int count, bool need_state,
                         struct tt_diagnostics *diagnostics)
{
    diagnostics->phase = "export_state";
    for (int i = 0; i < count; i++) {
        if (swaps[i].err.status == 0)
            continue;
        if (need_state)
            tt_diagnostics_add(diagnostics, "app.lua", tt_str_from(swaps[i].err.message));
        else
            tt_log(TT_LOG_WARN, "the state was not handed over", TT_F_INT("worker", i),
                   TT_F_Z("error", swaps[i].err.message));
        tt_buf_clear(&swaps[i].state);
    }
}

/* Each state gets what the previous one on the same worker exported; before the workers run, there
 * is nothing to export. */
static int hand_over(struct tt_builder *builder, struct tt_generation *next, bool need_state,
                     struct tt_diagnostics *diagnostics)
{
    struct swap *swaps = builder->current ? send_errands(builder, NULL, export_state) : NULL;
    size_t before = diagnostics->count;

    if (swaps)
        note_exports(swaps, next->vm_count, need_state, diagnostics);
    for (int i = 0; diagnostics->count == before && i < next->vm_count; i++)
        tt_lifecycle_start(next->vms[i], swaps ? tt_buf_str(&swaps[i].state) : TT_STR(""),
                           diagnostics);
    for (int i = 0; swaps && i < next->vm_count; i++)
        tt_buf_free(&swaps[i].state);
    free(swaps);
    return diagnostics->count == before ? 0 : -1;
}

/* ---- history ---- */

static void put_changed(const struct tt_reload_result *result, struct tt_buf *out)
{
    struct tt_json_writer w = {.buf = out};

    tt_json_begin_array(&w);
    for (size_t i = 0; i < result->changed_count; i++)
        tt_json_str(&w, result->changed[i]);
    tt_json_end_array(&w);
}

/* Nothing serves differently without them, so this stops no reload. */
static void keep_bases(const struct tt_builder *builder, const struct tt_bundle *bundle)
{
    struct tt_err err = {0};

    if (tt_overlay_bases_keep(builder->parts.settings->data_dir, bundle, &err) != 0)
        tt_log(TT_LOG_WARN, "what an overlay was written for is not kept",
               TT_F_Z("error", err.message));
}

/* Of a node, only if it may: all others are ready, or none of them serves. */
static void add_record(const struct tt_builder *builder, struct tt_db_job *job,
                       struct tt_history_record *record)
{
    const struct tt_proposal *asking = &builder->node.asking;
    struct tt_probation_counts before = {0};

    record->shared = builder->parts.node != NULL;
    record->replaces = asking->id ? asking->replaces : builder->newest;
    if (asking->id)
        tt_proposal_add_condition(job, asking);
    else if (record->shared)
        tt_proposal_add_start(job, tt_node_id(builder->parts.node), record->number);
    tt_history_add(job, record);
    if (!asking->id && builder->current)
        before = tt_probation_count(builder->current);
    if (builder->node.probation_ms > 0)
        tt_proposal_add_probation(job, record->number, builder->node.probation_ms, asking->id,
                                  before);
    if (asking->id)
        tt_proposal_add_end(job, asking);
}

/* Written before the swap: the swap cannot fail any more, so history and workers never disagree. */
int tt_builder_record(struct tt_builder *builder, struct tt_history_record *record,
                      struct tt_reload_result *result)
{
    struct tt_db_job *job;
    struct tt_buf changed = {0};

    if (tt_builder_is_guest(builder))
        return 0;
    job = tt_db_job_new();
    put_changed(result, &changed);
    record->changed = tt_buf_str(&changed);
    add_record(builder, job, record);
    tt_buf_free(&changed);
    if (tt_db_submit_wait(builder->parts.db, builder->loop, job, &result->error) != 0) {
        builder->node.overtaken = record->shared && result->error.status == 409;
        return -1;
    }
    builder->node.asking.id = 0;
    tt_news_notify(tt_node_news(builder->parts.node));
    if (record->restores == 0)
        keep_bases(builder, record->bundle);
    return 0;
}

/* ---- swap ---- */

/* Worker. */
static void swap(struct swap *swap)
{
    struct tt_dispatcher *dispatcher = swap->worker;
    struct tt_generation *before = dispatcher->generation;
    int number = dispatcher->tide->runtime.worker;

    dispatcher->generation = tt_generation_ref(swap->next);
    tt_timers_give_up(before->vms[number]);
    tt_timers_adopt(swap->next->vms[number]);
    tt_lifecycle_stop(before->vms[number]);
    tt_events_ask_old(dispatcher);
    tt_generation_unref(before);
}

int tt_builder_commit(struct tt_builder *builder, struct tt_generation *next,
                      struct tt_history_record *entry, struct tt_reload_result *result)
{
    entry->number = next->number;
    entry->bundle = next->bundle;
    entry->before = builder->current->bundle;
    if (tt_builder_record(builder, entry, result) != 0)
        return -1;
    tt_builder_swap(builder, next);
    return 0;
}

void tt_builder_swap(struct tt_builder *builder, struct tt_generation *next)
{
    struct tt_generation *before = builder->current;

    free(send_errands(builder, next, swap));
    builder->current = tt_generation_ref(next);
    builder->newest = next->number;
    tt_builder_tell(builder);
    tt_generation_unref(before);
}

void tt_builder_tell(struct tt_builder *builder)
{
    struct tt_node *node = builder->parts.node;
    const char *hash = builder->current->bundle->hash;
    int number = builder->current->number;
    struct tt_err err = {0};

    if (!node)
        return;
    tt_node_set_generation(node, hash, number);
    struct tt_db_job *job = tt_db_job_new();
    tt_members_add_generation(job, tt_node_id(node), hash, number);
    if (tt_db_submit_wait(builder->parts.db, builder->loop, job, &err) != 0)
        tt_log(TT_LOG_WARN, "node: the others learn of its scripts with the next heartbeat",
               TT_F_Z("code", err.code), TT_F_Z("error", err.message));
}

/* ---- building ---- */

struct tt_generation *tt_builder_build(struct tt_builder *builder, struct tt_bundle *bundle,
                                       int number, bool need_state, struct tt_reload_result *result)
{
    const struct tt_builder_parts *parts = &builder->parts;
    struct tt_runtime *runtimes[TT_WORKERS_MAX];

    for (int i = 0; i < parts->worker_count; i++)
        runtimes[i] = &parts->workers[i]->tide->runtime;
    struct tt_generation *generation =
        tt_generation_new(bundle, number, runtimes, parts->worker_count, parts->serving,
                          &result->diagnostics, &result->error);
    if (!generation)
        return NULL;
    tt_builder_add_live(builder, generation);
    if (hand_over(builder, generation, need_state, &result->diagnostics) == 0)
        return generation;
    tt_err_set(&result->error, 422, "script_error", "the state was not handed over");
    tt_generation_unref(generation);
    return NULL;
}

int tt_builder_migrate(struct tt_builder *builder, const struct tt_generation *generation,
                       bool online, bool dry_run, struct tt_reload_result *result)
{
    const struct tt_settings *settings = builder->parts.settings;
    uint64_t hold_ms = online ? (uint64_t)tt_settings_int(settings, "limits.migration_time") : 0;
    struct tt_err err = {0};

    if (tt_app_migrate_plugins(settings->database_url, generation->bundle, hold_ms, dry_run, NULL,
                               &err) == 0)
        return 0;
    result->diagnostics.phase = "migrations";
    tt_diagnostics_add(&result->diagnostics, "", tt_str_from(err.message));
    result->error = err;
    return -1;
}

struct tt_bundle *tt_builder_read_disk(struct tt_builder *builder, struct tt_reload_result *result)
{
    const struct tt_settings *settings = builder->parts.settings;
    const struct tt_bundle *before =
        builder->current ? builder->current->bundle : builder->parts.known;
    struct tt_bundle *bundle = tt_bundle_snapshot(&settings->scripts, before, &result->error);

    result->diagnostics.phase = "read";
    if (!bundle)
        tt_diagnostics_add(&result->diagnostics, "", tt_str_from(result->error.message));
    return bundle;
}
