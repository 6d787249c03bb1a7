/* The rows are stored already when a script calls this, so any error must end them. Everything is
 * read and checked in a protected call, into memory that Lua frees; if that raises, the row ends
 * with status error, and the error is raised again. Then the reply runs, and nothing raises. */
#include "tide/llm_start.h"

#include "chat/running_reply.h"
#include "script/value.h"
#include "tide/modules.h"

/* ---- start ---- */

static uint64_t read_ms(lua_State *L, int table, const char *key)
{
    int64_t ms = tt_value_field_int(L, table, key, 0);
    if (ms < 0)
        luaL_error(L, "play: '%s' is negative", key);
    return (uint64_t)ms;
}

static bool read_play(lua_State *L, int index, struct tt_play *play)
{
    if (lua_getfield(L, index, "play") != LUA_TTABLE) {
        lua_pop(L, 1);
        return false;
    }
    int table = lua_gettop(L);
    play->text = tt_value_field(L, table, "text");
    play->reasoning = tt_value_field(L, table, "reasoning");
    play->tool_calls = tt_value_field(L, table, "tool_calls");
    play->piece_characters = (int)tt_value_field_int(L, table, "piece", 4);
    play->first_ms = read_ms(L, table, "first_ms");
    play->pace_ms = read_ms(L, table, "pace_ms");
    play->finish_reason = tt_value_field(L, table, "finish_reason");
    struct tt_str code = tt_value_field(L, table, "error");
    if (code.data)
        tt_err_set(&play->error, 502, code.data, "played error");
    lua_pop(L, 1);
    return true;
}

static struct tt_turn *take_turn(lua_State *L, int index, int64_t *epoch)
{
    lua_getfield(L, index, "turn");
    struct tt_tide_turn *holder = luaL_testudata(L, -1, TT_TURN_META);
    if (!holder || !holder->turn)
        luaL_error(L, "llm.start: 'turn' is %s", holder ? "left already" : "no turn");
    struct tt_turn *turn = holder->turn;
    *epoch = holder->epoch;
    tt_task_disown(&holder->owned);
    holder->turn = NULL;
    lua_pop(L, 1);
    return turn;
}

void tt_tide_llm_read_source(lua_State *L, struct tt_tide_llm_source *source,
                             struct tt_arena *arena)
{
    source->played = read_play(L, 1, &source->play);
    if (!source->played)
        tt_tide_llm_read_plan(L, 1, &source->plan, arena);
}

void tt_tide_llm_read_counting(lua_State *L, struct tt_running_reply_spec *spec)
{
    spec->user_id = tt_value_field_int(L, 1, "user_id", 0);
    spec->counted_as = tt_value_field(L, 1, "counted_as");
    spec->input_estimate = tt_value_field_int(L, 1, "input_estimate", 0);
    if (spec->counted_as.data && !spec->user_id)
        luaL_error(L, "'counted_as' needs 'user_id'");
}

struct start {
    struct tt_running_reply_spec spec;
    struct tt_tide_llm_source source;
    struct tt_running_producer producer;
    struct tt_reply_stored stored;
};

/* A reply in parts has its sources part by part. */
static void read_producer(lua_State *L, struct start *start, struct tt_arena *arena)
{
    struct tt_tide_llm_source *source = &start->source;

    if (tt_tide_llm_producer(L, 1, &start->producer)) {
        start->spec.producer = &start->producer;
    } else {
        tt_tide_llm_read_source(L, source, arena);
        start->spec.play = source->played ? &source->play : NULL;
        start->spec.plan = source->played ? NULL : &source->plan;
    }
    if (lua_getfield(L, 1, "continues") == LUA_TTABLE) {
        tt_tide_llm_read_stored(L, lua_gettop(L), &start->stored);
        start->spec.continues = &start->stored;
    }
    lua_pop(L, 1);
}

static void read_image_room(lua_State *L, struct tt_image_room *room)
{
    if (lua_getfield(L, 1, "image_room") == LUA_TTABLE) {
        int table = lua_gettop(L);
        room->user_bytes = tt_value_field_int(L, table, "user_bytes", 0);
        room->session_files = tt_value_field_int(L, table, "session_files", 0);
    }
    lua_pop(L, 1);
}

/* 1 = the script's table, 2 = where to store the description. Returns what keeps it alive, and the
 * reply's holder. */
static int read_start(lua_State *L)
{
    struct start *start = lua_touserdata(L, 2);

    start->spec.turn = take_turn(L, 1, &start->spec.turn_epoch);
    struct tt_arena *arena = tt_value_push_arena(L);
    read_producer(L, start, arena);
    tt_tide_llm_read_counting(L, &start->spec);
    lua_getfield(L, 1, "disconnect");
    start->spec.stop_without_clients = tt_tide_llm_read_disconnect(L, -1);
    lua_pop(L, 1);
    start->spec.on_finish_arg = tt_tide_llm_finish_hook(L, 1);
    start->spec.on_finish = start->spec.on_finish_arg ? tt_tide_llm_on_finish : NULL;
    start->spec.filter = tt_tide_llm_filter(L, 1);
    read_image_room(L, &start->spec.image_room);
    tt_tide_push_reply(L);
    return 2;
}

int tt_tide_llm_start(lua_State *L)
{
    struct tt_task *task = tt_task_check(L, "llm.start");
    struct tt_tide *tide = tt_tide_of(L);
    struct start start = {0};
    struct tt_running_reply_spec *spec = &start.spec;
    struct tt_err err = {0};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    spec->user_id = tt_value_field_int(L, 1, "user_id", 0);
    spec->session_id = tt_value_field(L, 1, "session_id");
    spec->session_row = tt_value_field_int(L, 1, "session_row", 0);
    spec->message_id = tt_value_field_int(L, 1, "message_id", 0);
    spec->user_message_id = tt_value_field_int(L, 1, "user_message_id", 0);
    if (!spec->user_id || !spec->session_id.data || !spec->session_row || !spec->message_id)
        return luaL_error(L, "llm.start: needs user_id, session_id, session_row and message_id");
    lua_pushcfunction(L, read_start);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &start);
    if (lua_pcall(L, 2, 2, 0) != LUA_OK) {
        tt_err_set(&err, 500, "internal_error", "llm.start: wrong arguments");
        tt_running_reply_refuse(&tide->chat, spec, &err);
        return lua_error(L);
    }
    struct tt_reply **holder = lua_touserdata(L, -1);
    *holder = tt_running_reply_start(&tide->chat, spec, &err);
    if (!*holder)
        return tt_value_push_error(L, &err);
    tt_tide_llm_listen(task, *holder);
    return 1;
}
