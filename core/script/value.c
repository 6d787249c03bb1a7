/* JSON to Lua values, errors and database values to Lua. Decoding is lua-cjson's, after a strict
 * pass of our own (alone it accepts input that is not JSON, and invalid UTF-8), with whole numbers
 * turned into integers. */
#include "script/value.h"

#include "base/utf8.h"
#include "script/file_data.h"
#include "script/task.h"
#include "script/value_messages.h"
#include "script/value_raw.h"
#include "script/watchdog.h"

#include <math.h>
#include <stdlib.h>

#define EXACT_MAX   9007199254740992.0 /* 2^53 */
#define SCRATCH_MAX (64u << 20)
#define VALUE_SIZE  16 /* of a Lua value, beside a text's bytes */

static const char array_meta, secret_meta, scratch_key, arena_meta, buf_meta;

/* ---- buffers that survive a longjmp ---- */

static int buf_gc(lua_State *L)
{
    tt_buf_free(lua_touserdata(L, 1));
    return 0;
}

struct tt_buf *tt_value_scratch(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &scratch_key);
    struct tt_buf *buf = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (buf->cap > (1u << 20))
        tt_buf_free(buf);
    tt_buf_clear(buf);
    return buf;
}

struct tt_buf *tt_value_push_buf(lua_State *L, size_t max)
{
    struct tt_buf *buf = lua_newuserdatauv(L, sizeof(struct tt_buf), 0);
    *buf = (struct tt_buf){.max = max};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &buf_meta);
    lua_setmetatable(L, -2);
    return buf;
}

static int arena_gc(lua_State *L)
{
    tt_arena_destroy(lua_touserdata(L, 1));
    return 0;
}

struct tt_arena *tt_value_push_arena(lua_State *L)
{
    struct tt_arena *arena = lua_newuserdatauv(L, sizeof(struct tt_arena), 0);
    *arena = (struct tt_arena){0};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &arena_meta);
    lua_setmetatable(L, -2);
    return arena;
}

/* ---- secrets ---- */

static int secret_tostring(lua_State *L)
{
    lua_pushliteral(L, "[secret]");
    return 1;
}

static int secret_gc(lua_State *L)
{
    explicit_bzero(lua_touserdata(L, 1), lua_rawlen(L, 1));
    return 0;
}

void tt_value_push_secret(lua_State *L, struct tt_str bytes)
{
    void *secret = lua_newuserdatauv(L, bytes.len, 0);
    if (bytes.len > 0)
        memcpy(secret, bytes.data, bytes.len);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &secret_meta);
    lua_setmetatable(L, -2);
}

bool tt_value_secret(lua_State *L, int index, struct tt_str *out)
{
    bool is_secret = false;
    if (lua_type(L, index) == LUA_TUSERDATA && lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &secret_meta);
        is_secret = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (is_secret)
        *out = tt_str_of(lua_touserdata(L, index), lua_rawlen(L, index));
    return is_secret;
}

void tt_value_hide_metatable(lua_State *L)
{
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
}

void tt_value_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    if (gc) {
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
    }
    tt_value_hide_metatable(L);
    lua_pop(L, 1);
}

void tt_value_setup(lua_State *L)
{
    tt_value_file_setup(L);
    tt_value_raw_setup(L);
    tt_value_messages_setup(L);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    tt_value_hide_metatable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_meta);

    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, secret_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, secret_gc);
    lua_setfield(L, -2, "__gc");
    tt_value_hide_metatable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &secret_meta);

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, arena_gc);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &arena_meta);

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, buf_gc);
    lua_setfield(L, -2, "__gc");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &buf_meta);

    tt_value_push_buf(L, SCRATCH_MAX);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &scratch_key);
}

/* ---- null and arrays ---- */

void tt_value_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
}

bool tt_value_is_null(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index);
}

void tt_value_mark_array(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_meta);
    lua_setmetatable(L, -2);
}

bool tt_value_is_array(lua_State *L, int index)
{
    bool marked = false;
    if (lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &array_meta);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (!marked) {
        marked = lua_rawgeti(L, index, 1) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return marked;
}

/* ---- decoding ---- */

/* lua-cjson makes floats of all numbers: those that are whole become integers. Keys are strings or
 * already integers, so changing values during the walk is allowed. */
static void integers(lua_State *L, int index)
{
    luaL_checkstack(L, 4, "json.decode");
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -1) == LUA_TTABLE) {
            integers(L, lua_gettop(L));
        } else if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1)) {
            double x = lua_tonumber(L, -1);
            if (fabs(x) <= EXACT_MAX && floor(x) == x) {
                lua_pushvalue(L, -2);
                lua_pushinteger(L, (lua_Integer)x);
                lua_rawset(L, index);
            }
        }
        lua_pop(L, 1);
    }
}

/* lua-cjson takes a buffer as long as the text by itself, and without memory it ends the process
 * (exit 255, in its strbuf.c). Asked for here first, the reserve is given back in time. */
static void check_memory(lua_State *L, struct tt_str text)
{
    void *probe = tt_try_realloc(NULL, text.len + 1);
    free(probe);
    if (!probe)
        luaL_error(L, "not enough memory for a JSON text");
}

/* Pushes the text as lua-cjson gets it: it would make NULs of \u0000, which the core's reader does
 * not. */
static struct tt_str push_source(lua_State *L, struct tt_str text)
{
    struct tt_str pushed;

    if (text.len > 0 && memmem(text.data, text.len, "\\u0000", 6)) {
        struct tt_buf *clean = tt_value_scratch(L);
        if (tt_json_without_nul(text, clean) != 0)
            luaL_error(L, "json.decode: the text is too long");
        text = tt_buf_str(clean);
    }
    lua_pushlstring(L, text.data, text.len);
    pushed.data = lua_tolstring(L, -1, &pushed.len);
    return pushed;
}

void tt_value_decode_valid(lua_State *L, struct tt_str text)
{
    check_memory(L, text);
    text = push_source(L, text);
    lua_getfield(L, LUA_REGISTRYINDEX, TT_CJSON_DECODE);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    if (lua_type(L, -1) == LUA_TTABLE) {
        integers(L, lua_gettop(L));
        tt_value_mark_empty_arrays(L, text);
    } else if (lua_type(L, -1) == LUA_TNUMBER) {
        double x = lua_tonumber(L, -1);
        if (fabs(x) <= EXACT_MAX && floor(x) == x) {
            lua_pop(L, 1);
            lua_pushinteger(L, (lua_Integer)x);
        }
    }
    lua_remove(L, -2);
}

void tt_value_push_json_text(lua_State *L, struct tt_str raw)
{
    if (!memchr(raw.data, '\\', raw.len)) {
        lua_pushlstring(L, raw.data + 1, raw.len - 2);
        return;
    }
    struct tt_buf *plain = tt_value_scratch(L);
    tt_json_unescape(raw, NULL, plain);
    lua_pushlstring(L, plain->data ? plain->data : "", plain->len);
}

/* As lua-cjson and integers() make it. */
void tt_value_push_json_number(lua_State *L, const struct tt_json_value *value)
{
    char text[64];
    const char *digits = text;
    int64_t whole;

    if (tt_json_to_i64(value, &whole) == 0) {
        lua_pushinteger(L, whole);
        return;
    }
    if (value->raw.len < sizeof(text)) {
        memcpy(text, value->raw.data, value->raw.len);
        text[value->raw.len] = '\0';
    } else {
        digits = lua_pushlstring(L, value->raw.data, value->raw.len);
    }
    double x = strtod(digits, NULL);
    if (digits != text)
        lua_pop(L, 1);
    if (fabs(x) <= EXACT_MAX && floor(x) == x)
        lua_pushinteger(L, (lua_Integer)x);
    else
        lua_pushnumber(L, x);
}

int tt_value_call_uncharged(lua_State *L, int arguments, int results, bool free)
{
    bool collects = lua_gc(L, LUA_GCISRUNNING);

    if (free)
        tt_budget_pause();
    int status = lua_pcall(L, arguments, results, 0);
    if (free)
        tt_budget_renew();
    if (collects && !lua_gc(L, LUA_GCISRUNNING))
        lua_gc(L, LUA_GCRESTART);
    return status;
}

int tt_value_decode(lua_State *L, struct tt_str text, struct tt_err *err)
{
    if (tt_json_check(text, TT_JSON_MAX_DEPTH, err) != 0)
        return -1;
    tt_value_decode_valid(L, text);
    return 0;
}

/* ---- errors, database values, fields ---- */

int tt_value_push_error(lua_State *L, const struct tt_err *err)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, err->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    if (err->status) {
        lua_pushinteger(L, err->status);
        lua_setfield(L, -2, "status");
    }
    return 2;
}

/* What stands for "the id of statement i": an address in here. Costs no memory, and no other light
 * userdata can be taken for one. */
static const char ids[TT_VALUE_IDS_MAX];

void tt_value_push_id_of(lua_State *L, size_t statement)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&ids[statement]);
}

static bool read_id_of(lua_State *L, int index, struct tt_db_value *value)
{
    uintptr_t place = (uintptr_t)lua_touserdata(L, index);
    if (!lua_islightuserdata(L, index) || place < (uintptr_t)ids ||
        place >= (uintptr_t)ids + sizeof(ids))
        return false;
    *value = tt_db_id_of(place - (uintptr_t)ids);
    return true;
}

static void read_arg(lua_State *L, int index, int position, struct tt_db_value *value)
{
    size_t len;
    const char *text;

    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        *value = tt_db_text(tt_str_of(text, len));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            *value = tt_db_int(lua_tointeger(L, index));
        else
            *value = (struct tt_db_value){.type = TT_DB_REAL, .real = lua_tonumber(L, index)};
        break;
    case LUA_TBOOLEAN:
        *value = tt_db_int(lua_toboolean(L, index));
        break;
    default:
        if (read_id_of(L, index, value))
            break;
        if (!tt_value_is_null(L, index))
            luaL_error(L, "argument %d of the statement is a %s (json.null is NULL)", position,
                       luaL_typename(L, index));
        *value = tt_db_null();
    }
}

static bool has_nul(struct tt_str text)
{
    return text.len > 0 && memchr(text.data, 0, text.len);
}

/* Replaces the string on top, and in the table of arguments, which keeps it alive. */
static struct tt_str replace_nul(lua_State *L, int table, lua_Integer at)
{
    struct tt_buf *clean = tt_value_scratch(L);
    struct tt_str text;

    text.data = lua_tolstring(L, -1, &text.len);
    if (tt_utf8_append_without_nul(clean, text) != 0)
        luaL_error(L, "argument %d of the statement is too long", (int)at);
    lua_pushlstring(L, clean->data, clean->len);
    lua_replace(L, -2);
    lua_pushvalue(L, -1);
    lua_rawseti(L, table, at);
    text.data = lua_tolstring(L, -1, &text.len);
    return text;
}

size_t tt_value_args(lua_State *L, int index, struct tt_db_value *values, size_t max)
{
    if (lua_isnoneornil(L, index))
        return 0;
    luaL_checktype(L, index, LUA_TTABLE);
    size_t count = lua_rawlen(L, index);
    if (count > max)
        luaL_error(L, "more than %d arguments for a statement", (int)max);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        read_arg(L, -1, (int)i + 1, &values[i]);
        if (values[i].type == TT_DB_TEXT && has_nul(values[i].text))
            values[i].text = replace_nul(L, index, (lua_Integer)i + 1);
        lua_pop(L, 1); /* the table keeps strings alive */
    }
    return count;
}

void tt_value_push_db(lua_State *L, const struct tt_db_value *value)
{
    tt_task_take(L, VALUE_SIZE);
    switch (value->type) {
    case TT_DB_NULL:
    case TT_DB_ID_OF:
        lua_pushnil(L);
        break;
    case TT_DB_INT:
        lua_pushinteger(L, value->integer);
        break;
    case TT_DB_REAL:
        lua_pushnumber(L, value->real);
        break;
    case TT_DB_TEXT:
    case TT_DB_BLOB:
        tt_task_push_taken(L, value->text);
        break;
    }
}

static int raw_field(lua_State *L, int index, const char *key)
{
    index = lua_absindex(L, index);
    lua_pushstring(L, key);
    return lua_rawget(L, index);
}

struct tt_str tt_value_field(lua_State *L, int index, const char *key)
{
    struct tt_str value = {0};
    int type = raw_field(L, index, key);
    if (type == LUA_TSTRING)
        value.data = lua_tolstring(L, -1, &value.len);
    else if (type != LUA_TNIL)
        luaL_error(L, "field '%s' must be a string, not a %s", key, luaL_typename(L, -1));
    lua_pop(L, 1); /* the table keeps it alive */
    return value;
}

int64_t tt_value_field_int(lua_State *L, int index, const char *key, int64_t fallback)
{
    int64_t value = fallback;
    if (raw_field(L, index, key) != LUA_TNIL) {
        if (!lua_isinteger(L, -1))
            luaL_error(L, "field '%s' must be an integer, not a %s", key, luaL_typename(L, -1));
        value = lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
    return value;
}
