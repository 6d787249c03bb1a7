/* tide.http: a script's own requests to other servers. Like everything that leaves the server, they
 * go through the worker's client and the address policy. They do not follow redirects (the script
 * requests each address itself, and each is checked), and end with their task; with disconnect =
 * "cancel" also when the task's client leaves. Neither the bytes from an upstream nor the headers
 * sent to it are ever logged: they may hold keys. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/http_cache.h"
#include "tide/http_parts.h"
#include "tide/modules.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS     30000
#define TIMEOUT_MAX_MS 600000
#define BODY_BYTES     ((lua_Integer)1 << 20)
#define BODY_MAX_BYTES ((lua_Integer)16 << 20)

#define RETRIES_MAX   5
#define RETRY_WAIT_MS 200 /* doubled for each further one */

struct sending {
    struct tt_wait wait;
    struct tt_tide *tide;
    struct tt_call *call;     /* NULL once it is over */
    struct tt_tide_http http; /* for further attempts */
    char method[8];
    char *url;
    uint64_t end_ms; /* when the time for all attempts is over */
    int attempts, retries;
    bool repeatable;                   /* also when it may have been carried out */
    bool cache;                        /* keep the answer under `key` */
    struct tt_tide_http_cached cached; /* what is asked to be confirmed */
    char key[TT_TIDE_HTTP_KEY_SIZE];
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

/* ---- attempts ---- */

static void on_done(void *arg, const struct tt_err *error, bool sent);

static void attempt(struct sending *sending, uint64_t wait_ms)
{
    struct tt_call_handler handler = {on_head, on_data, on_done, sending};
    struct tt_call_request *request = &sending->http.request;
    uint64_t now = tt_clock_mono_ms();

    sending->attempts++;
    request->delay_ms = wait_ms;
    request->deadlines.total =
        sending->end_ms > now + wait_ms ? sending->end_ms - now - wait_ms : 1;
    sending->call =
        tt_call_start(sending->tide->chat.client, request, &handler, &sending->wait.err);
    if (sending->call)
        tt_call_on_header(sending->call, on_header);
}

/* No connection is no attempt at all; otherwise only what may be carried out twice is repeated. */
static bool may_repeat(const struct sending *sending, const struct tt_err *error, bool sent)
{
    int status = sending->status;

    if (sending->attempts > sending->retries || sending->too_large || sending->wait.err.status)
        return false;
    if (error)
        return (error->status == 502 || error->status == 504) && (sending->repeatable || !sent);
    return sending->repeatable &&
           (status == 429 || status == 502 || status == 503 || status == 504);
}

/* What the server asks for, or longer each time; a part is left to chance, so that many do not come
 * at one time. */
static uint64_t wait_before(const struct sending *sending)
{
    uint64_t wait = (uint64_t)RETRY_WAIT_MS << (sending->attempts - 1);
    uint16_t chance;

    tt_random_bytes(&chance, sizeof(chance));
    if (sending->retry_after_s >= 0)
        return (uint64_t)sending->retry_after_s * 1000 + chance % RETRY_WAIT_MS;
    return wait / 2 + chance % wait;
}

/* True when another attempt has begun. */
static bool repeat(struct sending *sending, const struct tt_err *error, bool sent)
{
    if (!may_repeat(sending, error, sent))
        return false;
    uint64_t wait = wait_before(sending);
    if (tt_clock_mono_ms() + wait + 1 >= sending->end_ms)
        return false;
    sending->tide->http_bytes -= sending->body.len;
    tt_buf_clear(&sending->body);
    tt_buf_clear(&sending->headers);
    sending->status = 0;
    sending->retry_after_s = -1;
    attempt(sending, wait);
    return sending->call != NULL;
}

static void keep(struct sending *sending)
{
    struct tt_tide_http_cached *cached = &sending->cached;

    if (cached->held && sending->status == 304)
        tt_tide_http_cache_put(
            sending->tide->shared, sending->key, cached->status, &cached->headers, cached->body,
            tt_tide_http_header(&sending->headers, "cache-control").data ? &sending->headers
                                                                         : &cached->headers);
    else
        tt_tide_http_cache_put(sending->tide->shared, sending->key, sending->status,
                               &sending->headers, tt_buf_str(&sending->body), &sending->headers);
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct sending *sending = arg;

    sending->call = NULL;
    if (repeat(sending, error, sent))
        return;
    if (!sending->wait.err.status)
        set_error(sending, error);
    if (sending->cache && !sending->wait.err.status)
        keep(sending);
    tt_wait_done(&sending->wait);
}

/* ---- results ---- */

static int push_cached(lua_State *L, const struct tt_tide_http_cached *cached, const char *how)
{
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, cached->status);
    lua_setfield(L, -2, "status");
    tt_tide_http_push_headers(L, &cached->headers);
    lua_setfield(L, -2, "headers");
    tt_task_push_taken(L, cached->body);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, how);
    lua_setfield(L, -2, "cached");
    return 1;
}

static int sending_push(struct tt_wait *wait, lua_State *L)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);

    if (sending->cached.held && sending->status == 304)
        return push_cached(L, &sending->cached, "confirmed");
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
    tt_tide_http_release(&sending->http);
    tt_tide_http_cached_free(&sending->cached);
    free(sending->url);
    tt_buf_free(&sending->headers);
    tt_buf_free(&sending->body);
}

/* ---- the request ---- */

/* What is asked of an answer that is kept: true when it is fresh, and nothing has to be sent. */
static bool look_into_cache(struct sending *sending)
{
    struct tt_tide_http_cached *cached = &sending->cached;

    tt_tide_http_cache_key(&sending->http, sending->key);
    if (!tt_tide_http_cache_get(sending->tide->shared, sending->key, cached)) {
        tt_tide_http_cached_free(cached);
        return false;
    }
    if (cached->fresh_until_ms > tt_clock_wall_us() / 1000)
        return true;
    struct tt_call_headers *asked = tt_tide_http_conditions(sending->http.prepared, cached);
    if (asked) {
        tt_call_headers_unref(sending->http.prepared);
        sending->http.prepared = sending->http.request.prepared = asked;
    } else {
        tt_tide_http_cached_free(cached);
    }
    return false;
}

static struct sending *sending_new(lua_State *L, const struct tt_tide_http *http)
{
    static const struct tt_wait_type type = {
        .push = sending_push, .close = sending_close, .on_left = sending_left};
    struct sending *sending = tt_wait_new(sizeof(*sending), &type);

    sending->tide = tt_tide_of(L);
    sending->http = *http;
    sending->url = tt_strndup(http->request.url, strlen(http->request.url));
    snprintf(sending->method, sizeof(sending->method), "%s", http->request.method);
    sending->http.request.url = sending->url;
    sending->http.request.method = sending->method;
    sending->retry_after_s = -1;
    sending->stop_without_clients = http->stop_without_clients;
    return sending;
}

/* A field that is true, false or absent. */
static bool read_flag(lua_State *L, const char *key)
{
    int type = lua_getfield(L, 1, key);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "http.request: '%s' is true or false", key);
    return flag;
}

static int http_request(lua_State *L)
{
    static const char *const more[] = {"retries", "retry_unsafe", "cache", NULL};
    struct tt_tide_http http = {.function = "http.request"};
    struct tt_err err = {0};

    tt_task_check_wait(L, http.function);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    int64_t time_ms = tt_tide_http_bounded(L, &http, "timeout_ms", TIMEOUT_MS, TIMEOUT_MAX_MS);
    int64_t max_bytes = tt_tide_http_bounded(L, &http, "max_bytes", BODY_BYTES, BODY_MAX_BYTES);
    int64_t retries = tt_value_field_int(L, 1, "retries", 0);
    if (retries < 0 || retries > RETRIES_MAX)
        return luaL_error(L, "http.request: 'retries' is 0 to %d", RETRIES_MAX);
    bool unsafe = read_flag(L, "retry_unsafe"), cache = read_flag(L, "cache");
    struct tt_str method = tt_value_field(L, 1, "method");
    bool gets = !method.data || tt_str_eq(method, TT_STR("GET"));
    if (cache && !gets)
        return luaL_error(L, "http.request: only a GET has a 'cache'");
    if (tt_tide_http_read(L, &http, more, &err) != 0)
        return tt_value_push_error(L, &err);

    struct sending *sending = sending_new(L, &http);
    sending->end_ms = tt_clock_mono_ms() + (uint64_t)time_ms;
    sending->retries = (int)retries;
    sending->repeatable =
        unsafe || gets || tt_str_eq(method, TT_STR("PUT")) || tt_str_eq(method, TT_STR("DELETE"));
    sending->body.max = (size_t)max_bytes;
    sending->cache = cache;
    if (cache && look_into_cache(sending)) {
        int count = push_cached(L, &sending->cached, "fresh");
        tt_wait_free(&sending->wait);
        return count;
    }
    attempt(sending, 0);
    return sending->call ? tt_task_yield(L, &sending->wait) : tt_wait_refuse(L, &sending->wait);
}

static const luaL_Reg functions[] = {
    {"request", http_request}, {"stream", tt_tide_http_stream}, {NULL, NULL}};

int tt_tide_http(lua_State *L)
{
    tt_tide_http_stream_setup(L);
    luaL_newlib(L, functions);
    return 1;
}
