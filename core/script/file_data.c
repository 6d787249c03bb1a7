/* The memory is not Lua's, so its collector does not know how much belongs to a small userdata: the
 * process counts it, and code that creates a new one near the limit collects first
 * (tide/file_store.c).
 */
#include "script/file_data.h"

#include "script/value.h"
#include "script/watchdog.h"

#include <stdatomic.h>

static const char owner_meta, view_meta;
static atomic_size_t used;

/* A view keeps its owner alive as its user value. */
struct view {
    struct tt_str text;
};

size_t tt_value_file_used(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed);
}

static int owner_gc(lua_State *L)
{
    struct tt_buf *buf = lua_touserdata(L, 1);
    atomic_fetch_sub_explicit(&used, buf->cap, memory_order_relaxed);
    tt_buf_free(buf);
    return 0;
}

static int view_tostring(lua_State *L)
{
    lua_pushliteral(L, "[file]");
    return 1;
}

/* Pushes a view of the owner at index. */
static void push_view(lua_State *L, int owner, struct tt_str text)
{
    struct view *view = lua_newuserdatauv(L, sizeof(*view), 1);
    view->text = text;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &view_meta);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, 1);
}

void tt_value_file_push_image(lua_State *L, struct tt_buf *url)
{
    static const char head[] = "data:", tail[] = ";base64,";
    lua_createtable(L, 0, 3);
    int table = lua_gettop(L);
    struct tt_buf *owner = lua_newuserdatauv(L, sizeof(*owner), 0);
    *owner = *url;
    *url = (struct tt_buf){0};
    atomic_fetch_add_explicit(&used, owner->cap, memory_order_relaxed);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &owner_meta);
    lua_setmetatable(L, -2);

    const char *type_end = strchr(owner->data, ';');
    size_t skip = (size_t)(type_end - owner->data) + strlen(tail);
    lua_pushlstring(L, owner->data + strlen(head), skip - strlen(head) - strlen(tail));
    lua_setfield(L, table, "media_type");
    push_view(L, table + 1, tt_buf_str(owner));
    lua_setfield(L, table, "data_url");
    push_view(L, table + 1, tt_str_of(owner->data + skip, owner->len - skip));
    lua_setfield(L, table, "base64");
    lua_settop(L, table);
}

bool tt_value_file_text(lua_State *L, int index, struct tt_str *out)
{
    bool is_view = false;
    if (lua_type(L, index) == LUA_TUSERDATA && lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &view_meta);
        is_view = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (is_view)
        *out = ((const struct view *)lua_touserdata(L, index))->text;
    return is_view;
}

static size_t sum_table(lua_State *L, int table, int depth)
{
    size_t sum = 0;
    struct tt_str text;
    if (depth >= TT_JSON_MAX_DEPTH)
        luaL_error(L, "json.encode: nested deeper than %d (a table that holds itself?)",
                   TT_JSON_MAX_DEPTH);
    luaL_checkstack(L, 4, "a request's body");
    tt_budget_raise_if_stopped(
        L, "json.encode"); /* tables in tables that are the same are visited again */
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (lua_type(L, -1) == LUA_TTABLE)
            sum += sum_table(L, lua_gettop(L), depth + 1);
        else if (tt_value_file_text(L, -1, &text))
            sum += text.len;
    }
    return sum;
}

size_t tt_value_file_sum(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TTABLE ? sum_table(L, lua_absindex(L, index), 0) : 0;
}

void tt_value_file_setup(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, owner_gc);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &owner_meta);

    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, view_tostring);
    lua_setfield(L, -2, "__tostring");
    tt_value_hide_metatable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &view_meta);
}
