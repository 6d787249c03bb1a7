/* The builder's thread and its requests, one after the other. */
#include "app/reload/builder_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/generation_check.h"

#include <stdlib.h>

#define ASK_MS 60000 /* of a node: as long as others ask, or are quicker */

struct queued {
    struct tt_mail mail;
    struct tt_list node; /* in builder->queue */
    struct tt_builder *builder;
    struct tt_reload_request request;
    struct tt_reload_result result;
    struct tt_loop *loop;
    tt_reload_done_fn *done;
    void *arg;
};

/* ---- requests ---- */

static void note_change(struct tt_reload_result *result, struct tt_str path)
{
    size_t size = (result->changed_count + 1) * sizeof(struct tt_str);
    result->changed = tt_realloc(result->changed, size);
    result->changed[result->changed_count++] = tt_arena_str(&result->diagnostics.arena, path);
}

static void compare(const struct tt_bundle *before, const struct tt_bundle *after,
                    struct tt_reload_result *result)
{
    for (size_t i = 0; i < after->file_count; i++) {
        const struct tt_bundle_file *file = &after->files[i];
        const struct tt_bundle_file *old = tt_bundle_find(before, file->path);
        if (!old || strcmp(old->hash, file->hash) != 0)
            note_change(result, file->path);
    }
    for (size_t i = 0; i < before->file_count; i++)
        if (!tt_bundle_find(after, before->files[i].path))
            note_change(result, before->files[i].path);
}

/* Afterwards. A forced reload is a decision, and a failed rollback must not cause another. */
static bool is_watched(const struct tt_reload_request *request)
{
    return request->action == TT_RELOAD && !request->force;
}

static int serve_now(struct tt_builder *builder, const struct tt_reload_request *request,
                     struct tt_history_record *entry, struct tt_reload_result *result)
{
    struct tt_generation *before = tt_generation_ref(builder->current);
    int failed = tt_builder_commit(builder, result->built, entry, result);

    if (failed == 0) {
        tt_probation_end(builder);
        if (is_watched(request) && !builder->parts.node) /* builder_follow.c does that */
            tt_probation_begin(builder, before);
    }
    tt_generation_unref(before);
    return failed;
}

/* The other nodes, if there are any. */
static int ask_others(struct tt_builder *builder, const struct tt_reload_request *request,
                      bool need_state, struct tt_reload_result *result)
{
    int64_t window = tt_settings_int(builder->parts.settings, "reload.probation");

    if (!builder->parts.node)
        return 0;
    builder->node.probation_ms = is_watched(request) ? (uint64_t)window : 0;
    return tt_builder_ask(builder, result->built, need_state, result);
}

/* Builds it and, unless it is a dry run, makes it serve. Takes over the bundle. */
static void replace(struct tt_builder *builder, const struct tt_reload_request *request,
                    struct tt_bundle *bundle, struct tt_history_record *entry,
                    struct tt_reload_result *result)
{
    compare(builder->current->bundle, bundle, result);
    bool need_state = request->action == TT_RELOAD && !request->force;
    result->built = tt_builder_build(builder, bundle, builder->newest + 1, need_state, result);
    if (!result->built || ask_others(builder, request, need_state, result) != 0 ||
        tt_builder_migrate(builder, result->built, true, request->dry_run, result) != 0)
        return;
    if (request->told) /* before its states belong to the workers */
        tt_generation_advise(result->built, &result->advice);
    if (entry->restores)
        tt_builder_note_fallback(result->built,
                                 TT_STR("the scripts that served before were rolled back"));
    entry->made_by = request->who;
    if (request->dry_run || serve_now(builder, request, entry, result) == 0)
        result->generation = result->built->number;
}

/* Other settings of plugins make another generation too. */
static bool is_same(const struct tt_bundle *a, const struct tt_bundle *b)
{
    return strcmp(a->hash, b->hash) == 0 && strcmp(a->values.hash, b->values.hash) == 0;
}

static void reload(struct tt_builder *builder, const struct tt_reload_request *request,
                   struct tt_reload_result *result)
{
    struct tt_history_record entry = {0};
    struct tt_bundle *bundle = tt_builder_read_disk(builder, result);
    int refused = 0;

    if (!bundle)
        return;
    if (is_same(bundle, builder->current->bundle)) {
        result->unchanged = true;
        tt_builder_note_on_disk(builder->current);
        result->built = tt_generation_ref(builder->current);
        tt_bundle_free(bundle);
        return;
    }
    if (!request->force)
        refused = tt_history_rolled_back(&builder->history, bundle->hash, &result->error);
    if (refused == 0) {
        replace(builder, request, bundle, &entry, result);
        return;
    }
    if (refused > 0)
        tt_err_set(&result->error, 422, "scripts_rolled_back",
                   "the scripts on the disk (%.12s) were rolled back before", bundle->hash);
    tt_bundle_free(bundle);
}

static void roll_back(struct tt_builder *builder, const struct tt_reload_request *request,
                      struct tt_reload_result *result)
{
    struct tt_history_record entry = {.before_rolled_back = true};
    struct tt_history_entry target;

    if (tt_history_before(&builder->history, builder->current->number,
                          builder->current->bundle->hash, &target, &result->error) != 0)
        return;
    if (target.number == 0) {
        tt_err_set(&result->error, 422, "nothing_to_roll_back",
                   "no generation before %d is stored that was not rolled back",
                   builder->current->number);
        return;
    }
    struct tt_bundle *bundle = tt_history_bundle(&builder->history, target.number,
                                                 builder->current->bundle, &result->error);
    if (bundle &&
        tt_bundle_read_values(bundle, &builder->parts.settings->scripts, &result->error) != 0) {
        tt_bundle_free(bundle);
        return;
    }
    if (!bundle)
        return;
    entry.restores = result->restores = target.number;
    replace(builder, request, bundle, &entry, result);
}

static void log_result(const struct tt_reload_request *request,
                       const struct tt_reload_result *result)
{
    struct tt_buf text = {0};

    if (result->error.status && request->told)
        return;
    if (result->error.status) {
        tt_diagnostics_print(&result->diagnostics, &text);
        tt_log(TT_LOG_ERROR, "scripts refused", TT_F_Z("who", request->who),
               TT_F_INT("generation", result->generation), TT_F_Z("code", result->error.code),
               TT_F_LINES("errors", tt_str_trim(tt_buf_str(&text))));
    } else {
        for (size_t i = 0; i < result->changed_count; i++)
            tt_buf_printf(&text, "%s%s", i ? " " : "", result->changed[i].data);
        tt_log(TT_LOG_INFO,
               result->unchanged ? "scripts unchanged"
               : result->dry_run ? "scripts checked"
                                 : "scripts replaced",
               TT_F_Z("who", request->who), TT_F_INT("generation", result->generation),
               TT_F_INT("previous", result->previous), TT_F_Z("hash", result->built->bundle->hash),
               TT_F_STR("changed", tt_buf_str(&text)),
               TT_F_INT("duration_ms", (int64_t)result->duration_ms),
               TT_F_INT("stall_us", (int64_t)result->stall_us));
    }
    tt_buf_free(&text);
}

static void free_result(struct tt_reload_result *result)
{
    tt_generation_unref(result->built);
    tt_diagnostics_free(&result->diagnostics);
    tt_diagnostics_free(&result->advice);
    free(result->changed);
}

/* Called on a worker, or on the requester's thread. */
static void answer(struct tt_mail *mail)
{
    struct queued *queued = TT_CONTAINER_OF(mail, struct queued, mail);

    queued->done(&queued->result, queued->arg);
    free_result(&queued->result);
    free(queued);
}

static void finish(struct queued *queued)
{
    queued->mail.deliver = answer;
    if (queued->loop)
        tt_loop_post(queued->loop, &queued->mail);
    else
        answer(&queued->mail);
}

static void act(struct tt_builder *builder, const struct tt_reload_request *request,
                struct tt_reload_result *result)
{
    result->generation = result->previous = builder->current->number;
    result->dry_run = request->dry_run;
    builder->stall_ns = 0;
    if (request->action == TT_ROLLBACK)
        roll_back(builder, request, result);
    else
        reload(builder, request, result);
}

/* Two nodes may be asked at the same moment: one after the other, each on top of what the one
 * before has made. */
static void act_as_node(struct tt_builder *builder, const struct tt_reload_request *request,
                        struct tt_reload_result *result)
{
    uint64_t give_up_ms = tt_clock_mono_ms() + ASK_MS;

    do {
        free_result(result);
        *result = (struct tt_reload_result){0};
        builder->node.overtaken = false;
        if (tt_builder_await_others(builder, give_up_ms, &result->error) != 0) {
            result->generation = result->previous = builder->current->number;
            return;
        }
        if (request->of && request->of != builder->current->number) {
            result->unchanged = true;
            result->generation = result->previous = builder->current->number;
            result->built = tt_generation_ref(builder->current);
            return;
        }
        act(builder, request, result);
        tt_builder_end_asking(builder);
    } while (builder->node.overtaken && tt_clock_mono_ms() < give_up_ms);
    if (builder->node.overtaken)
        tt_err_set(&result->error, 503, "nodes_not_ready", "other nodes were quicker each time");
}

static void do_request(struct tt_builder *builder, const struct tt_reload_request *request,
                       struct tt_reload_result *result)
{
    uint64_t began_ms = tt_clock_mono_ms();

    if (builder->parts.node)
        act_as_node(builder, request, result);
    else
        act(builder, request, result);
    if (result->diagnostics.count == 1)
        tt_err_set(&result->error, 422, "scripts_invalid", "%s",
                   result->diagnostics.items[0].message.data);
    else if (result->diagnostics.count)
        tt_err_set(&result->error, 422, "scripts_invalid", "%zu errors, the first: %s",
                   result->diagnostics.count, result->diagnostics.items[0].message.data);
    result->duration_ms = tt_clock_mono_ms() - began_ms;
    result->stall_us = builder->stall_ns / 1000;
    log_result(request, result);
}

static void roll_back_by_itself(struct tt_builder *builder)
{
    const struct tt_reload_request request = {
        .action = TT_ROLLBACK, .who = "probation", .of = builder->current->number};
    struct tt_reload_result result = {0};

    do_request(builder, &request, &result);
    free_result(&result);
}

static struct queued *next_queued(struct tt_builder *builder)
{
    if (tt_list_empty(&builder->queue))
        return NULL;
    struct queued *queued = tt_list_entry(builder->queue.next, struct queued, node);
    tt_list_remove(&queued->node);
    return queued;
}

static void refuse(struct queued *queued)
{
    tt_err_set(&queued->result.error, 503, "shutting_down", "the server stops");
    finish(queued);
}

static void take_queued(struct tt_mail *mail)
{
    struct queued *queued = TT_CONTAINER_OF(mail, struct queued, mail);
    tt_list_push_back(&queued->builder->queue, &queued->node);
}

void tt_builder_submit(struct tt_builder *builder, const struct tt_reload_request *request,
                       struct tt_loop *loop, tt_reload_done_fn *done, void *arg)
{
    struct queued *queued = TT_NEW(struct queued);

    queued->builder = builder;
    queued->request = *request;
    queued->loop = loop;
    queued->done = done;
    queued->arg = arg;
    queued->mail.deliver = take_queued;
    pthread_mutex_lock(&builder->lock);
    bool closed = builder->closed;
    if (!closed)
        tt_loop_post(builder->loop, &queued->mail);
    pthread_mutex_unlock(&builder->lock);
    if (closed)
        refuse(queued);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct tt_builder *builder = arg;
    struct queued *queued;

    pthread_setname_np(pthread_self(), "tt-builder");
    while (!builder->stopping) {
        while (!builder->stopping && (queued = next_queued(builder))) {
            do_request(builder, &queued->request, &queued->result);
            finish(queued);
        }
        if (!builder->stopping)
            tt_builder_follow_due(builder);
        if (!builder->stopping && tt_builder_probation_failed(builder))
            roll_back_by_itself(builder);
        if (!builder->stopping && tt_list_empty(&builder->queue))
            tt_loop_tick(builder->loop, -1);
    }
    return NULL;
}

struct wake {
    struct tt_mail mail;
    struct tt_builder *builder;
};

static void on_wake(struct tt_mail *mail)
{
    struct wake *wake = TT_CONTAINER_OF(mail, struct wake, mail);

    wake->builder->node.look = true;
    free(wake);
}

void tt_builder_wake(struct tt_builder *builder)
{
    struct wake *wake = TT_NEW(struct wake);

    wake->builder = builder;
    wake->mail.deliver = on_wake;
    pthread_mutex_lock(&builder->lock);
    bool closed = builder->closed;
    if (!closed)
        tt_loop_post(builder->loop, &wake->mail);
    pthread_mutex_unlock(&builder->lock);
    if (closed)
        free(wake);
}

static void on_stop(struct tt_mail *mail)
{
    TT_CONTAINER_OF(mail, struct tt_builder, stop)->stopping = true;
}

/* ---- start and end ---- */

struct tt_builder *tt_builder_new(const struct tt_builder_parts *parts, struct tt_err *err)
{
    struct tt_builder *builder = TT_NEW(struct tt_builder);

    builder->parts = *parts;
    builder->stop.deliver = on_stop;
    tt_list_init(&builder->queue);
    pthread_mutex_init(&builder->lock, NULL);
    tt_list_init(&builder->live);
    builder->loop = tt_loop_new(err);
    builder->history = (struct tt_history){parts->db, builder->loop};
    if (builder->loop && tt_db_attach(parts->db, builder->loop, err) == 0 &&
        tt_builder_load_first(builder, err) == 0)
        return builder;
    tt_db_detach(parts->db, builder->loop);
    tt_builder_free(builder);
    return NULL;
}

int tt_builder_start(struct tt_builder *builder, struct tt_err *err)
{
    int failed = pthread_create(&builder->thread, NULL, run, builder);
    if (failed)
        return tt_err_set(err, 0, "thread_failed", "builder thread: %s", strerror(failed));
    builder->running = true;
    if (builder->parts.node)
        tt_builder_wake(builder);
    return 0;
}

void tt_builder_stop(struct tt_builder *builder)
{
    struct queued *queued;

    if (!builder)
        return;
    pthread_mutex_lock(&builder->lock);
    builder->closed = true;
    pthread_mutex_unlock(&builder->lock);
    if (builder->running) {
        tt_loop_post(builder->loop, &builder->stop);
        pthread_join(builder->thread, NULL);
        builder->running = false;
    }
    tt_probation_end(builder);
    tt_builder_follow_stop(builder);
    tt_db_detach(builder->parts.db, builder->loop);
    tt_loop_tick(builder->loop, 0);
    while ((queued = next_queued(builder)))
        refuse(queued);
}

void tt_builder_free(struct tt_builder *builder)
{
    if (!builder)
        return;
    tt_generation_unref(builder->current);
    while (builder->loop && builder->live_count > 0)
        tt_loop_tick(builder->loop, 0);
    tt_loop_free(builder->loop);
    pthread_mutex_destroy(&builder->lock);
    free(builder);
}
