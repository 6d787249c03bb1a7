/* Arguments, results and errors are those of Lua's own functions. */
#include "script/strings.h"

#include "script/pattern.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static void prepare(struct tt_pattern *ms, lua_State *L, const char *subject, size_t subject_len,
                    const char *pattern, size_t pattern_len)
{
    ms->L = L;
    ms->subject = subject;
    ms->subject_end = subject + subject_len;
    ms->end = pattern + pattern_len;
    ms->steps = 0;
}

/* ---- captures ---- */

static void push_capture(struct tt_pattern *ms, int which, const char *from, const char *to)
{
    if (which >= ms->level) {
        if (which != 0)
            luaL_error(ms->L, "invalid capture index %%%d", which + 1);
        lua_pushlstring(ms->L, from, (size_t)(to - from));
        return;
    }
    ptrdiff_t len = ms->captures[which].len;
    if (len == TT_CAPTURE_UNFINISHED)
        luaL_error(ms->L, "unfinished capture");
    if (len == TT_CAPTURE_POSITION)
        lua_pushinteger(ms->L, ms->captures[which].from - ms->subject + 1);
    else
        lua_pushlstring(ms->L, ms->captures[which].from, (size_t)len);
}

/* All of them; the whole match when there is none and `from` is given. */
static int push_captures(struct tt_pattern *ms, const char *from, const char *to)
{
    int count = ms->level == 0 && from ? 1 : ms->level;

    luaL_checkstack(ms->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(ms, i, from, to);
    return count;
}

/* ---- find, match ---- */

/* Where a search begins, from 0; more than len when it is behind the end. */
static size_t start_of(lua_State *L, int index, size_t len)
{
    lua_Integer start = luaL_optinteger(L, index, 1);

    if (start > 0)
        return (size_t)start - 1;
    if (start == 0 || start < -(lua_Integer)len)
        return 0;
    return len + (size_t)start;
}

static bool is_plain(const char *pattern, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (pattern[i] && strchr("^$*+?.([%-", pattern[i]))
            return false;
    return true;
}

static int push_plain(lua_State *L, const char *subject, size_t len, size_t start,
                      const char *wanted, size_t wanted_len)
{
    const char *found = memmem(subject + start, len - start, wanted, wanted_len);

    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, found - subject + 1);
    lua_pushinteger(L, found - subject + (lua_Integer)wanted_len);
    return 2;
}

static int search(lua_State *L, bool find)
{
    struct tt_pattern ms;
    size_t len, pattern_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *pattern = luaL_checklstring(L, 2, &pattern_len);
    size_t start = start_of(L, 3, len);

    if (start > len) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(pattern, pattern_len)))
        return push_plain(L, subject, len, start, pattern, pattern_len);
    bool anchored = *pattern == '^';
    prepare(&ms, L, subject, len, pattern, pattern_len);
    for (const char *from = subject + start; from <= ms.subject_end; from++) {
        const char *to = tt_pattern_match(&ms, from, pattern + anchored);
        if (to && find) {
            lua_pushinteger(L, from - subject + 1);
            lua_pushinteger(L, to - subject);
            return push_captures(&ms, NULL, NULL) + 2;
        }
        if (to)
            return push_captures(&ms, from, to);
        if (anchored)
            break;
    }
    luaL_pushfail(L);
    return 1;
}

int tt_strings_find(lua_State *L)
{
    return search(L, true);
}

int tt_strings_match(lua_State *L)
{
    return search(L, false);
}

/* ---- gmatch ---- */

struct walk {
    size_t next; /* where to go on, from 0 */
    size_t last; /* where the last match ended; SIZE_MAX at first */
};

/* Upvalues: subject, pattern, walk. */
static int next_match(lua_State *L)
{
    struct tt_pattern ms;
    size_t len, pattern_len;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
    struct walk *walk = lua_touserdata(L, lua_upvalueindex(3));

    prepare(&ms, L, subject, len, pattern, pattern_len);
    for (; walk->next <= len; walk->next++) {
        const char *from = subject + walk->next, *to = tt_pattern_match(&ms, from, pattern);
        if (to && (size_t)(to - subject) != walk->last) {
            walk->next = walk->last = (size_t)(to - subject);
            return push_captures(&ms, from, to);
        }
    }
    return 0;
}

int tt_strings_gmatch(lua_State *L)
{
    size_t len;

    luaL_checklstring(L, 1, &len);
    luaL_checklstring(L, 2, NULL);
    size_t start = start_of(L, 3, len);
    lua_settop(L, 2);
    struct walk *walk = lua_newuserdatauv(L, sizeof(*walk), 0);
    *walk = (struct walk){start > len ? len + 1 : start, SIZE_MAX};
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

/* ---- gsub ---- */

static void add_text(struct tt_pattern *ms, luaL_Buffer *out, const char *from, const char *to)
{
    size_t len;
    const char *text = lua_tolstring(ms->L, 3, &len), *end = text + len, *mark;

    while ((mark = memchr(text, '%', (size_t)(end - text)))) {
        luaL_addlstring(out, text, (size_t)(mark - text));
        mark++;
        if (*mark == '%') {
            luaL_addchar(out, '%');
        } else if (*mark == '0') {
            luaL_addlstring(out, from, (size_t)(to - from));
        } else if (*mark >= '1' && *mark <= '9') {
            push_capture(ms, *mark - '1', from, to);
            luaL_tolstring(ms->L, -1, NULL); /* a position is a number */
            lua_remove(ms->L, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(ms->L, "invalid use of '%%' in replacement string");
        }
        text = mark + 1;
    }
    luaL_addlstring(out, text, (size_t)(end - text));
}

/* Returns whether something else than the match itself was added. */
static bool add_replacement(struct tt_pattern *ms, luaL_Buffer *out, const char *from,
                            const char *to, int type)
{
    lua_State *L = ms->L;

    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(ms, from, to), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(ms, 0, from, to);
        lua_gettable(L, 3);
    } else {
        add_text(ms, out, from, to);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, from, (size_t)(to - from));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(out);
    return true;
}

int tt_strings_gsub(lua_State *L)
{
    struct tt_pattern ms;
    luaL_Buffer out;
    size_t len, pattern_len;
    const char *subject = luaL_checklstring(L, 1, &len), *from = subject, *last = NULL;
    const char *pattern = luaL_checklstring(L, 2, &pattern_len);
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1), count = 0;
    bool anchored = *pattern == '^', changed = false;

    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    luaL_buffinit(L, &out);
    prepare(&ms, L, subject, len, pattern, pattern_len);
    while (count < most) {
        const char *to = tt_pattern_match(&ms, from, pattern + anchored);
        if (to && to != last) {
            count++;
            changed = add_replacement(&ms, &out, from, to, type) || changed;
            from = last = to;
        } else if (from < ms.subject_end) {
            luaL_addchar(&out, *from++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    if (changed) {
        luaL_addlstring(&out, from, (size_t)(ms.subject_end - from));
        luaL_pushresult(&out);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}
