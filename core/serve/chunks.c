/* The pace comes from the stream: on_flush is called when everything before has left, and lets the
 * waiting write return; what it wrote is sent right after that. Between the task, the stream and a
 * `write` that a script kept stands tt_chunks, which Lua owns (write's upvalue). */
#include "serve/chunks.h"

#include "base/log.h"
#include "script/value.h"

struct tt_chunks {
    struct tt_request *request; /* NULL: the answer has ended */
    struct tt_wait *wait;       /* of the write that waits */
};

static void write_close(struct tt_wait *wait);

struct write {
    struct tt_wait wait;
    struct tt_chunks *chunks;
};

static void on_flush(struct tt_http_stream *stream, void *arg)
{
    struct tt_request *request = arg;
    struct tt_wait *wait = request->chunks ? request->chunks->wait : NULL;
    (void)stream;

    if (!wait)
        return;
    request->chunks->wait = NULL;
    tt_wait_done(wait);
}

static void write_close(struct tt_wait *wait)
{
    struct write *write = TT_CONTAINER_OF(wait, struct write, wait);
    if (!wait->done)
        write->chunks->wait = NULL;
}

static int write_piece(lua_State *L)
{
    static const struct tt_wait_type type = {.close = write_close};
    struct tt_chunks *chunks = lua_touserdata(L, lua_upvalueindex(1));
    struct tt_str bytes;

    tt_task_check_wait(L, "write");
    bytes.data = luaL_checklstring(L, 1, &bytes.len);
    if (!chunks->request)
        luaL_error(L, "write: the answer has ended");
    if (chunks->wait)
        luaL_error(L, "write: another task is writing to this answer");
    if (tt_buf_append_str(tt_http_stream_out(chunks->request->stream), bytes) != 0)
        luaL_error(L, "write: the piece is too large");
    tt_http_stream_wake(chunks->request->stream);
    struct write *write = tt_wait_new(sizeof(*write), &type);
    write->chunks = chunks;
    chunks->wait = &write->wait;
    return tt_task_yield(L, &write->wait);
}

bool tt_chunks_open(struct tt_request *request, int status)
{
    bool head = tt_str_eq(tt_http_method(request->exchange), TT_STR("HEAD"));

    request->status = status;
    if (request->gone) {
        tt_http_reply(request->exchange, status, NULL);
        return false;
    }
    tt_http_may_send(request->exchange, request->user_id, 0, NULL);
    request->stream = tt_http_stream_open(request->exchange, status, on_flush, request);
    if (!head)
        return request->stream != NULL;
    request->stream = NULL; /* ends by itself */
    return false;
}

/* 1 = what write needs, 2 and 3 = what the function returned. */
static int after_function(lua_State *L, int status, lua_KContext context)
{
    struct tt_request *request = (struct tt_request *)context;
    (void)status;

    if (!lua_toboolean(L, -2) && lua_type(L, -1) == LUA_TTABLE) {
        struct tt_str code = tt_value_field(L, lua_gettop(L), "code");
        snprintf(request->code, sizeof(request->code), "%s", code.data ? code.data : "");
        tt_log(TT_LOG_WARN, "an answer was broken off",
               TT_F_STR("request_id", tt_http_request_id(request->exchange)),
               TT_F_Z("code", request->code));
        tt_chunks_fail(request);
        return 0;
    }
    request->chunks->request = NULL;
    request->chunks = NULL;
    tt_http_stream_end(request->stream);
    return 0;
}

int tt_chunks_run(lua_State *L, struct tt_request *request)
{
    luaL_checkstack(L, 8, "chunks");
    struct tt_chunks *chunks = lua_newuserdatauv(L, sizeof(*chunks), 0);

    *chunks = (struct tt_chunks){.request = request};
    request->chunks = chunks;
    lua_insert(L, 1); /* as long as the function runs, whatever becomes of write */
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, write_piece, 1);
    lua_callk(L, 1, 2, (lua_KContext)request, after_function);
    return after_function(L, LUA_OK, (lua_KContext)request);
}

void tt_chunks_close(struct tt_request *request)
{
    if (!request->chunks)
        return;
    request->chunks->request = NULL;
    request->chunks = NULL;
}

void tt_chunks_fail(struct tt_request *request)
{
    if (!request->chunks)
        return;
    tt_chunks_close(request);
    tt_http_stream_cut(request->stream);
}

void tt_chunks_abandon(struct tt_request *request)
{
    if (!request->chunks)
        return;
    tt_chunks_close(request);
    tt_task_cancel(request->task);
    tt_http_stream_end(request->stream);
}
