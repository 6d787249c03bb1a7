/* lua-cjson makes the same empty table of [] and {}. If a text has an empty array at all, it is
 * walked once more, side by side with the value made from it. Of equal keys the last one made the
 * value: an earlier one may not fit it, and the last one corrects its marks. */
#include "script/value.h"

struct walk {
    lua_State *L;
    const char *p, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct walk *walk)
{
    while (walk->p < walk->end && is_blank(*walk->p))
        walk->p++;
}

/* Also true for one inside a string, which costs a walk and nothing else. */
static bool has_empty_array(struct tt_str text)
{
    const char *end = text.data + text.len;
    const char *p = text.data;
    while ((p = memchr(p, '[', (size_t)(end - p)))) {
        do
            p++;
        while (p < end && is_blank(*p));
        if (p < end && *p == ']')
            return true;
    }
    return false;
}

/* The byte at p; blanks before it are skipped. 0 at the end, which a valid text never shows. */
static char look(struct walk *walk)
{
    skip_blanks(walk);
    return walk->p < walk->end ? *walk->p : '\0';
}

static struct tt_str take_string(struct walk *walk)
{
    const char *start = walk->p++;
    while (walk->p < walk->end && *walk->p != '"')
        walk->p += *walk->p == '\\' ? 2 : 1;
    walk->p++;
    return tt_str_of(start, (size_t)(walk->p - start));
}

static void skip_scalar(struct walk *walk)
{
    while (walk->p < walk->end && !strchr(",]} \t\r\n", *walk->p))
        walk->p++;
}

static void walk_value(struct walk *walk, int index);

static void walk_array(struct walk *walk, int index)
{
    lua_State *L = walk->L;
    bool fits = lua_type(L, index) == LUA_TTABLE;

    walk->p++;
    if (look(walk) == ']') {
        walk->p++;
        if (fits) {
            lua_pushvalue(L, index);
            tt_value_mark_array(L);
            lua_pop(L, 1);
        }
        return;
    }
    for (lua_Integer i = 1;; i++) {
        if (fits)
            lua_rawgeti(L, index, i);
        else
            lua_pushnil(L);
        walk_value(walk, lua_gettop(L));
        lua_pop(L, 1);
        if (look(walk) != ',')
            break;
        walk->p++;
    }
    walk->p++;
}

static void push_key(struct walk *walk, struct tt_str raw)
{
    if (!memchr(raw.data, '\\', raw.len)) {
        lua_pushlstring(walk->L, raw.data + 1, raw.len - 2);
        return;
    }
    struct tt_buf *plain = tt_value_scratch(walk->L);
    tt_json_unescape(raw, NULL, plain);
    lua_pushlstring(walk->L, plain->data ? plain->data : "", plain->len);
}

static void walk_object(struct walk *walk, int index)
{
    lua_State *L = walk->L;
    bool fits = lua_type(L, index) == LUA_TTABLE;

    if (fits) {
        lua_pushnil(L);
        lua_setmetatable(L, index);
    }
    do {
        walk->p++;
        if (look(walk) == '}')
            break;
        struct tt_str key = take_string(walk);
        look(walk);
        walk->p++; /* the colon */
        if (fits) {
            push_key(walk, key);
            lua_rawget(L, index);
        } else {
            lua_pushnil(L);
        }
        walk_value(walk, lua_gettop(L));
        lua_pop(L, 1);
    } while (look(walk) == ',');
    walk->p++;
}

static void walk_value(struct walk *walk, int index)
{
    luaL_checkstack(walk->L, 4, "json.decode");
    switch (look(walk)) {
    case '[':
        walk_array(walk, index);
        break;
    case '{':
        walk_object(walk, index);
        break;
    case '"':
        take_string(walk);
        break;
    default:
        skip_scalar(walk);
    }
}

void tt_value_mark_empty_arrays(lua_State *L, struct tt_str text)
{
    struct walk walk = {.L = L, .p = text.data, .end = text.data + text.len};
    if (has_empty_array(text))
        walk_value(&walk, lua_gettop(L));
}
