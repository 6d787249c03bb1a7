/* Workers share nothing that could simply be read, so each is asked by mail and answers by mail. A
 * worker that a script keeps busy answers late: the others' numbers do not wait for it. */
#include "app/admin/metrics.h"

#include "app/admin/metrics_internal.h"
#include "base/mem.h"
#include "chat/running_reply.h"

#include <stdlib.h>

#define WAIT_MS 250

struct gathering;

struct part { /* of one worker */
    struct tt_mail mail;
    struct gathering *gathering;
    struct tt_worker *worker;
    struct tt_worker_sample sample;
};

struct gathering {
    struct tt_worker *asker;
    struct tt_http_exchange *exchange; /* NULL once answered */
    struct tt_timer limit;
    int missing;
    struct part parts[];
};

static void look(struct part *part)
{
    struct tt_worker *worker = part->worker;
    struct tt_worker_sample *sample = &part->sample;

    for (int i = 0; i < TT_SERVERS; i++) {
        if (!worker->server[i])
            continue;
        sample->connections += tt_http_server_connections(worker->server[i]);
        sample->in_flight += tt_http_server_active(worker->server[i]);
    }
    sample->tasks = worker->tide.runtime.task_count;
    sample->replies = tt_running_replies_count(&worker->tide.chat);
    sample->script_memory = worker->dispatcher.generation->vms[worker->number]->memory_used;
    sample->slowest_turn_us = tt_loop_take_slowest_us(worker->loop);
    tt_client_stats(worker->tide.chat.client, &sample->upstream);
}

static void answer(struct gathering *gathering)
{
    struct tt_app *app = gathering->asker->app;
    struct tt_worker_sample samples[TT_WORKERS_MAX] = {{0}};
    struct tt_buf body = {0};

    for (int i = 0; i < app->worker_count; i++)
        if (gathering->parts[i].sample.there)
            samples[i] = gathering->parts[i].sample;
    tt_metrics_write(app, samples, &body);
    tt_http_add_header(gathering->exchange, TT_STR("Content-Type"),
                       TT_STR("text/plain; version=0.0.4; charset=utf-8"));
    tt_http_add_header(gathering->exchange, TT_STR("Cache-Control"), TT_STR("no-store"));
    tt_http_reply(gathering->exchange, 200, &body);
    gathering->exchange = NULL;
    tt_timer_stop(&gathering->limit);
}

static void on_late(struct tt_timer *timer)
{
    answer(TT_CONTAINER_OF(timer, struct gathering, limit));
}

static void on_back(struct tt_mail *mail)
{
    struct part *part = TT_CONTAINER_OF(mail, struct part, mail);
    struct gathering *gathering = part->gathering;

    part->sample.there = true;
    if (--gathering->missing > 0)
        return;
    if (gathering->exchange)
        answer(gathering);
    free(gathering);
}

static void on_worker(struct tt_mail *mail)
{
    struct part *part = TT_CONTAINER_OF(mail, struct part, mail);

    look(part);
    part->mail.deliver = on_back;
    tt_loop_post(part->gathering->asker->loop, &part->mail);
}

void tt_metrics_answer(struct tt_worker *worker, struct tt_http_exchange *exchange)
{
    int count = worker->app->worker_count;
    struct gathering *gathering =
        tt_alloc(sizeof(*gathering) + (size_t)count * sizeof(struct part));

    gathering->asker = worker;
    gathering->exchange = exchange;
    gathering->missing = count;
    gathering->limit.on_due = on_late;
    tt_timer_start(worker->loop, &gathering->limit, WAIT_MS);
    for (int i = 0; i < count; i++) {
        struct part *part = &gathering->parts[i];
        part->gathering = gathering;
        part->worker = &worker->app->workers[i];
        part->mail.deliver = on_worker;
        tt_loop_post(part->worker->loop, &part->mail);
    }
}
