/* core/http on its own loop: the case runs on the worker's, and may block it. Requests and answers
 * are passed between the two threads under one lock. */
#include "tide/test_server.h"

#include "base/mem.h"
#include "http/http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX   1024
#define REQUEST_MAX (32u << 20)

struct tt_test_upstream {
    struct tt_loop *loop;
    struct tt_http_server *server;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* guards everything below */
    struct tt_test_answer answers[ITEMS_MAX];
    size_t answer_count, answer_next;
    struct tt_buf asked[ITEMS_MAX];
    size_t asked_count;
    int unscripted;
};

/* An answer that is being sent. What is sent to a client that has left is dropped. */
struct sending {
    struct tt_test_upstream *upstream;
    struct tt_http_exchange *exchange;
    struct tt_http_stream *stream; /* NULL: one piece of JSON */
    struct tt_test_answer answer;
    struct tt_timer timer;
};

/* ---- one request ---- */

/* Takes the first event from the body. */
static void send_event(struct sending *sending)
{
    struct tt_buf *body = &sending->answer.body;
    const char *end = strstr(body->data, "\n\n");
    size_t len = end ? (size_t)(end - body->data) + 2 : body->len;

    tt_buf_append(tt_http_stream_out(sending->stream), body->data, len);
    tt_buf_consume(body, len);
}

static void send_next(struct tt_timer *timer)
{
    struct sending *sending = TT_CONTAINER_OF(timer, struct sending, timer);
    struct tt_test_answer *answer = &sending->answer;

    if (!sending->stream) {
        tt_http_reply(sending->exchange, answer->status, &answer->body);
        return;
    }
    while (answer->body.len > 0) {
        send_event(sending);
        if (answer->pace_ms > 0 && answer->body.len > 0) {
            tt_http_stream_wake(sending->stream);
            tt_timer_start(sending->upstream->loop, timer, (uint64_t)answer->pace_ms);
            return;
        }
    }
    tt_http_stream_end(sending->stream);
}

static void start_sending(struct sending *sending)
{
    const struct tt_test_answer *answer = &sending->answer;
    struct tt_http_exchange *exchange = sending->exchange;
    char seconds[24];

    tt_http_set_user(exchange, sending);
    tt_http_add_header(exchange, TT_STR("Content-Type"),
                       answer->is_stream ? TT_STR("text/event-stream")
                                         : TT_STR("application/json"));
    snprintf(seconds, sizeof(seconds), "%lld", (long long)answer->retry_after);
    if (answer->retry_after >= 0)
        tt_http_add_header(exchange, TT_STR("Retry-After"), tt_str_from(seconds));
    if (answer->is_stream)
        sending->stream = tt_http_stream_open(exchange, answer->status, NULL, NULL);
    sending->timer.on_due = send_next;
    tt_timer_start(sending->upstream->loop, &sending->timer, (uint64_t)answer->pace_ms);
}

/* Records the request and takes the next answer; false if there is none. */
static bool take_answer(struct tt_test_upstream *upstream, struct tt_str body,
                        struct tt_test_answer *answer)
{
    pthread_mutex_lock(&upstream->lock);
    if (upstream->asked_count < ITEMS_MAX)
        tt_buf_append_str(&upstream->asked[upstream->asked_count++], body);
    bool found = upstream->answer_next < upstream->answer_count;
    if (found) {
        struct tt_test_answer *next = &upstream->answers[upstream->answer_next++];
        *answer = *next;
        next->body = (struct tt_buf){0};
    } else {
        upstream->unscripted++;
    }
    pthread_mutex_unlock(&upstream->lock);
    return found;
}

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    (void)arg;
    (void)exchange;
    *body_max = REQUEST_MAX;
}

static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_test_answer answer = {0};

    if (!take_answer(arg, tt_http_body(exchange), &answer)) {
        tt_http_reply(exchange, 500, NULL);
        return;
    }
    struct sending *sending = TT_NEW(struct sending);
    *sending = (struct sending){.upstream = arg, .exchange = exchange, .answer = answer};
    start_sending(sending);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct sending *sending = tt_http_user(exchange);
    (void)arg;

    if (!sending)
        return;
    tt_timer_stop(&sending->timer);
    tt_buf_free(&sending->answer.body);
    free(sending);
}

/* ---- all of them ---- */

static void *run(void *arg)
{
    tt_loop_run(((struct tt_test_upstream *)arg)->loop);
    return NULL;
}

struct tt_test_upstream *tt_test_upstream_open(struct tt_err *err)
{
    struct tt_test_upstream *upstream = TT_NEW(struct tt_test_upstream);
    const struct tt_http_handler handler = {
        .on_head = on_head, .on_request = on_request, .on_end = on_end, .arg = upstream};
    const struct tt_http_settings settings = {.address = "127.0.0.1:0"};

    pthread_mutex_init(&upstream->lock, NULL);
    upstream->loop = tt_loop_new(err);
    if (upstream->loop)
        upstream->server = tt_http_server_new(upstream->loop, &settings, &handler, err);
    upstream->runs =
        upstream->server && pthread_create(&upstream->thread, NULL, run, upstream) == 0;
    if (upstream->runs)
        return upstream;
    if (upstream->server)
        tt_err_set(err, 500, "internal_error", "the scripted upstream: no thread can be had");
    tt_test_upstream_close(upstream);
    return NULL;
}

void tt_test_upstream_close(struct tt_test_upstream *upstream)
{
    if (!upstream)
        return;
    if (upstream->runs) {
        tt_loop_stop(upstream->loop);
        pthread_join(upstream->thread, NULL);
    }
    tt_http_server_free(upstream->server);
    tt_loop_free(upstream->loop);
    for (size_t i = 0; i < upstream->answer_count; i++)
        tt_buf_free(&upstream->answers[i].body);
    for (size_t i = 0; i < upstream->asked_count; i++)
        tt_buf_free(&upstream->asked[i]);
    pthread_mutex_destroy(&upstream->lock);
    free(upstream);
}

int tt_test_upstream_port(const struct tt_test_upstream *upstream)
{
    return tt_http_server_port(upstream->server);
}

void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer)
{
    pthread_mutex_lock(&upstream->lock);
    if (upstream->answer_count < ITEMS_MAX) {
        upstream->answers[upstream->answer_count++] = *answer;
        answer->body = (struct tt_buf){0};
    }
    pthread_mutex_unlock(&upstream->lock);
    tt_buf_free(&answer->body);
}

bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body)
{
    pthread_mutex_lock(&upstream->lock);
    bool found = number < upstream->asked_count;
    if (found)
        tt_buf_append_str(body, tt_buf_str(&upstream->asked[number]));
    pthread_mutex_unlock(&upstream->lock);
    return found;
}

int tt_test_upstream_unscripted(struct tt_test_upstream *upstream)
{
    pthread_mutex_lock(&upstream->lock);
    int count = upstream->unscripted;
    pthread_mutex_unlock(&upstream->lock);
    return count;
}
