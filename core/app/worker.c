/* Starting and ending a worker. The end: listeners quiesce, streams of scripts are asked to end,
 * running work gets the drain time, then replies are stopped with "shutting_down" (their partial
 * text is committed and sent), and the loop ends when nothing is left. */
#include "app/worker.h"

#include "base/log.h"
#include "chat/running_reply.h"
#include "node/node.h"
#include "script/timers.h"
#include "serve/events.h"
#include "serve/relayed.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS  10   /* how often a stopping worker checks whether everything is done */
#define FORCE_MS 5000 /* after the drain limit: for stopped replies to commit */

#define NODES_IDLE_MS 120000

struct stopping {
    struct tt_mail mail;
    struct tt_worker *worker;
    struct tt_timer timer;
    uint64_t drain_ms, began_ms;
};

static void fill_chat(struct tt_worker *worker)
{
    struct tt_chat *chat = &worker->tide.chat;

    tt_chat_create(chat);
    chat->loop = worker->loop;
    chat->db = worker->app->db;
    chat->registry = worker->app->registry;
    chat->breakers = worker->app->breakers;
    chat->store = worker->app->store;
    chat->file_aux = worker->app->file_aux;
}

static void fill_runtime(struct tt_worker *worker)
{
    struct tt_runtime *runtime = &worker->tide.runtime;

    tt_runtime_create(runtime);
    tt_settings_fill_runtime(worker->app->settings, runtime);
    runtime->worker = worker->number;
    runtime->workers = worker->app->worker_count;
    runtime->loop = worker->loop;
    runtime->db = worker->app->db;
    runtime->node = worker->app->node;
    runtime->timers.named_off = !worker->app->public_listener;
}

static void fill_tide(struct tt_worker *worker)
{
    struct tt_app *app = worker->app;
    struct tt_tide *tide = &worker->tide;

    tide->password_aux = app->password_aux;
    tide->cache = tt_cache_new(app->cache, worker->loop, app->resolver);
    tide->shared = app->shared;
    tide->store = app->store;
    tide->file_aux = app->file_aux;
    tide->text_aux = app->text_aux;
    tide->upload_max = app->serving.upload_max;
    tide->egress = app->egress;
    tide->keys = &app->keys;
    tide->node = app->node;
    tide->tokens = tt_token_memo_new();
    tide->setting = tt_settings_for_lua;
    tide->setting_arg = (void *)app->settings;
}

static int create_relay(struct tt_worker *worker, struct tt_err *err)
{
    struct tt_app *app = worker->app;
    const struct tt_relay_parts parts = {
        .loop = worker->loop,
        .resolver = app->resolver,
        .db = app->db,
        .key = tt_str_of((const char *)app->keys.relay, TT_KEY_SIZE),
        .self = tt_node_id(app->node),
        .lease_ms = tt_node_lease_ms(app->node),
    };

    worker->dispatcher.relay = &worker->relay;
    return tt_relay_create(&worker->relay, &parts, err);
}

int tt_worker_create(struct tt_worker *worker, struct tt_app *app, int number, struct tt_err *err)
{
    const char *ca_file = tt_conf_get(app->settings->conf, "upstream.ca_file")->text.data;
    struct tt_client_settings client = {.egress = app->egress,
                                        .resolver = app->resolver,
                                        .ca_file = *ca_file ? ca_file : NULL,
                                        .proxy = app->proxy};

    worker->app = app;
    worker->number = number;
    worker->loop = tt_loop_new(err);
    if (!worker->loop)
        return -1;
    fill_chat(worker);
    fill_runtime(worker);
    fill_tide(worker);
    if (tt_db_attach(app->db, worker->loop, err) != 0)
        return -1;
    worker->tide.chat.client = tt_client_new(worker->loop, &client, err);
    if (!worker->tide.chat.client)
        return -1;
    worker->dispatcher.tide = &worker->tide;
    worker->dispatcher.settings = &app->serving;
    tt_events_create(&worker->dispatcher);
    return app->node ? create_relay(worker, err) : 0;
}

int tt_worker_listen(struct tt_worker *worker, const char *address, struct tt_err *err)
{
    const struct tt_settings *settings = worker->app->settings;
    const struct tt_conf_value *proxies = tt_conf_get(settings->conf, "trusted_proxies");
    struct tt_http_settings http = {.address = address,
                                    .base_path = worker->app->serving.base_path,
                                    .trusted_proxies = proxies->items,
                                    .trusted_proxy_count = proxies->item_count};

    tt_settings_fill_http(settings, &http);
    return tt_listeners_open(&worker->dispatcher, TT_SERVER_PUBLIC, NULL, &http, err);
}

/* Connections stay open longer than the other node keeps unused ones, so it never sends a request
 * into one that is being closed. */
int tt_worker_listen_nodes(struct tt_worker *worker, const char *address, struct tt_err *err)
{
    const struct tt_http_settings http = {.address = address, .idle_timeout_ms = NODES_IDLE_MS};

    return tt_listeners_open(&worker->dispatcher, TT_SERVER_NODES, &tt_relayed_guard, &http, err);
}

static void *run(void *arg)
{
    struct tt_worker *worker = arg;
    char name[16];

    snprintf(name, sizeof(name), "tt-worker-%d", worker->number);
    pthread_setname_np(pthread_self(), name);
    tt_loop_run(worker->loop);
    return NULL;
}

int tt_worker_start(struct tt_worker *worker, struct tt_err *err)
{
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    if (failed)
        return tt_err_set(err, 0, "thread_failed", "worker thread: %s", strerror(failed));
    worker->running = true;
    return 0;
}

/* ---- the end ---- */

static bool idle(const struct tt_worker *worker)
{
    return tt_listeners_active(&worker->dispatcher) == 0 && worker->tide.runtime.task_count == 0 &&
           tt_running_replies_count(&worker->tide.chat) == 0;
}

static void look(struct tt_timer *timer)
{
    struct stopping *stopping = TT_CONTAINER_OF(timer, struct stopping, timer);
    struct tt_worker *worker = stopping->worker;
    uint64_t waited = tt_loop_now(worker->loop) - stopping->began_ms;

    if (idle(worker) || waited > stopping->drain_ms + FORCE_MS) {
        if (!idle(worker))
            tt_log(TT_LOG_WARN, "worker stops with work left", TT_F_INT("worker", worker->number),
                   TT_F_INT("tasks", worker->tide.runtime.task_count));
        tt_loop_stop(worker->loop);
        free(stopping);
        return;
    }
    if (waited >= stopping->drain_ms) {
        /* Repeatedly: a turn that was admitted before may begin its reply only now. */
        struct tt_err reason = {0};
        tt_err_set(&reason, 503, "shutting_down", "the drain limit was reached");
        worker->tide.runtime.drained = true;
        tt_listeners_quiesce_nodes(&worker->dispatcher);
        tt_events_end_all(&worker->dispatcher);
        tt_registry_stop_all(worker->app->registry, &reason);
        tt_running_replies_stop_all(&worker->tide.chat, &reason); /* those without a session */
    }
    tt_timer_start(worker->loop, timer, LOOK_MS);
}

static void begin_stop(struct tt_mail *mail)
{
    struct stopping *stopping = TT_CONTAINER_OF(mail, struct stopping, mail);
    struct tt_worker *worker = stopping->worker;

    tt_listeners_quiesce(&worker->dispatcher);
    tt_events_ask_all(&worker->dispatcher);
    tt_timers_stop(&worker->tide.runtime.timers);
    tt_running_replies_store_now(&worker->tide.chat);
    stopping->began_ms = tt_loop_now(worker->loop);
    stopping->timer.on_due = look;
    tt_timer_start(worker->loop, &stopping->timer, 0);
}

void tt_worker_stop(struct tt_worker *worker, uint64_t drain_ms)
{
    struct stopping *stopping = TT_NEW(struct stopping);

    stopping->worker = worker;
    stopping->drain_ms = drain_ms;
    stopping->mail.deliver = begin_stop;
    tt_loop_post(worker->loop, &stopping->mail);
}

void tt_worker_join(struct tt_worker *worker)
{
    if (worker->running)
        pthread_join(worker->thread, NULL);
    worker->running = false;
}

void tt_worker_close(struct tt_worker *worker)
{
    if (!worker->loop)
        return;
    tt_timers_stop(&worker->tide.runtime.timers);
    tt_task_cancel_all(&worker->tide.runtime);
    tt_listeners_close_all(&worker->dispatcher);
    tt_relay_stop(&worker->relay);
    worker->tide.runtime.closing = true;
    tt_running_replies_abandon(&worker->tide.chat);
    tt_db_detach(worker->app->db, worker->loop);
}

void tt_worker_destroy(struct tt_worker *worker)
{
    if (!worker->loop)
        return;
    tt_relay_destroy(&worker->relay);
    tt_client_free(worker->tide.chat.client);
    tt_timers_destroy(&worker->tide.runtime.timers);
    tt_generation_unref(worker->dispatcher.generation);
    tt_token_memo_free(worker->tide.tokens);
    if (worker->tide.cache)
        tt_cache_free(worker->tide.cache);
    tt_loop_free(worker->loop);
    worker->loop = NULL;
}
