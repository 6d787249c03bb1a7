/* core/http on its own loop: the case runs on the worker's, and may block it. Requests and answers
 * are passed between the two threads under one lock. */
#include "tide/test_server.h"

#include "base/json.h"
#include "base/mem.h"
#include "http/http.h"
#include "upstream/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS_MAX   1024
#define OTHERS_MAX  64
#define OTHER_PATH  "/other/" /* and the number of the request */
#define REQUEST_MAX (32u << 20)

struct queued {
    struct tt_test_answer answer;
    bool taken;
};

struct other_server {
    struct tt_buf url;
    struct tt_test_answer *answers; /* [count], from malloc */
    size_t count, next;
};

struct tt_test_upstream {
    struct tt_loop *loop;
    struct tt_http_server *server;
    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* guards everything below */
    struct queued answers[ITEMS_MAX];
    size_t answer_count;
    struct other_server others[OTHERS_MAX];
    size_t other_count;
    struct tt_test_request sent[ITEMS_MAX];
    size_t sent_to[ITEMS_MAX]; /* in others[] */
    size_t sent_count;
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

static void add_headers(struct tt_http_exchange *exchange, struct tt_str lines)
{
    struct tt_str line;

    while (lines.len > 0) {
        tt_str_split(&lines, '\n', &line);
        ptrdiff_t colon = tt_str_find(line, ':');
        struct tt_str name = tt_str_of(line.data, (size_t)colon);
        tt_http_add_header(
            exchange, name,
            tt_str_trim(tt_str_of(line.data + colon + 1, line.len - (size_t)colon - 1)));
    }
}

static void start_sending(struct sending *sending)
{
    const struct tt_test_answer *answer = &sending->answer;
    struct tt_http_exchange *exchange = sending->exchange;
    char seconds[24];

    tt_http_set_user(exchange, sending);
    if (answer->headers.len > 0)
        add_headers(exchange, tt_buf_str(&answer->headers));
    else
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

static void read_model(struct tt_str body, struct tt_buf *model)
{
    struct tt_json_path path;
    struct tt_json_value value = {0};

    if (tt_json_path_parse(&path, "model", NULL) == 0 &&
        tt_json_select(body, &path, 1, &value, NULL) == 0 && value.type == TT_JSON_STRING)
        tt_json_unescape(value.raw, NULL, model);
}

/* The first answer of this model that is left, NULL when there is none. *any: it had one. */
static struct queued *find_answer(struct tt_test_upstream *upstream, struct tt_str model, bool *any)
{
    *any = false;
    for (size_t i = 0; i < upstream->answer_count; i++) {
        struct queued *queued = &upstream->answers[i];
        if (!tt_str_eq(tt_buf_str(&queued->answer.model), model))
            continue;
        *any = true;
        if (!queued->taken)
            return queued;
    }
    return NULL;
}

/* Records the request and takes the next answer; false if there is none. */
static bool take_answer(struct tt_test_upstream *upstream, struct tt_str body,
                        struct tt_test_answer *answer)
{
    struct tt_buf model = {0};
    bool own;

    read_model(body, &model);
    pthread_mutex_lock(&upstream->lock);
    if (upstream->asked_count < ITEMS_MAX)
        tt_buf_append_str(&upstream->asked[upstream->asked_count++], body);
    struct queued *queued = find_answer(upstream, tt_buf_str(&model), &own);
    if (!own)
        queued = find_answer(upstream, TT_STR(""), &own);
    if (queued) {
        *answer = queued->answer;
        queued->answer = (struct tt_test_answer){.model = answer->model};
        answer->model = (struct tt_buf){0};
        queued->taken = true;
    } else {
        upstream->unscripted++;
    }
    pthread_mutex_unlock(&upstream->lock);
    tt_buf_free(&model);
    return queued != NULL;
}

/* A copy of the next answer of the server that the request was meant for; the path has its number.
 */
static bool take_other(struct tt_test_upstream *upstream, struct tt_str path,
                       struct tt_test_answer *answer)
{
    static const struct tt_str prefix = TT_STR(OTHER_PATH);
    uint64_t number;

    if (tt_str_to_u64(tt_str_of(path.data + prefix.len, path.len - prefix.len), &number) != 0)
        return false;
    pthread_mutex_lock(&upstream->lock);
    bool found = number < upstream->sent_count;
    if (found) {
        struct other_server *other = &upstream->others[upstream->sent_to[number]];
        const struct tt_test_answer *next = &other->answers[other->next];
        other->next += other->next + 1 < other->count;
        *answer = *next;
        answer->body = answer->headers = answer->model = (struct tt_buf){0};
        tt_buf_append_str(&answer->body, tt_buf_str(&next->body));
        tt_buf_append_str(&answer->headers, tt_buf_str(&next->headers));
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

    struct tt_str path = tt_http_path(exchange);
    bool taken = tt_str_starts(path, TT_STR(OTHER_PATH))
                     ? take_other(arg, path, &answer)
                     : take_answer(arg, tt_http_body(exchange), &answer);
    if (!taken) {
        tt_http_reply(exchange, 500, NULL);
        return;
    }
    struct sending *sending = TT_NEW(struct sending);
    *sending = (struct sending){.upstream = arg, .exchange = exchange, .answer = answer};
    start_sending(sending);
}

static void free_answer(struct tt_test_answer *answer)
{
    tt_buf_free(&answer->body);
    tt_buf_free(&answer->headers);
    tt_buf_free(&answer->model);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct sending *sending = tt_http_user(exchange);
    (void)arg;

    if (!sending)
        return;
    tt_timer_stop(&sending->timer);
    free_answer(&sending->answer);
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

static void free_other(struct other_server *other)
{
    tt_buf_free(&other->url);
    for (size_t i = 0; i < other->count; i++)
        free_answer(&other->answers[i]);
    free(other->answers);
}

static void free_request(struct tt_test_request *request)
{
    tt_buf_free(&request->method);
    tt_buf_free(&request->url);
    tt_buf_free(&request->headers);
    tt_buf_free(&request->body);
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
        free_answer(&upstream->answers[i].answer);
    for (size_t i = 0; i < upstream->other_count; i++)
        free_other(&upstream->others[i]);
    for (size_t i = 0; i < upstream->sent_count; i++)
        free_request(&upstream->sent[i]);
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
        upstream->answers[upstream->answer_count++].answer = *answer;
        *answer = (struct tt_test_answer){0};
    }
    pthread_mutex_unlock(&upstream->lock);
    free_answer(answer);
}

/* ---- other servers ---- */

static struct other_server *other_of(struct tt_test_upstream *upstream, struct tt_str url)
{
    for (size_t i = 0; i < upstream->other_count; i++)
        if (tt_str_eq(tt_buf_str(&upstream->others[i].url), url))
            return &upstream->others[i];
    if (upstream->other_count == OTHERS_MAX)
        return NULL;
    struct other_server *other = &upstream->others[upstream->other_count++];
    tt_buf_append_str(&other->url, url);
    return other;
}

void tt_test_upstream_push_http(struct tt_test_upstream *upstream, struct tt_str url,
                                struct tt_test_answer *answer)
{
    pthread_mutex_lock(&upstream->lock);
    struct other_server *other = other_of(upstream, url);
    if (other) {
        size_t size = (other->count + 1) * sizeof(struct tt_test_answer);
        other->answers = tt_realloc(other->answers, size);
        other->answers[other->count++] = *answer;
        *answer = (struct tt_test_answer){0};
    }
    pthread_mutex_unlock(&upstream->lock);
    free_answer(answer);
}

static bool fits(struct tt_str pattern, struct tt_str url)
{
    ptrdiff_t query = tt_str_find(url, '?');

    if (tt_str_ends(pattern, TT_STR("*")))
        return tt_str_starts(url, tt_str_of(pattern.data, pattern.len - 1));
    return tt_str_eq(pattern, url) ||
           (query >= 0 && tt_str_eq(pattern, tt_str_of(url.data, (size_t)query)));
}

static void record(struct tt_test_upstream *upstream, size_t other,
                   const struct tt_call_request *request)
{
    struct tt_test_request *sent = &upstream->sent[upstream->sent_count];
    struct tt_str lines[64];
    const struct tt_str *headers = request->headers;
    size_t count = request->header_count;

    if (request->prepared) {
        count = tt_call_headers_lines(request->prepared, lines, TT_COUNT(lines));
        headers = lines;
    }
    tt_buf_append_z(&sent->method, request->method);
    tt_buf_append_z(&sent->url, request->url);
    tt_buf_append_str(&sent->body, tt_call_body_text(request->body));
    for (size_t i = 0; i < count; i++) {
        tt_buf_append_str(&sent->headers, headers[i]);
        tt_buf_putc(&sent->headers, '\n');
    }
    upstream->sent_to[upstream->sent_count++] = other;
}

char *tt_test_upstream_detour(void *arg, const struct tt_call_request *request)
{
    struct tt_test_upstream *upstream = arg;
    char *instead = NULL;

    pthread_mutex_lock(&upstream->lock);
    for (size_t i = 0; i < upstream->other_count && upstream->sent_count < ITEMS_MAX; i++) {
        if (!fits(tt_buf_str(&upstream->others[i].url), tt_str_from(request->url)))
            continue;
        instead = tt_alloc(64);
        snprintf(instead, 64, "http://127.0.0.1:%d" OTHER_PATH "%zu",
                 tt_test_upstream_port(upstream), upstream->sent_count);
        record(upstream, i, request);
        break;
    }
    pthread_mutex_unlock(&upstream->lock);
    return instead;
}

bool tt_test_upstream_http_asked(struct tt_test_upstream *upstream, size_t number,
                                 struct tt_test_request *request)
{
    pthread_mutex_lock(&upstream->lock);
    bool found = number < upstream->sent_count;
    if (found)
        *request = upstream->sent[number];
    pthread_mutex_unlock(&upstream->lock);
    return found;
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
