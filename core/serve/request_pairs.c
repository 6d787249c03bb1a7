#include "serve/request_pairs.h"

#include "base/url.h"
#include "script/value.h"

size_t tt_request_pairs_count(struct tt_str text)
{
    size_t count = text.len > 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '&';
    return count;
}

static void push_decoded(lua_State *L, struct tt_str text)
{
    struct tt_buf *decoded = tt_value_scratch(L);

    if (tt_url_decode(text, true, decoded) != 0) {
        lua_pushlstring(L, text.data, text.len);
        return;
    }
    lua_pushlstring(L, decoded->data ? decoded->data : "", decoded->len);
}

/* The name, its value and the value before are on top: the new one is one of several. */
static void note_again(lua_State *L, int lists)
{
    int name = lua_gettop(L) - 2;

    if (lua_isnil(L, lists)) {
        lua_newtable(L);
        lua_replace(L, lists);
    }
    lua_pushvalue(L, name);
    if (lua_rawget(L, lists) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 2, 0);
        lua_pushvalue(L, name + 2);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, name);
        lua_pushvalue(L, -2);
        lua_rawset(L, lists);
    }
    lua_pushvalue(L, name + 1);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

void tt_request_pairs_push(lua_State *L, struct tt_str text)
{
    struct tt_str pair;

    luaL_checkstack(L, 12, "pairs");
    lua_newtable(L);
    lua_pushnil(L);
    int texts = lua_gettop(L) - 1;
    while (text.data && text.len && tt_str_split(&text, '&', &pair)) {
        ptrdiff_t equal = tt_str_find(pair, '=');
        struct tt_str name = tt_str_of(pair.data, equal < 0 ? pair.len : (size_t)equal);
        if (name.len == 0)
            continue;
        push_decoded(L, name);
        push_decoded(L, equal < 0 ? TT_STR("")
                                  : tt_str_of(name.data + name.len + 1, pair.len - name.len - 1));
        lua_pushvalue(L, -2);
        if (lua_rawget(L, texts) != LUA_TNIL)
            note_again(L, texts + 1);
        lua_pop(L, 1);
        lua_rawset(L, texts);
    }
}
