/* Lua values to JSON, through base/json, which knows integers and empty lists. */
#include "script/file_data.h"
#include "script/value.h"

#define BODY_TEXT_GUESS 65536

static void encode(lua_State *L, int index, struct tt_json_writer *w, int depth);

static void encode_object(lua_State *L, int index, struct tt_json_writer *w, int depth)
{
    tt_json_begin_object(w);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        size_t len;
        const char *key;
        if (lua_type(L, -2) == LUA_TSTRING) {
            key = lua_tolstring(L, -2, &len);
            tt_json_key(w, tt_str_of(key, len));
        } else if (lua_isinteger(L, -2)) {
            char number[24];
            len = (size_t)snprintf(number, sizeof(number), LUA_INTEGER_FMT, lua_tointeger(L, -2));
            tt_json_key(w, tt_str_of(number, len));
        } else {
            luaL_error(L, "json.encode: a key must be a string, not a %s", luaL_typename(L, -2));
        }
        encode(L, lua_gettop(L), w, depth + 1);
        lua_pop(L, 1);
    }
    tt_json_end_object(w);
}

static void encode_table(lua_State *L, int index, struct tt_json_writer *w, int depth)
{
    if (depth >= TT_JSON_MAX_DEPTH - 1)
        luaL_error(L, "json.encode: nested deeper than %d (a table that holds itself?)",
                   TT_JSON_MAX_DEPTH);
    luaL_checkstack(L, 6, "json.encode");
    if (!tt_value_is_array(L, index)) {
        encode_object(L, index, w, depth);
        return;
    }
    lua_Unsigned count = lua_rawlen(L, index);
    tt_json_begin_array(w);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        encode(L, lua_gettop(L), w, depth + 1);
        lua_pop(L, 1);
    }
    tt_json_end_array(w);
}

/* What goes into a request's body and nowhere else. */
struct encoder {
    struct tt_json_writer writer;
    bool files;
};

/* Base64 and the head of a data URL need no escapes. */
static bool encode_file(lua_State *L, int index, struct tt_json_writer *w)
{
    struct tt_str text;
    if (!tt_value_file_text(L, index, &text))
        return false;
    if (!TT_CONTAINER_OF(w, struct encoder, writer)->files)
        luaL_error(L, "json.encode: the bytes of a file go into a request's body only");
    tt_json_raw(w, TT_STR("\""));
    if (tt_buf_append_str(w->buf, text) != 0 || tt_buf_putc(w->buf, '"') != 0)
        w->failed = true;
    return true;
}

static void encode(lua_State *L, int index, struct tt_json_writer *w, int depth)
{
    size_t len;
    const char *text;

    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        tt_json_str(w, tt_str_of(text, len));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            tt_json_int(w, lua_tointeger(L, index));
        else
            tt_json_num(w, lua_tonumber(L, index));
        break;
    case LUA_TBOOLEAN:
        tt_json_bool(w, lua_toboolean(L, index));
        break;
    case LUA_TTABLE:
        encode_table(L, index, w, depth);
        break;
    case LUA_TNIL:
        tt_json_null(w);
        break;
    default:
        if (encode_file(L, index, w))
            break;
        if (!tt_value_is_null(L, index))
            luaL_error(L, "json.encode: a %s cannot be encoded", luaL_typename(L, index));
        tt_json_null(w);
    }
    if (w->failed)
        luaL_error(L, "json.encode: the text would be too large");
}

void tt_value_encode(lua_State *L, int index, struct tt_buf *out)
{
    struct encoder encoder = {.writer.buf = out};
    encode(L, lua_absindex(L, index), &encoder.writer, 0);
}

void tt_value_encode_body(lua_State *L, int index, struct tt_buf *out)
{
    struct encoder encoder = {.writer.buf = out, .files = true};
    size_t bytes = tt_value_file_sum(L, index);
    if (bytes > 0)
        tt_buf_reserve(out, bytes + BODY_TEXT_GUESS); /* instead of copying megabytes as it grows */
    encode(L, lua_absindex(L, index), &encoder.writer, 0);
}
