/* Whatever a script puts into a header is checked here: nothing of a user's text can end a header
 * or a cookie, or send a browser to an address that is no address. */
#include "serve/response_headers.h"

#include "script/value.h"

#define HEADERS_MAX 64

/* ---- cookies (RFC 6265) ---- */

static bool is_cookie_text(struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
            return false;
    }
    return true;
}

static bool is_cookie_name(struct tt_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (strchr("()<>@:/[]?={}", name.data[i]))
            return false;
    return name.len > 0 && is_cookie_text(name);
}

/* A flag of a cookie's table; `otherwise` when it is not given, or the cookie is a text. */
static bool flag(lua_State *L, int cookie, const char *name, bool otherwise)
{
    if (!lua_istable(L, cookie))
        return otherwise;
    lua_pushstring(L, name);
    bool set = lua_rawget(L, cookie) == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

static struct tt_str attribute(lua_State *L, int cookie, const char *name, struct tt_str otherwise)
{
    struct tt_str text = {0};

    if (lua_istable(L, cookie))
        text = tt_value_field(L, cookie, name);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= 0x20 || text.data[i] == ';' || text.data[i] == 0x7f)
            luaL_error(L, "the attribute '%s' of a cookie has characters that are not allowed",
                       name);
    return text.data ? text : otherwise;
}

static struct tt_str same_site_of(lua_State *L, int cookie)
{
    static const char *const choices[] = {"Lax", "Strict", "None"};
    struct tt_str text = attribute(L, cookie, "same_site", TT_STR("Lax"));

    for (size_t i = 0; i < TT_COUNT(choices); i++)
        if (tt_str_eq_nocase(text, tt_str_from(choices[i])))
            return tt_str_from(choices[i]);
    luaL_error(L, "a cookie's same_site is Lax, Strict or None, not '%s'", text.data);
    return text;
}

/* Pushes the header's value for the cookie whose name is at `at`, what it is behind it: a text, a
 * table, or false for one that is to go. */
static void push_cookie(lua_State *L, const struct tt_request *request, int at)
{
    struct tt_str name, value = TT_STR(""), base = request->dispatcher->settings->base_path;
    int cookie = at + 1, type = lua_type(L, cookie);
    bool gone = type == LUA_TBOOLEAN && !lua_toboolean(L, cookie);

    name.data = lua_tolstring(L, at, &name.len);
    if (!is_cookie_name(name))
        luaL_error(L, "a cookie cannot have the name '%s'", name.data);
    if (type == LUA_TSTRING)
        value.data = lua_tolstring(L, cookie, &value.len);
    else if (type == LUA_TTABLE)
        value = tt_value_field(L, cookie, "value");
    else if (!gone)
        luaL_error(L, "the cookie '%s' is a %s, not a text, a table or false", name.data,
                   luaL_typename(L, cookie));
    if (!value.data || !is_cookie_text(value))
        luaL_error(L,
                   "the cookie '%s' has no value, or one with characters that no cookie may "
                   "have: use text.url_encode",
                   name.data);
    int64_t max_age = gone                 ? 0
                      : type == LUA_TTABLE ? tt_value_field_int(L, cookie, "max_age", -1)
                                           : -1;
    struct tt_str path = attribute(L, cookie, "path", base.len ? base : TT_STR("/"));
    struct tt_str domain = attribute(L, cookie, "domain", TT_STR(""));
    struct tt_str same_site = same_site_of(L, cookie);
    /* Not in the scratch buffer: the body is there. */
    int top = lua_gettop(L);
    lua_pushfstring(L, "%s=%s; Path=", name.data, value.data);
    lua_pushlstring(L, path.data, path.len);
    if (flag(L, cookie, "http_only", true))
        lua_pushliteral(L, "; HttpOnly");
    lua_pushfstring(L, "; SameSite=%s", same_site.data);
    if (max_age >= 0)
        lua_pushfstring(L, "; Max-Age=%I", (LUAI_UACINT)max_age);
    if (flag(L, cookie, "secure", tt_request_is_secure(request)))
        lua_pushliteral(L, "; Secure");
    if (domain.len > 0)
        lua_pushfstring(L, "; Domain=%s", domain.data);
    lua_concat(L, lua_gettop(L) - top);
}

/* ---- all of them ---- */

/* Pushes name and value. */
static void push_header(lua_State *L, const char *name, int value, int first)
{
    if (!lua_isstring(L, value))
        luaL_error(L, "response header '%s' is a %s", name, luaL_typename(L, value));
    if (lua_gettop(L) - first >= 2 * HEADERS_MAX)
        luaL_error(L, "more than %d response headers", HEADERS_MAX);
    lua_pushstring(L, name);
    lua_pushvalue(L, value);
    lua_tostring(L, -1); /* a number becomes text here, where it may raise */
}

/* Pushes a field, which is a table; false: there is none, and nil is pushed. */
static bool push_table(lua_State *L, int response, const char *field)
{
    lua_pushstring(L, field);
    int type = lua_rawget(L, response);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "response field '%s' is a %s", field, luaL_typename(L, -1));
    return type == LUA_TTABLE;
}

/* The next pair of the table goes to `at` and the place behind it; false: there is none. */
static bool walk(lua_State *L, int table, int at)
{
    lua_pushvalue(L, at);
    if (!lua_next(L, table))
        return false;
    lua_replace(L, at + 1);
    lua_replace(L, at);
    if (lua_type(L, at) != LUA_TSTRING)
        luaL_error(L, "names of response headers and cookies must be strings");
    return true;
}

int tt_response_gather_headers(lua_State *L, struct tt_request *request, int response)
{
    int first = lua_gettop(L) + 1;

    /* Below the pairs: two tables, then key and value of a walk. */
    bool has_headers = push_table(L, response, "headers");
    bool has_cookies = push_table(L, response, "cookies");
    if (!has_headers && !has_cookies) {
        lua_pop(L, 2);
        return 0;
    }
    luaL_checkstack(L, 2 * HEADERS_MAX + 16, "headers"); /* not before: coroutines keep it */
    lua_pushnil(L);
    lua_pushnil(L);
    while (has_headers && walk(L, first, first + 2)) {
        const char *name = lua_tostring(L, first + 2);
        if (lua_type(L, first + 3) != LUA_TTABLE) {
            push_header(L, name, first + 3, first + 4);
            continue;
        }
        lua_Integer count = (lua_Integer)lua_rawlen(L, first + 3);
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, first + 3, i);
            push_header(L, name, lua_gettop(L), first + 4);
            lua_remove(L, -3);
        }
    }
    lua_pushnil(L);
    lua_replace(L, first + 2);
    while (has_cookies && walk(L, first + 1, first + 2)) {
        push_cookie(L, request, first + 2);
        push_header(L, "Set-Cookie", lua_gettop(L), first + 4);
        lua_remove(L, -3);
    }
    return (lua_gettop(L) - first - 3) / 2;
}

void tt_response_add_headers(lua_State *L, struct tt_request *request, int count)
{
    for (int i = lua_gettop(L) - 2 * count + 1; i < lua_gettop(L); i += 2) {
        struct tt_str name, value;
        name.data = lua_tolstring(L, i, &name.len);
        value.data = lua_tolstring(L, i + 1, &value.len);
        tt_http_add_header(request->exchange, name, value);
    }
}

bool tt_response_has_header(lua_State *L, int count, struct tt_str name)
{
    for (int i = lua_gettop(L) - 2 * count + 1; i < lua_gettop(L); i += 2)
        if (tt_str_eq_nocase(tt_str_from(lua_tostring(L, i)), name))
            return true;
    return false;
}

/* ---- redirects ---- */

/* A path of this server, or a whole address of http(s). What begins with two slashes, or with one
 * and a backslash, is another host's to browsers, and is no path that a handler means. */
static bool is_address(struct tt_str address)
{
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.data[i] <= 0x20 || (unsigned char)address.data[i] >= 0x7f ||
            address.data[i] == '\\')
            return false;
    if (tt_str_starts_nocase(address, TT_STR("https://")) ||
        tt_str_starts_nocase(address, TT_STR("http://")))
        return true;
    return address.len > 0 && address.data[0] == '/' &&
           (address.len == 1 || address.data[1] != '/');
}

bool tt_response_redirect(lua_State *L, struct tt_request *request, int response)
{
    struct tt_str address = tt_value_field(L, response, "redirect");
    int64_t status = tt_value_field_int(L, response, "status", 303);
    struct tt_buf location = {0};

    if (!address.data)
        return false;
    if (!is_address(address))
        luaL_error(L, "response field 'redirect' is no path of this server (\"/x\") and no http "
                      "address, or it has characters that must be encoded");
    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        luaL_error(L, "the status of a redirect is 301, 302, 303, 307 or 308");
    tt_response_add_headers(L, request, tt_response_gather_headers(L, request, response));
    if (address.data[0] == '/')
        tt_buf_append_str(&location, request->dispatcher->settings->base_path);
    tt_buf_append_str(&location, address);
    tt_http_add_header(request->exchange, TT_STR("Location"), tt_buf_str(&location));
    tt_buf_free(&location);
    tt_request_reply(request, (int)status, NULL);
    return true;
}
