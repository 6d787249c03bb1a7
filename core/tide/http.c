/* tide.http: a script's own requests to other servers. They go through the worker's client and the
 * address policy like everything that leaves, follow no redirects (each address is asked for by the
 * script, and checked), and end with their task; with disconnect = "cancel" also when the task's
 * client leaves. What an upstream sends is never logged, and neither are the headers that were
 * sent: they may hold keys. */
#include "script/task.h"
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#include <stdlib.h>

#define TIMEOUT_MS     30000
#define TIMEOUT_MAX_MS 600000
#define BODY_BYTES     ((lua_Integer)1 << 20)
#define BODY_MAX_BYTES ((lua_Integer)16 << 20)
#define HEAD_MAX_BYTES (64 << 10)
#define ALL_MAX_BYTES  ((size_t)64 << 20) /* of all that a worker receives at a time */

struct asking {
    struct tt_wait wait;
    struct tt_tide *tide;
    struct tt_call *call; /* NULL once it is over */
    int status;
    int64_t retry_after_s; /* -1 = not told */
    struct tt_buf headers; /* name NUL value NUL …, names in small letters */
    struct tt_buf body;
    bool too_large, stop_without_clients;
};

/* ---- the answer ---- */

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    struct asking *asking = arg;
    (void)content_type;
    asking->status = status;
    asking->retry_after_s = retry_after_s;
}

static int on_header(void *arg, struct tt_str name, struct tt_str value)
{
    struct asking *asking = arg;
    struct tt_buf *out = &asking->headers;
    size_t begin = out->len;

    if (tt_buf_append_str(out, name) != 0 || tt_buf_putc(out, 0) != 0 ||
        tt_buf_append_str(out, value) != 0 || tt_buf_putc(out, 0) != 0) {
        asking->too_large = true;
        return -1;
    }
    for (size_t i = begin; i < begin + name.len; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (char)(out->data[i] + ('a' - 'A'));
    return 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct asking *asking = arg;
    struct tt_tide *tide = asking->tide;

    if (bytes.len > ALL_MAX_BYTES - tide->http_bytes)
        return tt_err_set(&asking->wait.err, 503, "busy", "too much is being received already");
    asking->too_large = tt_buf_append_str(&asking->body, bytes) != 0;
    if (asking->too_large)
        return -1;
    tide->http_bytes += bytes.len;
    return 0;
}

/* The client's codes are about a model's provider; these say the same of any server. */
static void set_error(struct asking *asking, const struct tt_err *error)
{
    if (asking->too_large)
        tt_err_set(&asking->wait.err, 502, "outbound_too_large", "more than %zu bytes came",
                   asking->body.max);
    else if (error && (error->status == 502 || error->status == 504))
        tt_err_set(&asking->wait.err, error->status,
                   error->status == 504 ? "outbound_timeout" : "outbound_failed", "%s: %s",
                   error->code, error->message);
    else if (error)
        asking->wait.err = *error;
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct asking *asking = arg;
    (void)sent;

    asking->call = NULL;
    if (!asking->wait.err.status)
        set_error(asking, error);
    tt_wait_done(&asking->wait);
}

/* Headers of one name are one line (RFC 9110, 5.3), except for cookies, which hold commas: a line
 * each. */
static void push_headers(lua_State *L, const struct tt_buf *headers)
{
    const char *at = headers->data, *end = headers->data + headers->len;

    lua_newtable(L);
    while (at < end) {
        const char *name = at, *value = name + strlen(name) + 1;
        at = value + strlen(value) + 1;
        if (lua_getfield(L, -1, name) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushstring(L, value);
        } else {
            lua_pushstring(L, strcmp(name, "set-cookie") == 0 ? "\n" : ", ");
            lua_pushstring(L, value);
            lua_concat(L, 3);
        }
        lua_setfield(L, -2, name);
    }
}

static int asking_push(struct tt_wait *wait, lua_State *L)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);

    lua_createtable(L, 0, 4);
    lua_pushinteger(L, asking->status);
    lua_setfield(L, -2, "status");
    if (asking->retry_after_s >= 0) {
        lua_pushinteger(L, asking->retry_after_s);
        lua_setfield(L, -2, "retry_after");
    }
    push_headers(L, &asking->headers);
    lua_setfield(L, -2, "headers");
    tt_task_push_taken(L, tt_buf_str(&asking->body));
    lua_setfield(L, -2, "body");
    return 1;
}

static int set_left(struct tt_err *err)
{
    return tt_err_set(err, 499, "client_gone", "the client that the request was for has left");
}

static void asking_left(struct tt_wait *wait)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);
    if (!asking->stop_without_clients || !asking->call)
        return;
    tt_call_cancel(asking->call);
    asking->call = NULL;
    set_left(&asking->wait.err);
    tt_wait_done(wait);
}

static void asking_close(struct tt_wait *wait)
{
    struct asking *asking = TT_CONTAINER_OF(wait, struct asking, wait);
    if (asking->call)
        tt_call_cancel(asking->call);
    asking->tide->http_bytes -= asking->body.len;
    tt_buf_free(&asking->headers);
    tt_buf_free(&asking->body);
}

/* ---- the request ---- */

/* A misspelt field would silently be a default. */
static void check_fields(lua_State *L)
{
    static const char *const known[] = {"method",     "url",       "headers",   "body",
                                        "timeout_ms", "max_bytes", "disconnect"};
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        bool found = false;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        for (size_t i = 0; i < TT_COUNT(known); i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            luaL_error(L, "http.request: there is no field '%s'", key);
        lua_pop(L, 1);
    }
}

static lua_Integer read_bounded(lua_State *L, const char *key, lua_Integer fallback,
                                lua_Integer max)
{
    lua_Integer value = tt_value_field_int(L, 1, key, fallback);
    if (value < 1 || value > max)
        luaL_error(L, "http.request: '%s' is 1 to %I", key, (LUAI_UACINT)max);
    return value;
}

static void read_method(lua_State *L, struct tt_call_request *request, bool has_body)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct tt_str method = tt_value_field(L, 1, "method");

    request->method = method.data ? method.data : "GET";
    for (size_t i = 0; i < TT_COUNT(known); i++) {
        if (strcmp(request->method, known[i]) != 0)
            continue;
        if (i == 0 && has_body)
            luaL_error(L, "http.request: a GET has no body");
        return;
    }
    luaL_error(L, "http.request: 'method' is GET, POST, PUT, PATCH or DELETE");
}

static void read_deadlines(lua_State *L, struct tt_call_request *request)
{
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_tide_setting connect = {0};

    request->deadlines.total = (uint64_t)read_bounded(L, "timeout_ms", TIMEOUT_MS, TIMEOUT_MAX_MS);
    tide->setting("upstream.connect_timeout", &connect, tide->setting_arg);
    request->deadlines.connect = (uint64_t)connect.integer;
}

static int http_request(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = asking_push, .close = asking_close, .on_left = asking_left};
    struct tt_call_request request = {0};

    struct tt_task *task = tt_task_check_wait(L, "http.request");
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    check_fields(L);
    struct tt_str body = tt_value_field(L, 1, "body");
    read_method(L, &request, body.data != NULL);
    request.url = tt_value_field(L, 1, "url").data;
    if (!request.url)
        return luaL_error(L, "http.request: needs 'url'");
    request.owner = tt_task_owner(L);
    read_deadlines(L, &request);
    lua_getfield(L, 1, "disconnect");
    bool stop_without_clients = tt_tide_llm_read_disconnect(L, -1);
    if (stop_without_clients && !tt_task_has_client(task)) {
        struct tt_err err = {0};
        set_left(&err);
        return tt_value_push_error(L, &err);
    }
    lua_Integer max_bytes = read_bounded(L, "max_bytes", BODY_BYTES, BODY_MAX_BYTES);
    struct tt_arena *arena = tt_value_push_arena(L);
    struct tt_str *headers = tt_arena_alloc(arena, TT_TIDE_LLM_HEADERS_MAX * sizeof(struct tt_str));
    request.headers = headers;
    request.header_count = tt_tide_llm_read_headers(L, 1, arena, headers, NULL);

    struct asking *asking = tt_wait_new(sizeof(*asking), &type);
    asking->tide = tt_tide_of(L);
    asking->retry_after_s = -1;
    asking->stop_without_clients = stop_without_clients;
    asking->headers.max = HEAD_MAX_BYTES;
    asking->body.max = (size_t)max_bytes;
    tt_buf_append_str(&request.body, body);
    struct tt_call_handler handler = {on_head, on_data, on_done, asking};
    asking->call = tt_call_start(tt_tide_of(L)->chat.client, &request, &handler, &asking->wait.err);
    tt_tide_llm_wipe_headers(headers, request.header_count);
    if (asking->call) {
        tt_call_on_header(asking->call, on_header);
        return tt_task_yield(L, &asking->wait);
    }
    tt_buf_free(&request.body);
    return tt_wait_refuse(L, &asking->wait);
}

static const luaL_Reg functions[] = {{"request", http_request}, {NULL, NULL}};

int tt_tide_http(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
