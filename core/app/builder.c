/* Everything here runs on the builder's thread (before it starts: on the main one) but for the few
 * functions marked "worker". It is written as one sequence, read -> build -> hand over -> swap,
 * which turns its own loop where it must wait for workers; so there are no states in between. */
#include "app/builder.h"

#include "app/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "script/lifecycle.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct ask {
    struct tt_mail mail;
    struct tt_list node; /* in builder->asks */
    struct tt_builder *builder;
    struct tt_reload_request request;
    struct tt_reload_result result;
    struct tt_loop *loop;
    tt_reload_done_fn *done;
    void *arg;
};

struct tt_builder {
    struct tt_app *app;
    struct tt_loop *loop;
    pthread_t thread;
    bool running;
    bool stopping; /* the thread ends */
    struct tt_mail stop;
    pthread_mutex_t door;
    bool closed; /* under `door`: nobody is let in any more */
    struct tt_list asks;
    struct tt_generation *current; /* a reference */
    int newest;                    /* number of the newest generation */
    int awaited;                   /* answers of workers that are still to come */
    atomic_int live;
};

/* ---- old generations ---- */

static void close_generation(struct tt_mail *mail)
{
    struct tt_generation *generation = TT_CONTAINER_OF(mail, struct tt_generation, unused);
    struct tt_builder *builder = generation->owner;

    tt_log(TT_LOG_DEBUG, "generation closed", TT_F_INT("generation", generation->number));
    tt_generation_free(generation);
    atomic_fetch_sub(&builder->live, 1);
}

/* Worker: the last user of a generation is gone. */
static void on_unused(struct tt_generation *generation)
{
    struct tt_builder *builder = generation->owner;

    generation->unused.deliver = close_generation;
    tt_loop_post(builder->loop, &generation->unused);
}

int tt_builder_live(const struct tt_builder *builder)
{
    return atomic_load(&builder->live);
}

/* ---- errands to all workers ---- */

struct errand {
    struct tt_mail mail;
    struct tt_builder *builder;
    struct tt_worker *worker;
    struct tt_generation *next; /* of a swap */
    struct tt_buf state;        /* exported */
    struct tt_err err;
    void (*run)(struct errand *errand); /* worker */
};

static void come_back(struct tt_mail *mail)
{
    TT_CONTAINER_OF(mail, struct errand, mail)->builder->awaited--;
}

static void run_errand(struct tt_mail *mail)
{
    struct errand *errand = TT_CONTAINER_OF(mail, struct errand, mail);

    errand->run(errand);
    mail->deliver = come_back;
    tt_loop_post(errand->builder->loop, mail);
}

/* Sends one to each worker and waits until all are back. Owns: the caller, free(). */
static struct errand *send_errands(struct tt_builder *builder, struct tt_generation *next,
                                   void (*run)(struct errand *errand))
{
    int count = builder->app->worker_count;
    struct errand *errands = tt_alloc((size_t)count * sizeof(struct errand));

    builder->awaited = count;
    for (int i = 0; i < count; i++) {
        errands[i].builder = builder;
        errands[i].worker = &builder->app->workers[i];
        errands[i].next = next;
        errands[i].run = run;
        errands[i].mail.deliver = run_errand;
        tt_loop_post(errands[i].worker->loop, &errands[i].mail);
    }
    while (builder->awaited > 0)
        tt_loop_turn(builder->loop, -1);
    return errands;
}

/* ---- hand-over ---- */

/* Worker. */
static void export_state(struct errand *errand)
{
    struct tt_worker *worker = errand->worker;
    tt_vm_export_state(worker->dispatcher.generation->vms[worker->number], &errand->state,
                       &errand->err);
}

/* Each state gets what the one before it on the same worker exported; without workers that run
 * there is nothing to ask. */
static int hand_over(struct tt_builder *builder, struct tt_generation *next,
                     struct tt_complaints *complaints)
{
    struct errand *errands = builder->current ? send_errands(builder, NULL, export_state) : NULL;
    size_t before = complaints->count;

    complaints->phase = "export_state";
    for (int i = 0; errands && i < next->vm_count; i++)
        if (errands[i].err.status)
            tt_complaints_add(complaints, "app.lua", tt_str_from(errands[i].err.message));
    for (int i = 0; complaints->count == before && i < next->vm_count; i++)
        tt_vm_start(next->vms[i], errands ? tt_buf_str(&errands[i].state) : TT_STR(""), complaints);
    for (int i = 0; errands && i < next->vm_count; i++)
        tt_buf_free(&errands[i].state);
    free(errands);
    return complaints->count == before ? 0 : -1;
}

/* ---- swap ---- */

/* Worker. */
static void swap(struct errand *errand)
{
    struct tt_dispatcher *dispatcher = &errand->worker->dispatcher;
    struct tt_generation *before = dispatcher->generation;
    int number = errand->worker->number;

    dispatcher->generation = tt_generation_ref(errand->next);
    tt_vm_retire(before->vms[number]);
    tt_vm_activate(errand->next->vms[number]);
    tt_vm_stop(before->vms[number]);
    tt_generation_unref(before);
}

static void commit(struct tt_builder *builder, struct tt_generation *next)
{
    struct tt_generation *before = builder->current;

    free(send_errands(builder, next, swap));
    builder->current = tt_generation_ref(next);
    builder->newest = next->number;
    tt_generation_unref(before);
}

/* ---- building ---- */

static struct tt_generation *build(struct tt_builder *builder, struct tt_bundle *bundle,
                                   struct tt_reload_result *result)
{
    struct tt_app *app = builder->app;
    struct tt_env *envs[TT_WORKERS_MAX];

    for (int i = 0; i < app->worker_count; i++)
        envs[i] = &app->workers[i].env;
    struct tt_generation *generation = tt_generation_new(
        bundle, builder->newest + 1, envs, app->worker_count, &result->complaints, &result->error);
    if (!generation)
        return NULL;
    generation->owner = builder;
    generation->on_unused = on_unused;
    atomic_fetch_add(&builder->live, 1);
    if (hand_over(builder, generation, &result->complaints) == 0)
        return generation;
    tt_err_set(&result->error, 422, "script_error", "the state was not handed over");
    tt_generation_unref(generation);
    return NULL;
}

static struct tt_bundle *read_disk(struct tt_builder *builder, struct tt_reload_result *result)
{
    const struct tt_settings *settings = builder->app->settings;
    struct tt_bundle *bundle =
        tt_bundle_snapshot(settings->lua_dir, settings->personas, &result->error);

    result->complaints.phase = "read";
    if (!bundle)
        tt_complaints_add(&result->complaints, "", tt_str_from(result->error.message));
    return bundle;
}

static void note_change(struct tt_reload_result *result, struct tt_str path)
{
    size_t size = (result->changed_count + 1) * sizeof(struct tt_str);
    result->changed = tt_realloc(result->changed, size);
    result->changed[result->changed_count++] = tt_arena_str(&result->complaints.arena, path);
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

/* ---- requests ---- */

static void reload(struct tt_builder *builder, const struct tt_reload_request *request,
                   struct tt_reload_result *result)
{
    struct tt_bundle *bundle = read_disk(builder, result);

    if (!bundle)
        return;
    if (strcmp(bundle->hash, builder->current->bundle->hash) == 0) {
        result->unchanged = true;
        result->built = tt_generation_ref(builder->current);
        tt_bundle_free(bundle);
        return;
    }
    compare(builder->current->bundle, bundle, result);
    result->built = build(builder, bundle, result);
    if (!result->built)
        return;
    result->generation = result->built->number;
    if (!request->dry_run)
        commit(builder, result->built);
}

static void log_result(const struct tt_reload_request *request,
                       const struct tt_reload_result *result)
{
    struct tt_buf text = {0};

    if (result->error.status) {
        tt_complaints_print(&result->complaints, &text);
        tt_log(TT_LOG_ERROR, "scripts refused", TT_F_Z("who", request->who),
               TT_F_INT("generation", result->generation), TT_F_Z("code", result->error.code),
               TT_F_STR("errors", tt_str_trim(tt_buf_str(&text))));
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
               TT_F_INT("duration_ms", (int64_t)result->duration_ms));
    }
    tt_buf_free(&text);
}

/* Worker, or whoever asked. */
static void answer(struct tt_mail *mail)
{
    struct ask *ask = TT_CONTAINER_OF(mail, struct ask, mail);

    ask->done(&ask->result, ask->arg);
    tt_generation_unref(ask->result.built);
    tt_complaints_free(&ask->result.complaints);
    free(ask->result.changed);
    free(ask);
}

static void finish(struct ask *ask)
{
    ask->mail.deliver = answer;
    if (ask->loop)
        tt_loop_post(ask->loop, &ask->mail);
    else
        answer(&ask->mail);
}

static void serve(struct tt_builder *builder, struct ask *ask)
{
    uint64_t began_ms = tt_clock_mono_ms();
    struct tt_reload_result *result = &ask->result;

    result->generation = result->previous = builder->current->number;
    result->dry_run = ask->request.dry_run;
    reload(builder, &ask->request, result);
    if (result->complaints.count)
        tt_err_set(&result->error, 422, "scripts_invalid", "%zu complaints, the first: %s",
                   result->complaints.count, result->complaints.items[0].message.data);
    result->duration_ms = tt_clock_mono_ms() - began_ms;
    log_result(&ask->request, result);
    finish(ask);
}

static struct ask *next_ask(struct tt_builder *builder)
{
    if (tt_list_empty(&builder->asks))
        return NULL;
    struct ask *ask = tt_list_entry(builder->asks.next, struct ask, node);
    tt_list_remove(&ask->node);
    return ask;
}

static void refuse(struct ask *ask)
{
    tt_err_set(&ask->result.error, 503, "shutting_down", "the server stops");
    finish(ask);
}

static void take_ask(struct tt_mail *mail)
{
    struct ask *ask = TT_CONTAINER_OF(mail, struct ask, mail);
    tt_list_push_back(&ask->builder->asks, &ask->node);
}

void tt_builder_ask(struct tt_builder *builder, const struct tt_reload_request *request,
                    struct tt_loop *loop, tt_reload_done_fn *done, void *arg)
{
    struct ask *ask = TT_NEW(struct ask);

    ask->builder = builder;
    ask->request = *request;
    ask->loop = loop;
    ask->done = done;
    ask->arg = arg;
    ask->mail.deliver = take_ask;
    pthread_mutex_lock(&builder->door);
    bool closed = builder->closed;
    if (!closed)
        tt_loop_post(builder->loop, &ask->mail);
    pthread_mutex_unlock(&builder->door);
    if (closed)
        refuse(ask);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct tt_builder *builder = arg;
    struct ask *ask;

    pthread_setname_np(pthread_self(), "tt-builder");
    while (!builder->stopping) {
        while (!builder->stopping && (ask = next_ask(builder)))
            serve(builder, ask);
        if (!builder->stopping)
            tt_loop_turn(builder->loop, -1);
    }
    return NULL;
}

static void on_stop(struct tt_mail *mail)
{
    TT_CONTAINER_OF(mail, struct tt_builder, stop)->stopping = true;
}

/* ---- life ---- */

static int load_first(struct tt_builder *builder, struct tt_err *err)
{
    struct tt_app *app = builder->app;
    struct tt_reload_result result = {0};
    struct tt_buf text = {0};
    struct tt_bundle *bundle = read_disk(builder, &result);
    struct tt_generation *first = bundle ? build(builder, bundle, &result) : NULL;

    if (first) {
        for (int i = 0; i < app->worker_count; i++) {
            app->workers[i].dispatcher.generation = tt_generation_ref(first);
            tt_vm_activate(first->vms[i]);
        }
        builder->newest = first->number;
        builder->current = first;
    } else {
        tt_complaints_print(&result.complaints, &text);
        fprintf(stderr, "%.*s", (int)text.len, text.data ? text.data : "");
        *err = result.error;
    }
    tt_buf_free(&text);
    tt_complaints_free(&result.complaints);
    return first ? 0 : -1;
}

struct tt_builder *tt_builder_new(struct tt_app *app, struct tt_err *err)
{
    struct tt_builder *builder = TT_NEW(struct tt_builder);

    builder->app = app;
    builder->stop.deliver = on_stop;
    tt_list_init(&builder->asks);
    pthread_mutex_init(&builder->door, NULL);
    atomic_init(&builder->live, 0);
    builder->loop = tt_loop_new(err);
    if (builder->loop && load_first(builder, err) == 0)
        return builder;
    tt_builder_free(builder);
    return NULL;
}

int tt_builder_start(struct tt_builder *builder, struct tt_err *err)
{
    int failed = pthread_create(&builder->thread, NULL, run, builder);
    if (failed)
        return tt_err_set(err, 0, "thread_failed", "builder thread: %s", strerror(failed));
    builder->running = true;
    return 0;
}

void tt_builder_stop(struct tt_builder *builder)
{
    struct ask *ask;

    if (!builder)
        return;
    pthread_mutex_lock(&builder->door);
    builder->closed = true;
    pthread_mutex_unlock(&builder->door);
    if (builder->running) {
        tt_loop_post(builder->loop, &builder->stop);
        pthread_join(builder->thread, NULL);
        builder->running = false;
    }
    tt_loop_turn(builder->loop, 0);
    while ((ask = next_ask(builder)))
        refuse(ask);
}

void tt_builder_free(struct tt_builder *builder)
{
    if (!builder)
        return;
    tt_generation_unref(builder->current);
    while (builder->loop && atomic_load(&builder->live) > 0)
        tt_loop_turn(builder->loop, 0);
    tt_loop_free(builder->loop);
    pthread_mutex_destroy(&builder->door);
    free(builder);
}
