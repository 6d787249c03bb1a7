/* Lua values to JSON, through base/json, which knows integers and empty lists. The members of an
 * object are sorted by name: Lua keeps no order of its own, and a table that is walked twice, in
 * two states or after a restart, must give the same text. */
#include "script/value_encode.h"

#include "script/file_data.h"
#include "script/value_messages.h"
#include "script/value_raw.h"

#include <stdlib.h>

#define BODY_TEXT_GUESS 65536
#define FEW             16 /* members that are sorted without memory from Lua */

/* ---- members in order ---- */

struct member {
    const char *text; /* of the key, which the table keeps alive; NULL: it is a number */
    size_t len;
    lua_Integer number;
};

/* The key's text; `digits` has room for that of a number. */
static struct tt_str name_of(const struct member *member, char digits[24])
{
    if (member->text)
        return tt_str_of(member->text, member->len);
    return tt_str_of(digits, (size_t)snprintf(digits, 24, LUA_INTEGER_FMT, member->number));
}

static int compare_members(const void *left, const void *right)
{
    char digits[2][24];
    struct tt_str a = name_of(left, digits[0]), b = name_of(right, digits[1]);
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void sort_members(struct member *members, size_t count)
{
    if (count > FEW) {
        qsort(members, count, sizeof(*members), compare_members);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct member member = members[i];
        size_t to = i;
        for (; to > 0 && compare_members(&members[to - 1], &member) > 0; to--)
            members[to] = members[to - 1];
        members[to] = member;
    }
}

static struct member read_key(lua_State *L, int index)
{
    struct member member = {0};

    if (lua_type(L, index) == LUA_TSTRING)
        member.text = lua_tolstring(L, index, &member.len);
    else if (lua_isinteger(L, index))
        member.number = lua_tointeger(L, index);
    else
        luaL_error(L, "json.encode: a key must be a string, not a %s", luaL_typename(L, index));
    return member;
}

/* Stores the first `room` members; returns how many there are. */
static size_t gather(lua_State *L, int index, const struct tt_value_choice *choice,
                     struct member *to, size_t room)
{
    char digits[24];
    size_t count = 0;

    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        struct member member = read_key(L, -1);
        if (choice && !choice->wants(choice->arg, name_of(&member, digits)))
            continue;
        if (count < room)
            to[count] = member;
        count++;
    }
    return count;
}

void tt_value_encode_members(lua_State *L, int index, struct tt_value_encoder *encoder, int depth,
                             const struct tt_value_choice *choice)
{
    struct member few[FEW], *members = few;
    int top = lua_gettop(L);
    size_t count = gather(L, index, choice, few, FEW);
    char digits[24];

    if (count > FEW) {
        members = lua_newuserdatauv(L, count * sizeof(*members), 0);
        gather(L, index, choice, members, count);
    }
    sort_members(members, count);
    for (size_t i = 0; i < count; i++) {
        tt_json_key(&encoder->writer, name_of(&members[i], digits));
        if (members[i].text) {
            lua_pushlstring(L, members[i].text, members[i].len);
            lua_rawget(L, index);
        } else {
            lua_rawgeti(L, index, members[i].number);
        }
        tt_value_encode_at(L, lua_gettop(L), encoder, depth);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
}

/* ---- values ---- */

void tt_value_check_depth(lua_State *L, int depth)
{
    if (depth >= TT_JSON_MAX_DEPTH - 1)
        luaL_error(L, "json.encode: nested deeper than %d (a table that holds itself?)",
                   TT_JSON_MAX_DEPTH);
    luaL_checkstack(L, 6, "json.encode");
}

static void encode_table(lua_State *L, int index, struct tt_value_encoder *encoder, int depth)
{
    struct tt_json_writer *w = &encoder->writer;

    tt_value_check_depth(L, depth);
    if (!tt_value_is_array(L, index)) {
        tt_json_begin_object(w);
        tt_value_encode_members(L, index, encoder, depth + 1, NULL);
        tt_json_end_object(w);
        return;
    }
    lua_Unsigned count = lua_rawlen(L, index);
    tt_json_begin_array(w);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        tt_value_encode_at(L, lua_gettop(L), encoder, depth + 1);
        lua_pop(L, 1);
    }
    tt_json_end_array(w);
}

/* Base64 and the head of a data URL need no escapes. */
static bool encode_file(lua_State *L, int index, struct tt_value_encoder *encoder)
{
    struct tt_json_writer *w = &encoder->writer;
    struct tt_str text;

    if (!tt_value_file_text(L, index, &text))
        return false;
    if (!encoder->files)
        luaL_error(L, "json.encode: the bytes of a file go into a request's body only");
    tt_json_raw(w, TT_STR("\""));
    if (tt_buf_append_str(w->buf, text) != 0 || tt_buf_putc(w->buf, '"') != 0)
        w->failed = true;
    return true;
}

void tt_value_encode_at(lua_State *L, int index, struct tt_value_encoder *encoder, int depth)
{
    struct tt_json_writer *w = &encoder->writer;
    struct tt_str raw;
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
        encode_table(L, index, encoder, depth);
        break;
    case LUA_TNIL:
        tt_json_null(w);
        break;
    default:
        if (encode_file(L, index, encoder))
            break;
        if (tt_value_raw(L, index, &raw)) {
            tt_json_raw(w, raw);
            break;
        }
        if (tt_value_messages_encode(L, index, encoder, depth))
            break;
        if (!tt_value_is_null(L, index))
            luaL_error(L, "json.encode: a %s cannot be encoded", luaL_typename(L, index));
        tt_json_null(w);
    }
    if (w->failed)
        tt_value_raise_full(L, w->buf, "json.encode: the text would be too large");
}

void tt_value_encode(lua_State *L, int index, struct tt_buf *out)
{
    struct tt_value_encoder encoder = {.writer.buf = out};
    tt_value_encode_at(L, lua_absindex(L, index), &encoder, 0);
}

void tt_value_encode_body(lua_State *L, int index, struct tt_buf *out)
{
    struct tt_value_encoder encoder = {.writer.buf = out, .files = true};
    size_t bytes = tt_value_file_sum(L, index);
    if (bytes > 0)
        tt_buf_reserve(out, bytes + BODY_TEXT_GUESS); /* instead of copying megabytes as it grows */
    tt_value_encode_at(L, lua_absindex(L, index), &encoder, 0);
}
