/* tide.http: a script's own requests to other servers. Like everything that leaves the server, they
 * go through the worker's client and the address policy. They do not follow redirects (the script
 * requests each address itself, and each is checked), and end with their task; with disconnect =
 * "cancel" also when the task's client leaves. Neither the bytes from an upstream nor the headers
 * sent to it are ever logged: they may hold keys. */
#include "script/task.h"
#include "script/value.h"
#include "tide/http_parts.h"
#include "tide/modules.h"

#define TIMEOUT_MS     30000
#define TIMEOUT_MAX_MS 600000
#define BODY_BYTES     ((lua_Integer)1 << 20)
#define BODY_MAX_BYTES ((lua_Integer)16 << 20)

struct sending {
    struct tt_wait wait;
    struct tt_tide *tide;
    struct tt_call *call; /* NULL once it is over */
    int status;
    int64_t retry_after_s; /* -1 = none */
    struct tt_buf headers; /* name NUL value NUL …, names in lower case */
    struct tt_buf body;
    bool too_large, stop_without_clients;
};

/* ---- the answer ---- */

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    struct sending *sending = arg;
    (void)content_type;
    sending->status = status;
    sending->retry_after_s = retry_after_s;
}

static int on_header(void *arg, struct tt_str name, struct tt_str value)
{
    struct sending *sending = arg;

    sending->too_large = tt_tide_http_add_header(&sending->headers, name, value) != 0;
    return sending->too_large ? -1 : 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct sending *sending = arg;
    struct tt_tide *tide = sending->tide;

    if (bytes.len > TT_TIDE_HTTP_ALL_MAX - tide->http_bytes)
        return tt_err_set(&sending->wait.err, 503, "busy", "too much is being received already");
    if (tt_buf_append_str(&sending->body, bytes) != 0) {
        sending->too_large = !sending->body.no_memory;
        if (!sending->too_large)
            tt_err_set(&sending->wait.err, 503, "no_memory", "no memory for what comes");
        return -1;
    }
    tide->http_bytes += bytes.len;
    return 0;
}

static void set_error(struct sending *sending, const struct tt_err *error)
{
    if (sending->too_large)
        tt_err_set(&sending->wait.err, 502, "outbound_too_large", "more than %zu bytes came",
                   sending->body.max);
    else if (error)
        tt_tide_http_error(error, &sending->wait.err);
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct sending *sending = arg;
    (void)sent;

    sending->call = NULL;
    if (!sending->wait.err.status)
        set_error(sending, error);
    tt_wait_done(&sending->wait);
}

static int sending_push(struct tt_wait *wait, lua_State *L)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);

    lua_createtable(L, 0, 4);
    lua_pushinteger(L, sending->status);
    lua_setfield(L, -2, "status");
    if (sending->retry_after_s >= 0) {
        lua_pushinteger(L, sending->retry_after_s);
        lua_setfield(L, -2, "retry_after");
    }
    tt_tide_http_push_headers(L, &sending->headers);
    lua_setfield(L, -2, "headers");
    tt_task_push_taken(L, tt_buf_str(&sending->body));
    lua_setfield(L, -2, "body");
    return 1;
}

static void sending_left(struct tt_wait *wait)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);
    if (!sending->stop_without_clients || !sending->call)
        return;
    tt_call_cancel(sending->call);
    sending->call = NULL;
    tt_tide_http_set_left(&sending->wait.err);
    tt_wait_done(wait);
}

static void sending_close(struct tt_wait *wait)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);
    if (sending->call)
        tt_call_cancel(sending->call);
    sending->tide->http_bytes -= sending->body.len;
    tt_buf_free(&sending->headers);
    tt_buf_free(&sending->body);
}

/* ---- the request ---- */

static int http_request(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = sending_push, .close = sending_close, .on_left = sending_left};
    static const char *const more[] = {NULL};
    struct tt_tide_http http = {.function = "http.request"};
    struct tt_err err = {0};

    tt_task_check_wait(L, http.function);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    http.request.deadlines.total =
        (uint64_t)tt_tide_http_bounded(L, &http, "timeout_ms", TIMEOUT_MS, TIMEOUT_MAX_MS);
    int64_t max_bytes = tt_tide_http_bounded(L, &http, "max_bytes", BODY_BYTES, BODY_MAX_BYTES);
    if (tt_tide_http_read(L, &http, more, &err) != 0)
        return tt_value_push_error(L, &err);

    struct sending *sending = tt_wait_new(sizeof(*sending), &type);
    sending->tide = tt_tide_of(L);
    sending->retry_after_s = -1;
    sending->stop_without_clients = http.stop_without_clients;
    sending->body.max = (size_t)max_bytes;
    struct tt_call_handler handler = {on_head, on_data, on_done, sending};
    sending->call =
        tt_call_start(sending->tide->chat.client, &http.request, &handler, &sending->wait.err);
    tt_tide_http_release(&http);
    if (sending->call) {
        tt_call_on_header(sending->call, on_header);
        return tt_task_yield(L, &sending->wait);
    }
    return tt_wait_refuse(L, &sending->wait);
}

static const luaL_Reg functions[] = {
    {"request", http_request}, {"stream", tt_tide_http_stream}, {NULL, NULL}};

int tt_tide_http(lua_State *L)
{
    tt_tide_http_stream_setup(L);
    luaL_newlib(L, functions);
    return 1;
}
