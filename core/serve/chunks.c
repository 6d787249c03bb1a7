/* The pace comes from the stream: on_flush is called when everything before has left, and lets the
 * waiting writes return; what they wrote is sent right after that. Between the tasks, the stream
 * and a `write` that a script kept stands tt_chunks, which Lua owns (write's upvalue). */
#include "serve/chunks.h"

#include "base/log.h"
#include "script/value.h"
#include "serve/response_error.h"

struct tt_chunks {
    struct tt_request *request; /* NULL: the answer has ended */
    struct tt_list waiting;     /* writes: tasks within the request's may write too */
};

struct write {
    struct tt_wait wait;
    struct tt_list node;
    struct tt_chunks *chunks;
};

static void on_flush(struct tt_http_stream *stream, void *arg)
{
    struct tt_request *request = arg;
    struct tt_list *node;
    (void)stream;

    while (request->chunks && (node = tt_list_pop_front(&request->chunks->waiting)))
        tt_wait_done(&tt_list_entry(node, struct write, node)->wait);
}

static void write_close(struct tt_wait *wait)
{
    tt_list_remove(&TT_CONTAINER_OF(wait, struct write, wait)->node);
}

static int write_push(struct tt_wait *wait, lua_State *L)
{
    struct tt_request *request = TT_CONTAINER_OF(wait, struct write, wait)->chunks->request;

    return request && request->chunks_type->push ? request->chunks_type->push(L, request) : 0;
}

int tt_chunks_write(lua_State *L, const char *name, struct tt_str bytes)
{
    static const struct tt_wait_type type = {.push = write_push, .close = write_close};
    struct tt_chunks *chunks = lua_touserdata(L, lua_upvalueindex(1));

    tt_task_check_wait(L, name);
    if (!chunks->request)
        luaL_error(L, "%s: the answer has ended", name);
    if (tt_buf_append_str(tt_http_stream_out(chunks->request->stream), bytes) != 0)
        luaL_error(L, "%s: the piece is too large", name);
    tt_http_stream_wake(chunks->request->stream);
    struct write *write = tt_wait_new(sizeof(*write), &type);
    write->chunks = chunks;
    tt_list_push_back(&chunks->waiting, &write->node);
    return tt_task_yield(L, &write->wait);
}

bool tt_chunks_open(struct tt_request *request, int status, const struct tt_chunks_type *type)
{
    bool head = tt_str_eq(tt_http_method(request->exchange), TT_STR("HEAD"));

    request->status = status;
    request->chunks_type = type;
    if (request->gone) {
        tt_http_reply(request->exchange, status, NULL);
        return false;
    }
    tt_http_may_send(request->exchange, request->user_id, 0, NULL);
    tt_http_stream_keep_headers(request->exchange); /* the function may ask for them */
    request->stream = tt_http_stream_open(request->exchange, status, on_flush, request);
    if (!head)
        return request->stream != NULL;
    request->stream = NULL; /* ends by itself */
    return false;
}

/* What the function returned is on top: nil and an error, or anything. */
static int after_function(lua_State *L, int status, lua_KContext context)
{
    struct tt_request *request = (struct tt_request *)context;
    struct tt_request_error error = {0};
    (void)status;

    if (!lua_toboolean(L, -2) && lua_type(L, -1) == LUA_TTABLE) {
        tt_response_error_read(L, request, lua_gettop(L), &error);
        tt_log(TT_LOG_WARN, "an answer was broken off",
               TT_F_STR("request_id", tt_http_request_id(request->exchange)),
               TT_F_Z("code", error.code));
        tt_chunks_fail(request, &error);
        return 0;
    }
    tt_chunks_close(request);
    tt_http_stream_end(request->stream);
    return 0;
}

int tt_chunks_run(lua_State *L, struct tt_request *request)
{
    luaL_checkstack(L, 8, "chunks");
    struct tt_chunks *chunks = lua_newuserdatauv(L, sizeof(*chunks), 0);

    *chunks = (struct tt_chunks){.request = request};
    tt_list_init(&chunks->waiting);
    request->chunks = chunks;
    lua_insert(L, 1); /* as long as the function runs, whatever becomes of write */
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, request->chunks_type->write, 1);
    if (request->chunks_type->begin)
        request->chunks_type->begin(request);
    lua_callk(L, 1, 2, (lua_KContext)request, after_function);
    return after_function(L, LUA_OK, (lua_KContext)request);
}

void tt_chunks_close(struct tt_request *request)
{
    if (!request->chunks)
        return;
    if (request->chunks_type->close)
        request->chunks_type->close(request);
    request->chunks->request = NULL;
    request->chunks = NULL;
}

void tt_chunks_fail(struct tt_request *request, const struct tt_request_error *error)
{
    if (!request->chunks)
        return;
    tt_chunks_close(request);
    request->chunks_type->fail(request, error);
}

void tt_chunks_abandon(struct tt_request *request)
{
    if (!request->chunks)
        return;
    tt_chunks_close(request);
    tt_task_cancel(request->task);
    tt_http_stream_end(request->stream);
}

/* ---- plain bytes ---- */

static int write_bytes(lua_State *L)
{
    struct tt_str bytes;

    bytes.data = luaL_checklstring(L, 1, &bytes.len);
    return tt_chunks_write(L, "write", bytes);
}

static void cut(struct tt_request *request, const struct tt_request_error *error)
{
    snprintf(request->code, sizeof(request->code), "%s", error->code);
    tt_http_stream_cut(request->stream);
}

const struct tt_chunks_type tt_chunks_plain = {.write = write_bytes, .fail = cut};
