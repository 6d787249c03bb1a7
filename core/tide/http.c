/* tide.http: a script's own requests to other servers. Like everything that leaves the server, they
 * go through the worker's client and the address policy. They do not follow redirects (the script
 * requests each address itself, and each is checked), and end with their task; with disconnect =
 * "cancel" also when the task's client leaves. Neither the bytes from an upstream nor the headers
 * sent to it are ever logged: they may hold keys. */
#include "script/task.h"
#include "script/value.h"
#include "tide/llm_start.h"
#include "tide/modules.h"

#define TIMEOUT_MS     30000
#define TIMEOUT_MAX_MS 600000
#define BODY_BYTES     ((lua_Integer)1 << 20)
#define BODY_MAX_BYTES ((lua_Integer)16 << 20)
#define HEAD_MAX_BYTES (64 << 10)
#define ALL_MAX_BYTES  ((size_t)64 << 20) /* of all responses that a worker receives at one time */

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
    struct tt_buf *out = &sending->headers;
    size_t begin = out->len;

    if (tt_buf_append_str(out, name) != 0 || tt_buf_putc(out, 0) != 0 ||
        tt_buf_append_str(out, value) != 0 || tt_buf_putc(out, 0) != 0) {
        sending->too_large = true;
        return -1;
    }
    for (size_t i = begin; i < begin + name.len; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (char)(out->data[i] + ('a' - 'A'));
    return 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct sending *sending = arg;
    struct tt_tide *tide = sending->tide;

    if (bytes.len > ALL_MAX_BYTES - tide->http_bytes)
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

/* The client's codes are about a model's provider; these say the same about any server. */
static void set_error(struct sending *sending, const struct tt_err *error)
{
    if (sending->too_large)
        tt_err_set(&sending->wait.err, 502, "outbound_too_large", "more than %zu bytes came",
                   sending->body.max);
    else if (error && (error->status == 502 || error->status == 504))
        tt_err_set(&sending->wait.err, error->status,
                   error->status == 504 ? "outbound_timeout" : "outbound_failed", "%s: %s",
                   error->code, error->message);
    else if (error)
        sending->wait.err = *error;
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

/* Headers with the same name are joined (RFC 9110, 5.3), except for cookies, which contain commas:
 * one line each. */
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
    push_headers(L, &sending->headers);
    lua_setfield(L, -2, "headers");
    tt_task_push_taken(L, tt_buf_str(&sending->body));
    lua_setfield(L, -2, "body");
    return 1;
}

static int set_left(struct tt_err *err)
{
    return tt_err_set(err, 499, "client_gone", "the client that the request was for has left");
}

static void sending_left(struct tt_wait *wait)
{
    struct sending *sending = TT_CONTAINER_OF(wait, struct sending, wait);
    if (!sending->stop_without_clients || !sending->call)
        return;
    tt_call_cancel(sending->call);
    sending->call = NULL;
    set_left(&sending->wait.err);
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

/* A misspelt field would silently mean the default. */
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
        .push = sending_push, .close = sending_close, .on_left = sending_left};
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

    struct sending *sending = tt_wait_new(sizeof(*sending), &type);
    sending->tide = tt_tide_of(L);
    sending->retry_after_s = -1;
    sending->stop_without_clients = stop_without_clients;
    sending->headers.max = HEAD_MAX_BYTES;
    sending->body.max = (size_t)max_bytes;
    struct tt_buf text = {0};
    tt_buf_append_str(&text, body);
    request.body = tt_call_body_new(&text);
    struct tt_call_handler handler = {on_head, on_data, on_done, sending};
    sending->call =
        tt_call_start(tt_tide_of(L)->chat.client, &request, &handler, &sending->wait.err);
    tt_call_body_unref(request.body);
    tt_tide_llm_wipe_headers(headers, request.header_count);
    if (sending->call) {
        tt_call_on_header(sending->call, on_header);
        return tt_task_yield(L, &sending->wait);
    }
    return tt_wait_refuse(L, &sending->wait);
}

static const luaL_Reg functions[] = {{"request", http_request}, {NULL, NULL}};

int tt_tide_http(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
