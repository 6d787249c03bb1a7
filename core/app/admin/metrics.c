/* Workers share no numbers that could simply be read, so each gets a request by mail and answers by
 * mail. A worker that a script keeps busy answers late; the others' numbers do not wait for it. */
#include "app/admin/metrics.h"

#include "app/admin/metrics_table.h"
#include "base/mem.h"
#include "chat/running_reply.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 250

struct gathering;

struct part { /* of one worker */
    struct tt_mail mail;
    struct gathering *gathering;
    struct tt_dispatcher *worker;
    struct tt_worker_sample sample;
};

struct gathering {
    struct tt_dispatcher *asker;
    struct tt_http_exchange *exchange; /* NULL once answered */
    struct tt_timer limit;
    int missing;
    struct part parts[];
};

static void look(struct part *part)
{
    struct tt_dispatcher *worker = part->worker;
    struct tt_worker_sample *sample = &part->sample;

    sample->connections = tt_listeners_connections(worker);
    sample->in_flight = tt_listeners_active(worker);
    sample->tasks = worker->tide->runtime.task_count;
    sample->replies = tt_running_replies_count(&worker->tide->chat);
    sample->script_memory = tt_dispatcher_vm(worker)->allocator.used;
    sample->slowest_tick_us = tt_loop_take_slowest_us(tt_dispatcher_loop(worker));
    tt_client_stats(worker->tide->chat.client, &sample->upstream);
    if (worker->relay)
        sample->relay = worker->relay->stats;
}

/* ---- the text: each family with its help and type, then its lines ---- */

static void put_line(struct tt_buf *out, const struct tt_metric *metric, const char *labels,
                     const void *sample)
{
    double number = (double)tt_metric_number(metric, sample);

    tt_buf_printf(out, "tidetalk_%s%s %.17g\n", metric->name, labels,
                  metric->divide > 0 ? number / metric->divide : number);
}

/* For a worker that has not reported, only that is shown: a zero would look like a counter's reset.
 */
static void put_workers(struct tt_buf *out, const struct tt_metric *metric,
                        const struct gathering *gathering)
{
    const struct tt_worker_sample missing = {0};
    bool about_missing = metric->offset == offsetof(struct tt_worker_sample, there);
    int count = tt_admin_of(gathering->asker)->parts.worker_count;
    char label[32];

    for (int i = 0; i < count; i++) {
        const struct tt_worker_sample *sample = &gathering->parts[i].sample;
        snprintf(label, sizeof(label), "{worker=\"%d\"}", i);
        if (sample->there || about_missing)
            put_line(out, metric, label, sample->there ? sample : &missing);
    }
}

static void put_all(struct tt_buf *out, const struct gathering *gathering)
{
    struct tt_process_sample sample;

    tt_process_sample(&sample, gathering->asker);
    for (size_t i = 0; i < tt_metric_count; i++) {
        const struct tt_metric *metric = &tt_metrics[i];
        if (!metric->name)
            continue;
        tt_buf_printf(out, "# HELP tidetalk_%s %s\n# TYPE tidetalk_%s %s\n", metric->name,
                      metric->help, metric->name, metric->type);
        if (metric->put_lines)
            metric->put_lines(&sample, out);
        else if (metric->per_worker)
            put_workers(out, metric, gathering);
        else
            put_line(out, metric, "", &sample);
    }
}

/* ---- collecting from the workers ---- */

static void answer(struct gathering *gathering)
{
    struct tt_buf body = {0};

    put_all(&body, gathering);
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
    tt_loop_post(tt_dispatcher_loop(part->gathering->asker), &part->mail);
}

void tt_metrics_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_admin_parts *parts = &tt_admin_of(dispatcher)->parts;
    int count = parts->worker_count;
    struct gathering *gathering =
        tt_alloc(sizeof(*gathering) + (size_t)count * sizeof(struct part));

    gathering->asker = dispatcher;
    gathering->exchange = exchange;
    gathering->missing = count;
    gathering->limit.on_due = on_late;
    tt_timer_start(tt_dispatcher_loop(dispatcher), &gathering->limit, WAIT_MS);
    for (int i = 0; i < count; i++) {
        struct part *part = &gathering->parts[i];
        part->gathering = gathering;
        part->worker = parts->workers[i];
        part->mail.deliver = on_worker;
        tt_loop_post(tt_dispatcher_loop(part->worker), &part->mail);
    }
}
