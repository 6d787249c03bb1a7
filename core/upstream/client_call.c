/* A call's end, its deadlines and curl's callbacks: the running half of a call (client.c has the
 * begin). There is one timer per call: it is not moved with each byte; when it fires, it checks
 * what is due and starts again. Headers are read only on demand: status and content type when the
 * first body byte comes. Whether a request "was sent" decides whether it may be repeated, so its
 * bytes are counted. Error texts name the host and curl's reason, never the upstream's words. */
#include "base/clock.h"
#include "upstream/client_internal.h"

#include <stdlib.h>

/* ---- the end of a call ---- */

/* Gives the handle back; the connection is free for the next call, or closed if cut off. */
static void release_handle(struct tt_call *call, bool reusable)
{
    if (call->shard)
        tt_shard_remove(call->shard, call);
    if (call->easy && reusable)
        tt_client_put_easy(call->client, call->easy, call->target);
    else if (call->easy)
        curl_easy_cleanup(call->easy);
    call->easy = NULL;
}

void tt_call_destroy(struct tt_call *call)
{
    struct tt_client *client = call->client;
    tt_list_remove(&call->node);
    tt_list_remove(&call->paused);
    tt_timer_stop(&call->timer);
    if (call->resolving)
        tt_resolve_cancel(&call->resolve);
    release_handle(call, false);
    tt_call_headers_unref(call->headers);
    curl_slist_free_all(call->addresses);
    tt_call_body_unref(call->body);
    tt_target_unref(client, call->target);
    tt_unpack_free(call->unpack);
    client->stats.calls--;
    free(call);
}

void tt_call_on_dropped(struct tt_call *call, void (*on_dropped)(void *arg))
{
    call->on_dropped = on_dropped;
}

void tt_call_on_header(struct tt_call *call,
                       int (*on_header)(void *arg, struct tt_str name, struct tt_str value))
{
    call->on_header = on_header;
}

void tt_call_tell_head_early(struct tt_call *call)
{
    call->early_head = true;
}

void tt_call_on_begin(struct tt_call *call, int (*on_begin)(void *arg, struct tt_err *err))
{
    call->on_begin = on_begin;
}

void tt_call_cancel(struct tt_call *call)
{
    struct tt_client *client = call->client;
    if (call->cancelled)
        return;
    if (client->inside_curl > 0) {
        call->cancelled = true;
        tt_list_remove(&call->node);
        tt_list_push_back(&client->ended, &call->node);
        tt_client_work(client);
    } else if (call->in_callback) {
        call->cancelled = true;
    } else {
        tt_call_destroy(call);
    }
}

static bool was_sent(const struct tt_call *call)
{
    curl_off_t uploaded = 0;
    if (!call->easy || call->phase == TT_CALL_CONNECTING)
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    return (size_t)uploaded >= call->body_len;
}

/* Tells the end (unless it was cancelled meanwhile) and frees. */
void tt_call_end(struct tt_call *call, const struct tt_err *error)
{
    bool sent = was_sent(call);
    tt_timer_stop(&call->timer);
    release_handle(call, !error);
    if (error)
        call->client->stats.failed++;
    call->in_callback = true;
    if (!call->cancelled)
        call->handler.on_done(call->handler.arg, error, sent);
    tt_call_destroy(call);
}

void tt_call_fail(struct tt_call *call, int status, const char *code, const char *why)
{
    struct tt_err error = {0};
    tt_err_set(&error, status, code, "%s: %s", call->target->url.host, why);
    tt_call_end(call, &error);
}

struct failure {
    int status;
    const char *code;
};

/* Whether the tunnel through the proxy did not come about: nothing was sent, and the upstream is
 * not to blame. */
static bool is_proxys(const struct tt_call *call, CURLcode code)
{
    long status = 0;
    if (!call->target->proxied || call->phase != TT_CALL_CONNECTING)
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return code == CURLE_COULDNT_CONNECT || code == CURLE_PROXY ||
           code == CURLE_COULDNT_RESOLVE_PROXY || (status != 0 && status / 100 != 2);
}

static struct failure failure_of(const struct tt_call *call, CURLcode code)
{
    if (is_proxys(call, code))
        return (struct failure){502, "upstream_proxy_failed"};
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (call->denied)
            return (struct failure){422, "address_not_allowed"};
        return (struct failure){502, "upstream_refused"};
    case CURLE_COULDNT_RESOLVE_HOST:
        return (struct failure){502, "dns_failed"};
    case CURLE_OPERATION_TIMEDOUT:
        return (struct failure){504, "upstream_connect_timeout"};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
        return (struct failure){502, "upstream_tls_failed"};
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return (struct failure){502, "upstream_reset"};
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, that is, no HTTP at all */
    case CURLE_BAD_CONTENT_ENCODING:
        return (struct failure){502, "upstream_bad_response"};
    case CURLE_WRITE_ERROR:
        return (struct failure){502, "upstream_aborted"};
    case CURLE_OUT_OF_MEMORY:
        return (struct failure){503, "no_memory"};
    default:
        return (struct failure){502, "upstream_failed"};
    }
}

/* ---- deadlines ---- */

static uint64_t earlier(uint64_t due, uint64_t from, uint64_t limit)
{
    if (limit == 0)
        return due;
    return due == 0 || from + limit < due ? from + limit : due;
}

static uint64_t next_due(const struct tt_call *call)
{
    const struct tt_deadlines *limits = &call->deadlines;
    uint64_t due = earlier(0, call->started_ms, limits->total);
    if (call->phase == TT_CALL_CONNECTING)
        return earlier(due, call->started_ms, limits->connect);
    if (call->phase == TT_CALL_WAITING)
        return earlier(due, call->waiting_ms, limits->first_byte);
    return call->held ? due : earlier(due, call->last_ms, limits->between);
}

static void arm(struct tt_call *call)
{
    uint64_t now = tt_clock_mono_ms(), due = next_due(call);
    if (due)
        tt_timer_start(call->client->loop, &call->timer, due > now ? due - now : 0);
    else
        tt_timer_stop(&call->timer);
}

void tt_call_limit(struct tt_call *call, uint64_t ms)
{
    uint64_t total = tt_clock_mono_ms() - call->started_ms + ms;
    if (call->deadlines.total == 0 || total < call->deadlines.total)
        call->deadlines.total = total;
    if (!call->cancelled)
        arm(call);
}

/* A request that is still on its way up is not yet waiting for an answer. */
static bool upload_advanced(struct tt_call *call)
{
    curl_off_t uploaded = 0;
    if (call->phase != TT_CALL_WAITING || was_sent(call))
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    bool advanced = uploaded > call->uploaded;
    call->uploaded = uploaded;
    return advanced;
}

static void on_due(struct tt_timer *timer)
{
    struct tt_call *call = TT_CONTAINER_OF(timer, struct tt_call, timer);
    const struct tt_deadlines *limits = &call->deadlines;
    uint64_t now = tt_loop_now(call->client->loop);
    if (call->cancelled)
        return;
    if (limits->total && now >= call->started_ms + limits->total) {
        tt_call_fail(call, 504, "upstream_timeout", "the whole call took too long");
        return;
    }
    if (next_due(call) == 0 || now < next_due(call)) {
        arm(call);
    } else if (call->phase == TT_CALL_CONNECTING) {
        tt_call_fail(call, 504, "upstream_connect_timeout", "not connected in time");
    } else if (call->phase == TT_CALL_RECEIVING) {
        tt_call_fail(call, 504, "upstream_stalled", "nothing came any more");
    } else if (upload_advanced(call)) {
        call->waiting_ms = now;
        arm(call);
    } else {
        tt_call_fail(call, 504, "upstream_timeout", "no answer in time");
    }
}

/* The tick may have begun long ago: the real time. */
static void set_clock(struct tt_call *call)
{
    call->started_ms = tt_clock_mono_ms();
    call->timer.on_due = on_due;
    arm(call);
}

static void begin_soon(struct tt_call *call)
{
    tt_list_remove(&call->node);
    tt_list_push_back(&call->client->starting, &call->node);
    set_clock(call);
    tt_client_work(call->client);
}

static void on_delay_over(struct tt_timer *timer)
{
    struct tt_call *call = TT_CONTAINER_OF(timer, struct tt_call, timer);
    if (!call->cancelled)
        begin_soon(call);
}

void tt_call_begin_later(struct tt_call *call, uint64_t delay_ms)
{
    if (delay_ms == 0) {
        begin_soon(call);
        return;
    }
    call->timer.on_due = on_delay_over;
    tt_list_push_back(&call->client->calls, &call->node);
    tt_timer_start(call->client->loop, &call->timer, delay_ms);
}

/* ---- callbacks from curl ---- */

static void tell_head(struct tt_call *call)
{
    long status = 0;
    char *type = NULL;
    curl_off_t retry_after = 0;
    call->head_told = true;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
    call->handler.on_head(call->handler.arg, (int)status, tt_str_from(type ? type : ""),
                          retry_after > TT_RETRY_AFTER_MAX_S ? TT_RETRY_AFTER_MAX_S
                          : retry_after > 0                  ? (int64_t)retry_after
                                                             : -1);
}

/* Connected, TLS included; curl sends the request next. Also before a silent repetition on a new
 * connection. */
int tt_call_on_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct tt_call *call = arg;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    if (call->cancelled)
        return CURL_PREREQFUNC_ABORT;
    call->phase = TT_CALL_WAITING;
    call->waiting_ms = tt_loop_now(call->client->loop);
    arm(call);
    return CURL_PREREQFUNC_OK;
}

static void begin_receiving(struct tt_call *call)
{
    if (was_sent(call)) {
        tt_call_body_unref(call->body); /* thousands of streams would keep their histories */
        call->body = NULL;
    }
    call->phase = TT_CALL_RECEIVING;
    arm(call);
}

/* A line of a head: its status line, a header, the empty one; of 1xx heads and trailers too. */
size_t tt_call_on_head_line(char *data, size_t size, size_t count, void *arg)
{
    struct tt_call *call = arg;
    struct tt_str line = tt_str_trim(tt_str_of(data, size * count));
    ptrdiff_t colon;

    if (call->cancelled)
        return 0;
    tt_call_note_coding(call, line);
    if (!call->on_header)
        return size * count;
    colon = tt_str_find(line, ':');
    if (tt_str_starts(line, TT_STR("HTTP/"))) {
        long status = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        call->interim = status >= 100 && status < 200;
    } else if (line.len == 0 && call->early_head && !call->interim && !call->head_told) {
        call->last_ms = tt_loop_now(call->client->loop);
        begin_receiving(call);
        tell_head(call);
    } else if (colon > 0 && !call->interim && !call->head_told) {
        struct tt_str value = tt_str_of(line.data + colon + 1, line.len - (size_t)colon - 1);
        if (call->on_header(call->handler.arg, tt_str_of(line.data, (size_t)colon),
                            tt_str_trim(value)) != 0)
            return 0;
    }
    return size * count;
}

/* ---- a piece a tick ---- */

/* Curl reads for as long as bytes come, so a fast upstream would keep the loop from everybody. */
#define PIECE_BYTES ((size_t)14 << 10)
#define PIECE_MS    1

static void resume_soon(struct tt_call *call)
{
    struct tt_client *client = call->client;

    if (tt_list_empty(&client->paused))
        tt_timer_start(client->loop, &client->resume, PIECE_MS);
    if (tt_list_empty(&call->paused))
        tt_list_push_back(&client->paused, &call->paused);
}

static bool has_had_its_piece(struct tt_call *call, size_t bytes)
{
    struct tt_client *client = call->client;
    uint64_t now = tt_loop_now(client->loop);

    if (call->piece_ms != now)
        call->piece = 0;
    call->piece_ms = now;
    if (call->piece < PIECE_BYTES) {
        call->piece += bytes;
        return false;
    }
    resume_soon(call);
    return true;
}

void tt_call_hold(struct tt_call *call, bool held)
{
    if (call->held == held || call->cancelled)
        return;
    call->held = held;
    call->last_ms = tt_clock_mono_ms();
    arm(call);
    if (!held && call->stopped)
        resume_soon(call);
    if (!held)
        call->stopped = false;
}

void tt_calls_resume(struct tt_timer *timer)
{
    struct tt_client *client = TT_CONTAINER_OF(timer, struct tt_client, resume);
    struct tt_list now, *node;

    tt_list_init(&now);
    tt_list_splice(&now, &client->paused);
    while ((node = tt_list_pop_front(&now))) {
        struct tt_call *call = tt_list_entry(node, struct tt_call, paused);
        if (call->cancelled)
            continue;
        client->inside_curl++;
        CURLcode code = curl_easy_pause(call->easy, CURLPAUSE_CONT);
        client->inside_curl--;
        if (code != CURLE_OK)
            tt_call_complete(call, code);
    }
}

size_t tt_call_on_bytes(char *data, size_t size, size_t count, void *arg)
{
    struct tt_call *call = arg;
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    call->last_ms = tt_loop_now(call->client->loop);
    if (call->held) {
        call->stopped = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (has_had_its_piece(call, size * count))
        return CURL_WRITEFUNC_PAUSE;
    if (call->phase != TT_CALL_RECEIVING)
        begin_receiving(call);
    if (!call->head_told)
        tell_head(call);
    if (call->cancelled || size * count == 0)
        return call->cancelled ? CURL_WRITEFUNC_ERROR : 0;
    tt_client_read_bytes(size * count);
    if (tt_call_pass_on(call, tt_str_of(data, size * count)) != 0)
        return CURL_WRITEFUNC_ERROR;
    return size * count;
}

static void fail_as(struct tt_call *call, CURLcode code)
{
    const struct tt_err *broken = call->unpack ? tt_unpack_error(call->unpack) : NULL;
    struct failure failure = failure_of(call, code);
    if (broken && broken->status)
        tt_call_fail(call, broken->status, broken->code, broken->message);
    else
        tt_call_fail(call, failure.status, failure.code, curl_easy_strerror(code));
}

void tt_call_complete(struct tt_call *call, CURLcode code)
{
    long opened = 0;
    if (call->cancelled)
        return; /* in the list of those to be freed */
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &opened);
    if (opened == 0 && call->phase != TT_CALL_CONNECTING)
        call->client->stats.reused++;
    if (code != CURLE_OK) {
        fail_as(call, code);
        return;
    }
    call->in_callback = true;
    if (!call->head_told)
        tell_head(call);
    if (!call->cancelled && tt_call_pass_end(call) != 0)
        fail_as(call, CURLE_WRITE_ERROR);
    else
        tt_call_end(call, NULL);
}
