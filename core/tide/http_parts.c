/* See http_parts.h. */
#include "tide/http_parts.h"

#include "script/task.h"
#include "tide/llm_start.h"

#define HEAD_MAX_BYTES (64 << 10)

/* ---- the request ---- */

static bool is_among(const char *const *names, const char *key)
{
    for (; *names; names++)
        if (strcmp(*names, key) == 0)
            return true;
    return false;
}

/* A misspelt field would silently mean the default. */
static void check_fields(lua_State *L, const char *function, const char *const *more)
{
    static const char *const known[] = {"method",     "url",       "headers",    "body",
                                        "timeout_ms", "max_bytes", "disconnect", NULL};
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (!is_among(known, key) && !is_among(more, key))
            luaL_error(L, "%s: there is no field '%s'", function, key);
        lua_pop(L, 1);
    }
}

int64_t tt_tide_http_bounded(lua_State *L, const struct tt_tide_http *http, const char *key,
                             int64_t fallback, int64_t max)
{
    int64_t value = tt_value_field_int(L, 1, key, fallback);
    if (value < 1 || value > max)
        luaL_error(L, "%s: '%s' is 1 to %I", http->function, key, (LUAI_UACINT)max);
    return value;
}

static void read_method(lua_State *L, struct tt_tide_http *http, bool has_body)
{
    static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
    struct tt_str method = tt_value_field(L, 1, "method");

    http->request.method = method.data ? method.data : "GET";
    if (!is_among(known, http->request.method))
        luaL_error(L, "%s: 'method' is GET, POST, PUT, PATCH or DELETE", http->function);
    if (has_body && strcmp(http->request.method, "GET") == 0)
        luaL_error(L, "%s: a GET has no body", http->function);
}

int tt_tide_http_set_left(struct tt_err *err)
{
    return tt_err_set(err, 499, "client_gone", "the client that the request was for has left");
}

static int prepare_headers(lua_State *L, struct tt_tide_http *http, struct tt_err *err)
{
    struct tt_arena *arena = tt_value_push_arena(L);
    struct tt_str *lines = tt_arena_alloc(arena, TT_TIDE_LLM_HEADERS_MAX * sizeof(struct tt_str));
    size_t count = tt_tide_llm_read_headers(L, 1, arena, lines, NULL);

    http->prepared = tt_call_headers_new(lines, count, err);
    tt_tide_llm_wipe_headers(lines, count);
    http->request.prepared = http->prepared;
    return http->prepared ? 0 : -1;
}

int tt_tide_http_read(lua_State *L, struct tt_tide_http *http, const char *const *more,
                      struct tt_err *err)
{
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_tide_setting connect = {0};
    struct tt_buf text = {0};

    check_fields(L, http->function, more);
    struct tt_str body = tt_value_field(L, 1, "body");
    read_method(L, http, body.data != NULL);
    http->request.url = tt_value_field(L, 1, "url").data;
    if (!http->request.url)
        luaL_error(L, "%s: needs 'url'", http->function);
    http->request.owner = tt_task_owner(L);
    tide->setting("upstream.connect_timeout", &connect, tide->setting_arg);
    http->request.deadlines.connect = (uint64_t)connect.integer;
    lua_getfield(L, 1, "disconnect");
    http->stop_without_clients = tt_tide_llm_read_disconnect(L, -1);
    if (http->stop_without_clients && !tt_task_has_client(tt_task_check(L, http->function)))
        return tt_tide_http_set_left(err);
    if (prepare_headers(L, http, err) != 0)
        return -1;
    tt_buf_append_str(&text, body);
    http->body = http->request.body = tt_call_body_new(&text);
    return 0;
}

void tt_tide_http_release(struct tt_tide_http *http)
{
    tt_call_headers_unref(http->prepared);
    tt_call_body_unref(http->body);
    http->prepared = NULL;
    http->body = NULL;
}

/* ---- the answer ---- */

int tt_tide_http_add_header(struct tt_buf *headers, struct tt_str name, struct tt_str value)
{
    size_t begin = headers->len;

    headers->max = HEAD_MAX_BYTES;
    if (tt_buf_append_str(headers, name) != 0 || tt_buf_putc(headers, 0) != 0 ||
        tt_buf_append_str(headers, value) != 0 || tt_buf_putc(headers, 0) != 0)
        return -1;
    for (size_t i = begin; i < begin + name.len; i++)
        if (headers->data[i] >= 'A' && headers->data[i] <= 'Z')
            headers->data[i] = (char)(headers->data[i] + ('a' - 'A'));
    return 0;
}

/* Headers with the same name are joined (RFC 9110, 5.3), except for cookies, which contain commas:
 * one line each. */
void tt_tide_http_push_headers(lua_State *L, const struct tt_buf *headers)
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

struct tt_str tt_tide_http_header(const struct tt_buf *headers, const char *name)
{
    const char *at = headers->data, *end = headers->data + headers->len;

    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return tt_str_from(value);
        at = value + strlen(value) + 1;
    }
    return (struct tt_str){NULL, 0};
}

void tt_tide_http_error(const struct tt_err *error, struct tt_err *out)
{
    if (error->status == 502 || error->status == 504)
        tt_err_set(out, error->status,
                   error->status == 504 ? "outbound_timeout" : "outbound_failed", "%s: %s",
                   error->code, error->message);
    else
        *out = *error;
}
