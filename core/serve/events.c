/* An event is checked and written as a whole before anything of it is sent: whatever is wrong with
 * it raises in the script, and no text of a user can begin a field or an event of its own. */
#include "serve/events.h"

#include "base/utf8.h"
#include "http/event_stream.h"
#include "script/value.h"

#define OLD_MS 60000 /* that a stream of old scripts may take to end */

struct tt_events {
    struct tt_list node; /* of the dispatcher */
    struct tt_request *request;
    struct tt_http_keep_alive keep_alive;
    struct tt_timer deadline; /* runs once it was asked */
    bool asked;
};

/* ---- one event ---- */

static void check_text(lua_State *L, const char *field, struct tt_str text)
{
    if (!tt_utf8_valid(text))
        luaL_error(L, "send: '%s' is not valid UTF-8", field);
}

/* A field of one line. */
static void put_line(lua_State *L, struct tt_buf *out, const char *field, struct tt_str text)
{
    check_text(L, field, text);
    if (memchr(text.data, '\n', text.len) || memchr(text.data, '\r', text.len) ||
        memchr(text.data, '\0', text.len))
        luaL_error(L, "send: '%s' has a line break or a NUL; it is one line", field);
    tt_buf_printf(out, "%s: ", field);
    tt_buf_append_str(out, text);
    tt_buf_putc(out, '\n');
}

/* A field for each line; all three kinds of line ends separate them. */
static void put_lines(struct tt_buf *out, const char *field, struct tt_str text)
{
    const char *end = text.data + text.len;

    for (const char *p = text.data;; p++) {
        const char *from = p;
        while (p < end && *p != '\n' && *p != '\r')
            p++;
        tt_buf_printf(out, "%s: ", field);
        tt_buf_append(out, from, (size_t)(p - from));
        tt_buf_putc(out, '\n');
        if (p == end)
            return;
        if (*p == '\r' && p + 1 < end && p[1] == '\n')
            p++;
    }
}

static void put_retry(lua_State *L, struct tt_buf *out)
{
    lua_Integer ms = lua_tointeger(L, -1);

    if (!lua_isinteger(L, -1) || ms < 0)
        luaL_error(L, "send: 'retry' must be milliseconds, an integer that is not negative");
    tt_buf_printf(out, "retry: %lld\n", (long long)ms);
}

static void put_json(lua_State *L, struct tt_buf *out)
{
    size_t from = out->len;

    tt_buf_append_z(out, "data: ");
    tt_value_encode(L, lua_gettop(L), out);
    tt_json_one_line(out, from); /* a tide.Raw has those of its text */
    tt_buf_putc(out, '\n');
}

/* Appends the field on top of the stack. */
static void put_field(lua_State *L, struct tt_buf *out, const char *field)
{
    struct tt_str text;

    if (strcmp(field, "retry") == 0) {
        put_retry(L, out);
        return;
    }
    if (strcmp(field, "json") == 0) {
        put_json(L, out);
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "send: '%s' must be a text, not a %s", field, luaL_typename(L, -1));
    text.data = lua_tolstring(L, -1, &text.len);
    if (strcmp(field, "data") != 0 && strcmp(field, "comment") != 0) {
        put_line(L, out, field, text);
        return;
    }
    check_text(L, field, text);
    put_lines(out, strcmp(field, "data") == 0 ? field : "", text);
}

static const char *const fields[] = {"comment", "id", "event", "retry", "data", "json"};

static void check_names(lua_State *L, int event)
{
    for (lua_pushnil(L); lua_next(L, event); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        bool known = false;
        for (size_t i = 0; i < TT_COUNT(fields); i++)
            known = known || strcmp(fields[i], name) == 0;
        if (!known)
            luaL_error(L,
                       "send: an event has no field '%s'; there are data, json, event, id, "
                       "retry and comment",
                       name);
    }
}

static int send_event(lua_State *L)
{
    struct tt_buf *out;

    lua_settop(L, 1);
    if (lua_isstring(L, 1)) {
        out = tt_value_scratch(L);
        put_field(L, out, "data");
    } else {
        luaL_checktype(L, 1, LUA_TTABLE);
        check_names(L, 1);
        out = tt_value_scratch(L);
        for (size_t i = 0; i < TT_COUNT(fields); i++) {
            lua_pushstring(L, fields[i]);
            if (lua_rawget(L, 1) != LUA_TNIL)
                put_field(L, out, fields[i]);
            lua_pop(L, 1);
        }
        if (out->len == 0)
            luaL_error(L, "send: the event is empty");
    }
    tt_buf_putc(out, '\n');
    return tt_chunks_write(L, "send", tt_buf_str(out));
}

static int push_goes_on(lua_State *L, struct tt_request *request)
{
    tt_http_keep_alive_note(&request->events->keep_alive);
    lua_pushboolean(L, !request->events->asked);
    return 1;
}

/* ---- the stream ---- */

static void on_silent(struct tt_http_keep_alive *keep_alive)
{
    tt_buf_append_z(tt_http_stream_out(keep_alive->stream), ": ping\n\n");
    tt_http_stream_wake(keep_alive->stream);
}

static void end(struct tt_events *events)
{
    snprintf(events->request->code, sizeof(events->request->code), "ended");
    tt_chunks_abandon(events->request);
}

static void on_deadline(struct tt_timer *timer)
{
    end(TT_CONTAINER_OF(timer, struct tt_events, deadline));
}

static void ask(struct tt_events *events)
{
    const struct tt_dispatcher *dispatcher = events->request->dispatcher;
    uint64_t ms = dispatcher->settings->old_events_ms;

    if (events->asked)
        return;
    events->asked = true;
    tt_timer_start(tt_dispatcher_loop(dispatcher), &events->deadline, ms ? ms : OLD_MS);
}

static bool is_old(const struct tt_events *events)
{
    return events->request->generation != events->request->dispatcher->generation;
}

static void begin(struct tt_request *request)
{
    struct tt_dispatcher *dispatcher = request->dispatcher;
    struct tt_events *events = tt_arena_alloc(tt_http_arena(request->exchange), sizeof(*events));

    request->events = events;
    events->request = request;
    events->deadline.on_due = on_deadline;
    events->keep_alive.on_silent = on_silent;
    tt_list_push_back(&dispatcher->events.open, &events->node);
    tt_http_keep_alive_start(&events->keep_alive, tt_dispatcher_loop(dispatcher), request->stream);
    if (dispatcher->events.closing || is_old(events))
        ask(events);
}

static void close_events(struct tt_request *request)
{
    tt_timer_stop(&request->events->deadline);
    tt_http_keep_alive_stop(&request->events->keep_alive);
    tt_list_remove(&request->events->node);
}

static void fail(struct tt_request *request, const struct tt_request_error *error)
{
    struct tt_buf *out = tt_http_stream_out(request->stream);

    tt_buf_append_z(out, "event: error\ndata: ");
    tt_request_put_error(request, error, out); /* one line, with its end */
    tt_buf_putc(out, '\n');
    tt_http_stream_end(request->stream);
}

const struct tt_chunks_type tt_events_type = {
    .write = send_event, .push = push_goes_on, .begin = begin, .fail = fail, .close = close_events};

/* ---- all of a worker ---- */

void tt_events_create(struct tt_dispatcher *dispatcher)
{
    tt_list_init(&dispatcher->events.open);
}

void tt_events_ask_old(struct tt_dispatcher *dispatcher)
{
    tt_list_for_each (node, &dispatcher->events.open) {
        struct tt_events *events = tt_list_entry(node, struct tt_events, node);
        if (is_old(events))
            ask(events);
    }
}

void tt_events_ask_all(struct tt_dispatcher *dispatcher)
{
    dispatcher->events.closing = true;
    tt_list_for_each (node, &dispatcher->events.open)
        ask(tt_list_entry(node, struct tt_events, node));
}

void tt_events_end_all(struct tt_dispatcher *dispatcher)
{
    while (!tt_list_empty(&dispatcher->events.open))
        end(tt_list_entry(dispatcher->events.open.next, struct tt_events, node));
}
