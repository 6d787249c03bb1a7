/* The call is a wait of the request's task, so it ends with the task. An answer of known length is
 * kept until it is complete: as long as nothing of it is sent, the script may still do without it.
 * All other answers are events, or written by a script. */
#include "serve/relay.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/relay.h"
#include "node/relay_events.h"
#include "script/value.h"
#include "serve/request.h"
#include "tide/http_parts.h"

#define HIGH_BYTES        ((size_t)256 << 10)
#define HEADERS_MAX_BYTES ((size_t)64 << 10)

/* "421 Misdirected Request": what a node answers that is not the session's. */
#define MISDIRECTED 421

struct relaying {
    struct tt_wait wait;
    struct tt_relay_watched watched;
    struct tt_relay *relay;
    struct tt_tide *tide;
    struct tt_request *request;
    struct tt_call *call; /* NULL once it is over */
    uint64_t began_us;
    int status;
    bool has_length, is_events;
    struct tt_buf headers; /* name NUL value NUL … */
    struct tt_buf body;    /* of an answer with a length */
    size_t counted;        /* of it in the worker's sum */
    struct tt_http_stream *stream;
    struct tt_relay_events events;
    struct tt_err error; /* why it is not answered, or not completely */
};

static uint64_t now_us(void)
{
    return tt_clock_mono_ns() / 1000;
}

/* ---- to the client ---- */

static void add_headers(struct relaying *it)
{
    struct tt_http_exchange *exchange = it->request->exchange;
    const char *at = it->headers.data, *end = at + it->headers.len;

    while (at < end) {
        struct tt_str name = tt_str_from(at), value = tt_str_from(at + name.len + 1);
        at = value.data + value.len + 1;
        if (tt_relay_passes(name))
            tt_http_add_header(exchange, name, value);
    }
}

static void on_flush(struct tt_http_stream *stream, void *arg)
{
    struct relaying *it = arg;
    (void)stream;
    if (it->call)
        tt_call_hold(it->call, false);
}

static void open_stream(struct relaying *it)
{
    struct tt_request *request = it->request;

    add_headers(it);
    request->status = it->status;
    tt_http_may_send(request->exchange, request->user_id, 0, NULL);
    tt_http_stream_keep_headers(request->exchange); /* the script may have to go on */
    it->stream = tt_http_stream_open(request->exchange, it->status, on_flush, it);
    request->opened = it->stream;
}

static void reply_whole(struct relaying *it)
{
    struct tt_request *request = it->request;
    struct tt_err err = {0};

    if (tt_http_may_send(request->exchange, request->user_id, it->body.len, &err) != 0) {
        tt_request_fail(request,
                        &(struct tt_request_error){.code = err.code, .detail = err.message});
        return;
    }
    add_headers(it);
    tt_request_reply(request, it->status, &it->body);
}

static void end_stream(struct relaying *it)
{
    tt_buf_append_str(tt_http_stream_out(it->stream), tt_buf_str(&it->events.part));
    it->request->opened = NULL;
    tt_http_stream_end(it->stream);
}

/* ---- from the other node ---- */

static int on_header(void *arg, struct tt_str name, struct tt_str value)
{
    struct relaying *it = arg;

    it->has_length = it->has_length || tt_str_eq_nocase(name, TT_STR("content-length"));
    if (it->headers.len + name.len + value.len > HEADERS_MAX_BYTES)
        return tt_err_set(&it->error, 502, "node_gone", "the headers are too long");
    tt_buf_append_str(&it->headers, name);
    tt_buf_putc(&it->headers, 0);
    tt_buf_append_str(&it->headers, value);
    return tt_buf_putc(&it->headers, 0);
}

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    struct relaying *it = arg;
    (void)retry_after_s;

    it->relay->stats.wait_us += now_us() - it->began_us;
    it->status = status;
    it->has_length = it->has_length || status == 204 || status == 304;
    it->is_events = tt_str_starts_nocase(content_type, TT_STR("text/event-stream"));
    if (!it->has_length && !it->request->opened && status != MISDIRECTED)
        open_stream(it);
    else if (!it->has_length && status == 200)
        it->stream = it->request->opened; /* it goes on */
    if (it->stream && it->request->opened)
        tt_http_stream_hand_over(it->stream, on_flush, it);
}

static int pass_on(struct relaying *it, struct tt_str bytes)
{
    struct tt_buf *out = tt_http_stream_out(it->stream);
    int failed = it->is_events ? tt_relay_events_feed(&it->events, bytes, out)
                               : tt_buf_append_str(out, bytes);

    if (failed)
        return tt_err_set(&it->error, 503, "no_memory", "no memory for what comes");
    if (out->len + tt_http_stream_pending(it->stream) >= HIGH_BYTES)
        tt_call_hold(it->call, true);
    tt_http_stream_wake(it->stream);
    return 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct relaying *it = arg;

    if (it->stream)
        return pass_on(it, bytes);
    if (bytes.len > TT_TIDE_HTTP_ALL_MAX - it->tide->http_bytes)
        return tt_err_set(&it->error, 503, "busy", "too much is being received already");
    if (tt_buf_append_str(&it->body, bytes) != 0)
        return tt_err_set(&it->error, 503, "no_memory", "no memory for what comes");
    it->tide->http_bytes += bytes.len;
    it->counted += bytes.len;
    return 0;
}

static void note_end(struct relaying *it)
{
    struct tt_request *request = it->request;

    if (it->error.status) {
        it->relay->stats.failed += it->stream == NULL;
        it->relay->stats.broken += it->stream != NULL;
    }
    tt_log(it->error.status ? TT_LOG_WARN : TT_LOG_INFO, "request relayed",
           TT_F_STR("request_id", tt_http_request_id(request->exchange)),
           TT_F_INT("node", it->watched.to), TT_F_INT("status", it->status),
           TT_F_INT("duration_us", (int64_t)(now_us() - it->began_us)),
           TT_F_Z("code", it->error.code), TT_F_Z("error", it->error.message));
}

/* What the script may do depends on whether the other node can have begun to work. */
static void set_error(struct relaying *it, const struct tt_err *error, bool sent)
{
    if (!it->error.status)
        tt_err_set(&it->error, 503, sent ? "node_gone" : "node_unreachable", "%s: %s", error->code,
                   error->message);
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct relaying *it = arg;

    it->call = NULL;
    tt_relay_watch_remove(&it->watched);
    if (error)
        set_error(it, error, sent || it->status != 0);
    else if (it->status == MISDIRECTED)
        tt_err_set(&it->error, 503, "not_owner", "the session is not that node's");
    note_end(it);
    tt_wait_done(&it->wait);
}

static void on_dead(struct tt_relay_watched *watched)
{
    struct relaying *it = TT_CONTAINER_OF(watched, struct relaying, watched);
    struct tt_err error = {0};

    tt_call_cancel(it->call);
    tt_err_set(&error, 503, "node_gone", "its lease is over");
    on_done(it, &error, true);
}

/* ---- the wait ---- */

/* Here, and not when the call is over: an exchange may end as soon as it is answered, and until the
 * task goes on somebody else would still have to know it. */
static void complete(struct relaying *it)
{
    if (it->stream)
        end_stream(it);
    else if (it->request->opened)
        tt_request_close_opened(it->request, it->status);
    else
        reply_whole(it);
    it->stream = NULL;
}

static int relaying_push(struct tt_wait *wait, lua_State *L)
{
    struct relaying *it = TT_CONTAINER_OF(wait, struct relaying, wait);

    if (!it->error.status) {
        complete(it);
        lua_createtable(L, 0, 1);
        lua_pushinteger(L, it->watched.to);
        lua_setfield(L, -2, "relay");
        return 1;
    }
    tt_value_push_error(L, &it->error);
    if (it->events.id[0])
        lua_pushstring(L, it->events.id);
    else if (it->events.has_number)
        lua_pushinteger(L, it->events.number);
    else
        lua_pushnil(L);
    return 3;
}

static void stop(struct relaying *it)
{
    tt_relay_watch_remove(&it->watched);
    if (it->call)
        tt_call_cancel(it->call);
    it->call = NULL;
}

static void relaying_left(struct tt_wait *wait)
{
    struct relaying *it = TT_CONTAINER_OF(wait, struct relaying, wait);

    if (!it->call)
        return;
    stop(it);
    tt_err_set(&it->error, 499, "client_gone", "the client has left");
    tt_wait_done(wait);
}

static void relaying_close(struct tt_wait *wait)
{
    struct relaying *it = TT_CONTAINER_OF(wait, struct relaying, wait);

    stop(it);
    if (it->stream)
        tt_http_stream_hand_over(it->stream, NULL, NULL);
    it->tide->http_bytes -= it->counted;
    tt_buf_free(&it->headers);
    tt_buf_free(&it->body);
    tt_relay_events_free(&it->events);
}

/* ---- the beginning ---- */

/* The request's user, as JSON in the state's buffer. */
static struct tt_str encode_user(lua_State *L)
{
    lua_getiuservalue(L, 1, 1);
    lua_getfield(L, -1, "user");
    luaL_checktype(L, -1, LUA_TTABLE);
    struct tt_buf *text = tt_value_scratch(L);
    tt_value_encode(L, lua_gettop(L), text);
    return tt_buf_str(text);
}

int tt_request_relay(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = relaying_push, .close = relaying_close, .on_left = relaying_left};
    struct tt_request *request = tt_request_check(L);
    struct tt_call_handler handler = {on_head, on_data, on_done, NULL};
    struct tt_relay *relay = request->dispatcher->relay;
    struct tt_str target = {0};

    tt_task_check_wait(L, "relay");
    luaL_checktype(L, 2, LUA_TTABLE);
    target.data = luaL_optlstring(L, 3, NULL, &target.len);
    lua_settop(L, 3);
    if (!relay || request->caller)
        return luaL_error(L, "relay: this request cannot be passed on");
    struct tt_relay_request sent = {
        .to = tt_value_field_int(L, 2, "id", 0),
        .address = tt_value_field(L, 2, "address"),
        .method = target.data ? TT_STR("GET") : tt_http_method(request->exchange),
        .target = target.data ? target : tt_relay_target(request->exchange),
        .body = tt_http_body(request->exchange),
        .chinese = request->chinese,
        .secure = tt_request_is_secure(request),
        .anew = target.data != NULL,
        .user = encode_user(L)};
    luaL_argcheck(L, sent.to > 0 && sent.address.len > 0, 2, "a node has an id and an address");
    struct relaying *it = tt_wait_new(sizeof(*it), &type);
    it->relay = relay;
    it->tide = request->dispatcher->tide;
    it->request = request;
    it->began_us = now_us();
    handler.arg = it;
    it->call = tt_relay_start(relay, request->exchange, &sent, &handler, &it->wait.err);
    if (!it->call)
        return tt_wait_refuse(L, &it->wait);
    tt_call_on_header(it->call, on_header);
    tt_call_tell_head_early(it->call);
    it->watched.to = sent.to;
    it->watched.on_dead = on_dead;
    tt_relay_watch_add(&relay->watch, &it->watched);
    return tt_task_yield(L, &it->wait);
}

/* ---- a stream that goes on here ---- */

void tt_request_close_opened(struct tt_request *request, int status)
{
    struct tt_http_stream *stream = request->opened;

    request->opened = NULL;
    if (!stream)
        return;
    if (status == 204 || request->gone)
        tt_http_stream_end(stream);
    else
        tt_http_stream_cut(stream);
}
