/* tide.text: what Lua's byte strings need to be treated as text. */
#include "base/utf8.h"
#include "llm/tokens.h"
#include "script/bind.h"

static struct tt_str check_text(lua_State *L)
{
    struct tt_str s;
    s.data = luaL_checklstring(L, 1, &s.len);
    return s;
}

static int text_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)tt_utf8_count(check_text(L)));
    return 1;
}

static int text_prefix(lua_State *L)
{
    struct tt_str s = check_text(L);
    lua_Integer characters = luaL_checkinteger(L, 2);
    luaL_argcheck(L, characters >= 0, 2, "not negative");
    lua_pushlstring(L, s.data, tt_utf8_prefix(s, (size_t)characters));
    return 1;
}

static int text_valid(lua_State *L)
{
    lua_pushboolean(L, tt_utf8_valid(check_text(L)));
    return 1;
}

static int text_has_cjk(lua_State *L)
{
    struct tt_str s = check_text(L);
    uint32_t c;

    while (s.len) {
        size_t n = tt_utf8_decode(s, &c);
        if (n && tt_utf8_is_ideograph(c)) {
            lua_pushboolean(L, 1);
            return 1;
        }
        n = n ? n : 1;
        s.data += n;
        s.len -= n;
    }
    lua_pushboolean(L, 0);
    return 1;
}

static int text_tokens(lua_State *L)
{
    lua_pushinteger(L, tt_tokens_of(tt_tokens_quarters(check_text(L))));
    return 1;
}

static const luaL_Reg functions[] = {
    {"count", text_count},     {"prefix", text_prefix}, {"valid", text_valid},
    {"has_cjk", text_has_cjk}, {"tokens", text_tokens}, {NULL, NULL},
};

int tt_bind_text(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
