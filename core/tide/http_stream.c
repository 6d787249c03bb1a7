/* http.stream: an answer piece by piece. What comes faster than the script reads is kept up to
 * HIGH_BYTES; then nothing more is read from the connection, so the other server has to wait. The
 * stream belongs to the outermost task of the one that opened it, and ends with it. */
#include "script/task.h"
#include "tide/http_parts.h"
#include "tide/modules.h"

#include <stdlib.h>

#define STREAM_META    "tide.HttpStream"
#define TIMEOUT_MS     30000
#define TIMEOUT_MAX_MS 600000
#define IDLE_MS        60000
#define TOTAL_MS       ((uint64_t)3600 * 1000)
#define BYTES          ((int64_t)64 << 20)
#define BYTES_MAX      ((int64_t)1 << 30)
#define HIGH_BYTES     ((size_t)64 << 10)
#define LOW_BYTES      ((size_t)16 << 10)

struct stream {
    struct tt_owned owned; /* by the task */
    int references;        /* the Lua value, and whoever waits */
    struct tt_tide *tide;
    struct tt_call *call; /* NULL once it is over */
    struct stream_wait *waiting;
    int status;
    int64_t retry_after_s; /* -1 = none */
    struct tt_buf headers;
    struct tt_buf bytes; /* that came and were not read; from `at` on */
    size_t at;
    uint64_t received, max_bytes;
    struct tt_err error; /* why it ended too early */
    bool stop_without_clients;
};

struct stream_wait {
    struct tt_wait wait;
    struct stream *stream; /* a reference */
    size_t max;            /* bytes of a read; 0 = waits for the head */
};

static size_t unread(const struct stream *stream)
{
    return stream->bytes.len - stream->at;
}

static void unref(struct stream *stream)
{
    if (--stream->references > 0)
        return;
    tt_buf_free(&stream->headers);
    tt_buf_free(&stream->bytes);
    free(stream);
}

static void drop_bytes(struct stream *stream)
{
    stream->tide->http_bytes -= unread(stream);
    tt_buf_free(&stream->bytes);
    stream->at = 0;
}

static void wake(struct stream *stream)
{
    struct stream_wait *waiting = stream->waiting;
    stream->waiting = NULL;
    if (waiting)
        tt_wait_done(&waiting->wait);
}

/* Ends the call and forgets what was not read; error NULL: the script has closed it. */
static void end(struct stream *stream, const struct tt_err *error)
{
    if (error && !stream->error.status)
        stream->error = *error;
    if (stream->call)
        tt_call_cancel(stream->call);
    stream->call = NULL;
    drop_bytes(stream);
    tt_task_disown(&stream->owned);
    wake(stream);
}

/* ---- from the client ---- */

static void on_head(void *arg, int status, struct tt_str content_type, int64_t retry_after_s)
{
    struct stream *stream = arg;
    (void)content_type;
    stream->status = status;
    stream->retry_after_s = retry_after_s;
    if (stream->waiting && stream->waiting->max == 0)
        wake(stream);
}

static int too_large(struct stream *stream)
{
    return tt_err_set(&stream->error, 502, "outbound_too_large", "more than %llu bytes came",
                      (unsigned long long)stream->max_bytes);
}

static int on_header(void *arg, struct tt_str name, struct tt_str value)
{
    struct stream *stream = arg;
    if (tt_tide_http_add_header(&stream->headers, name, value) != 0)
        return tt_err_set(&stream->error, 502, "outbound_too_large", "the headers are too long");
    return 0;
}

static int on_data(void *arg, struct tt_str bytes)
{
    struct stream *stream = arg;

    stream->received += bytes.len;
    if (stream->received > stream->max_bytes)
        return too_large(stream);
    if (bytes.len > TT_TIDE_HTTP_ALL_MAX - stream->tide->http_bytes)
        return tt_err_set(&stream->error, 503, "busy", "too much is being received already");
    if (tt_buf_append_str(&stream->bytes, bytes) != 0)
        return tt_err_set(&stream->error, 503, "no_memory", "no memory for what comes");
    stream->tide->http_bytes += bytes.len;
    if (unread(stream) >= HIGH_BYTES)
        tt_call_hold(stream->call, true);
    wake(stream);
    return 0;
}

static void on_done(void *arg, const struct tt_err *error, bool sent)
{
    struct stream *stream = arg;
    (void)sent;

    stream->call = NULL;
    if (error && !stream->error.status)
        tt_tide_http_error(error, &stream->error);
    wake(stream);
}

/* ---- for the task ---- */

static void owned_close(struct tt_owned *owned)
{
    end(TT_CONTAINER_OF(owned, struct stream, owned), NULL);
}

static void on_left(struct tt_owned *owned)
{
    struct stream *stream = TT_CONTAINER_OF(owned, struct stream, owned);
    if (!stream->stop_without_clients || !stream->call)
        return;
    tt_call_cancel(stream->call);
    stream->call = NULL;
    tt_tide_http_set_left(&stream->error);
    wake(stream);
}

static void wait_close(struct tt_wait *wait)
{
    struct stream_wait *waiting = TT_CONTAINER_OF(wait, struct stream_wait, wait);
    if (waiting->stream->waiting == waiting)
        waiting->stream->waiting = NULL;
    unref(waiting->stream);
}

/* ---- reading ---- */

/* What is there, at most `max` bytes; nil at the end, nil and an error when it broke off. */
static int push_piece(lua_State *L, struct stream *stream, size_t max)
{
    size_t len = unread(stream) < max ? unread(stream) : max;

    if (len == 0 && stream->error.status)
        return tt_value_push_error(L, &stream->error);
    if (len == 0) {
        lua_pushnil(L);
        return 1;
    }
    tt_task_push_taken(L, tt_str_of(stream->bytes.data + stream->at, len));
    stream->at += len;
    stream->tide->http_bytes -= len;
    /* Not each time, so that little is moved; but a reader that is slower than what comes never
     * reads all of it. */
    if (unread(stream) == 0 || stream->at >= HIGH_BYTES) {
        tt_buf_consume(&stream->bytes, stream->at);
        stream->at = 0;
    }
    if (stream->call && unread(stream) <= LOW_BYTES)
        tt_call_hold(stream->call, false);
    return 1;
}

static int wait_push(struct tt_wait *wait, lua_State *L)
{
    struct stream_wait *waiting = TT_CONTAINER_OF(wait, struct stream_wait, wait);
    struct stream *stream = waiting->stream;

    if (waiting->max > 0)
        return push_piece(L, stream, waiting->max);
    if (stream->status == 0 && stream->error.status)
        return tt_value_push_error(L, &stream->error);
    return 1; /* the stream, which is on the stack */
}

static struct stream_wait *wait_new(struct stream *stream, size_t max)
{
    static const struct tt_wait_type type = {.push = wait_push, .close = wait_close};
    struct stream_wait *waiting = tt_wait_new(sizeof(*waiting), &type);

    waiting->stream = stream;
    waiting->max = max;
    stream->references++;
    stream->waiting = waiting;
    return waiting;
}

static struct stream *check_stream(lua_State *L)
{
    struct stream **holder = luaL_checkudata(L, 1, STREAM_META);
    return *holder;
}

static int stream_read(lua_State *L)
{
    struct stream *stream = check_stream(L);
    int64_t max = luaL_optinteger(L, 2, (lua_Integer)HIGH_BYTES);

    tt_task_check_wait(L, "stream:read");
    luaL_argcheck(L, max >= 1, 2, "at least 1 byte");
    if (stream->waiting)
        return luaL_error(L, "stream:read: another task reads from this stream");
    if (unread(stream) > 0 || !stream->call)
        return push_piece(L, stream, (size_t)max);
    return tt_task_yield(L, &wait_new(stream, (size_t)max)->wait);
}

static int stream_status(lua_State *L)
{
    lua_pushinteger(L, check_stream(L)->status);
    return 1;
}

static int stream_headers(lua_State *L)
{
    tt_tide_http_push_headers(L, &check_stream(L)->headers);
    return 1;
}

static int stream_retry_after(lua_State *L)
{
    const struct stream *stream = check_stream(L);
    if (stream->retry_after_s < 0)
        return 0;
    lua_pushinteger(L, stream->retry_after_s);
    return 1;
}

static int stream_close(lua_State *L)
{
    struct stream **holder = luaL_checkudata(L, 1, STREAM_META);
    if (*holder)
        end(*holder, NULL);
    return 0;
}

static int stream_gc(lua_State *L)
{
    struct stream **holder = luaL_checkudata(L, 1, STREAM_META);
    if (*holder) {
        end(*holder, NULL);
        unref(*holder);
    }
    *holder = NULL;
    return 0;
}

/* ---- opening ---- */

static int start(lua_State *L, struct stream *stream, struct tt_tide_http *http)
{
    struct tt_call_handler handler = {on_head, on_data, on_done, stream};

    stream->call =
        tt_call_start(stream->tide->chat.client, &http->request, &handler, &stream->error);
    tt_tide_http_release(http);
    if (!stream->call)
        return tt_value_push_error(L, &stream->error);
    tt_call_on_header(stream->call, on_header);
    tt_call_tell_head_early(stream->call);
    struct stream_wait *waiting = wait_new(stream, 0);
    waiting->wait.arguments = lua_gettop(L);
    return tt_task_yield(L, &waiting->wait);
}

int tt_tide_http_stream(lua_State *L)
{
    static const char *const more[] = {"idle_ms", NULL};
    struct tt_tide_http http = {.function = "http.stream"};
    struct tt_deadlines *deadlines = &http.request.deadlines;
    struct tt_err err = {0};

    tt_task_check_wait(L, http.function);
    luaL_checktype(L, 1, LUA_TTABLE);
    deadlines->first_byte =
        (uint64_t)tt_tide_http_bounded(L, &http, "timeout_ms", TIMEOUT_MS, TIMEOUT_MAX_MS);
    deadlines->between =
        (uint64_t)tt_tide_http_bounded(L, &http, "idle_ms", IDLE_MS, TIMEOUT_MAX_MS);
    deadlines->total = TOTAL_MS;
    int64_t max_bytes = tt_tide_http_bounded(L, &http, "max_bytes", BYTES, BYTES_MAX);
    lua_settop(L, 1);
    struct stream **holder = lua_newuserdatauv(L, sizeof(*holder), 0);
    *holder = NULL;
    luaL_setmetatable(L, STREAM_META);
    if (tt_tide_http_read(L, &http, more, &err) != 0)
        return tt_value_push_error(L, &err);
    struct stream *stream = TT_NEW(struct stream);
    stream->references = 1;
    stream->tide = tt_tide_of(L);
    stream->retry_after_s = -1;
    stream->max_bytes = (uint64_t)max_bytes;
    stream->stop_without_clients = http.stop_without_clients;
    stream->owned.close = owned_close;
    stream->owned.on_left = on_left;
    *holder = stream;
    lua_settop(L, 2);
    tt_task_own(tt_task_root(tt_task_check(L, "http.stream")), &stream->owned);
    return start(L, stream, &http);
}

void tt_tide_http_stream_setup(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"read", stream_read},       {"status", stream_status},
        {"headers", stream_headers}, {"retry_after", stream_retry_after},
        {"close", stream_close},     {NULL, NULL}};
    tt_value_new_class(L, STREAM_META, methods, stream_gc);
    luaL_getmetatable(L, STREAM_META);
    lua_pushcfunction(L, stream_close);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 1);
}
