/* tide.text: functions that treat Lua's byte strings as text. */
#include "base/url.h"
#include "base/utf8.h"
#include "reply/tokens.h"
#include "script/value.h"
#include "tide/modules.h"

#define CHARS_MAX_BYTES (1u << 20)

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

static int text_truncate(lua_State *L)
{
    struct tt_str s = check_text(L);
    lua_Integer bytes = luaL_checkinteger(L, 2);
    luaL_argcheck(L, bytes >= 0, 2, "not negative");
    if ((uint64_t)bytes < s.len)
        s = tt_str_of(s.data, tt_utf8_complete(tt_str_of(s.data, (size_t)bytes)));
    lua_pushlstring(L, s.data, s.len);
    return 1;
}

static int text_chars(lua_State *L)
{
    struct tt_str s = check_text(L);
    uint32_t c;

    luaL_argcheck(L, s.len <= CHARS_MAX_BYTES, 1, "at most 1 MiB");
    lua_newtable(L);
    for (lua_Integer i = 1; s.len > 0; i++) {
        size_t n = tt_utf8_decode(s, &c);
        n = n ? n : 1;
        lua_pushlstring(L, s.data, n);
        lua_rawseti(L, -2, i);
        s = tt_str_of(s.data + n, s.len - n);
    }
    return 1;
}

/* Unicode's White_Space (15, PropList.txt). */
static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* The general category Cc, and the byte order mark, which has no width. */
static bool is_unseen(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xFEFF;
}

static int text_squeeze(lua_State *L)
{
    struct tt_str s = check_text(L);
    struct tt_buf *out = tt_value_scratch(L);
    bool space = false;
    uint32_t c;

    while (s.len > 0) {
        size_t n = tt_utf8_decode(s, &c);
        if (n && (is_space(c) || is_unseen(c))) {
            space = true;
        } else {
            n = n ? n : 1;
            if (space && out->len > 0)
                tt_buf_putc(out, ' ');
            tt_buf_append(out, s.data, n);
            space = false;
        }
        s = tt_str_of(s.data + n, s.len - n);
    }
    lua_pushlstring(L, out->data ? out->data : "", out->len);
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

static int text_url_encode(lua_State *L)
{
    struct tt_buf *out = tt_value_scratch(L);

    if (tt_url_encode(check_text(L), out) != 0)
        return tt_value_raise_full(L, out, "text.url_encode: the text is too large");
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}

static int text_tokens(lua_State *L)
{
    lua_pushinteger(L, tt_tokens_of(tt_tokens_quarters(check_text(L))));
    return 1;
}

static const luaL_Reg functions[] = {
    {"count", text_count},
    {"prefix", text_prefix},
    {"truncate", text_truncate},
    {"chars", text_chars},
    {"squeeze", text_squeeze},
    {"valid", text_valid},
    {"has_cjk", text_has_cjk},
    {"url_encode", text_url_encode},
    {"tokens", text_tokens},
    {"message_tokens", tt_tide_message_tokens},
    {NULL, NULL},
};

int tt_tide_text(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
