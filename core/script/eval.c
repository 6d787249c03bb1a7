/* The names that a line assigns are in a separate table in front of the frozen globals: so a
 * session can keep values, and scripts see none of them. Locals of the line itself (not those in
 * its blocks and functions) become such names before it is compiled. */
#include "script/eval.h"

#include "base/mem.h"
#include "script/inspect.h"
#include "script/lua_source.h"
#include "script/task.h"
#include "script/value.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX   4
#define ENTRIES_MAX 200

static const char names_key, locals_key; /* the second: names of locals, which may be nil */

struct eval {
    int function; /* registry reference */
    struct tt_buf text;
    bool failed;
    void (*done)(void *arg, enum tt_eval_result result, struct tt_str text);
    void *arg;
};

/* ---- names ---- */

/* 1 = the table of names, 2 = a name that it does not have. */
static int find_name(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &locals_key);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 0;
    lua_settop(L, 2);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushfstring(L, "tide.%s", luaL_tolstring(L, 2, NULL));
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 1;
    lua_pushglobaltable(L);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    return 1;
}

static void push_names(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &names_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushcfunction(L, tt_inspect);
    lua_setfield(L, -2, "inspect");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, find_name);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &locals_key);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &names_key);
}

/* ---- results ---- */

static void show(lua_State *L, int index, int depth, struct tt_buf *out);

static void show_key(lua_State *L, int index, struct tt_buf *out)
{
    if (lua_type(L, index) == LUA_TSTRING)
        tt_buf_printf(out, "%s = ", lua_tostring(L, index));
    else
        tt_buf_printf(out, "[%s] = ", luaL_tolstring(L, index, NULL));
}

static void show_table(lua_State *L, int index, int depth, struct tt_buf *out)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    int shown = 0;

    tt_buf_putc(out, '{');
    for (lua_pushnil(L); lua_next(L, index); lua_settop(L, index + 1)) {
        int key = index + 1;
        if (shown++)
            tt_buf_append_z(out, ", ");
        if (shown > ENTRIES_MAX) {
            tt_buf_append_z(out, "…");
            break;
        }
        if (!lua_isinteger(L, key) || lua_tointeger(L, key) < 1 || lua_tointeger(L, key) > count)
            show_key(L, key, out);
        lua_settop(L, key + 1);
        show(L, key + 1, depth + 1, out);
    }
    tt_buf_putc(out, '}');
}

/* Leaves the stack as it is up to `index`; above may be anything. */
static void show(lua_State *L, int index, int depth, struct tt_buf *out)
{
    size_t len;

    luaL_checkstack(L, 8, "results");
    lua_pushvalue(L, index);
    int copy = lua_gettop(L);
    if (lua_istable(L, copy) && depth < DEPTH_MAX && !luaL_getmetafield(L, copy, "__tostring")) {
        show_table(L, copy, depth, out);
    } else {
        const char *text = luaL_tolstring(L, copy, &len);
        bool quoted = lua_type(L, copy) == LUA_TSTRING && depth > 0;
        tt_buf_append_z(out, quoted ? "\"" : "");
        tt_buf_append(out, text, len);
        tt_buf_append_z(out, quoted ? "\"" : "");
    }
    lua_settop(L, copy - 1);
}

/* ---- locals ---- */

static void blank(char *text, const struct tt_str source, const struct tt_lua_token *token)
{
    memset(text + (token->text.data - source.data), ' ', token->text.len);
}

/* `local a <const>, b` at the token `i`: its last token. *closes: it has a variable to be closed,
 * which must stay local. */
static size_t end_of_names(const struct tt_lua_source *tokens, size_t i, bool *closes)
{
    *closes = false;
    for (i++;; i += 2) {
        if (tt_lua_source_is(tokens, i + 1, "<")) {
            *closes = *closes || tt_lua_source_is(tokens, i + 2, "close");
            i += 3;
        }
        if (!tt_lua_source_is(tokens, i + 1, ","))
            return i;
    }
}

/* Appends `source`, of which `text` is a copy that is changed on the way, with its own locals as
 * plain names: `local a = 1` as `      a = 1`, `local a` as `      a=nil`. *names gets them, each
 * with a line break. */
static void keep_locals(struct tt_str source, char *text, struct tt_buf *out, struct tt_buf *names)
{
    struct tt_lua_source tokens;
    const char *from = text;
    bool closes;

    tt_lua_source_read(&tokens, source);
    for (size_t i = 0; i < tokens.count; i = tt_lua_source_end(&tokens, i) + 1) {
        if (!tt_lua_source_is(&tokens, i, "local"))
            continue;
        if (tt_lua_source_is(&tokens, i + 1, "function")) {
            blank(text, source, &tokens.tokens[i]);
            continue;
        }
        size_t end = end_of_names(&tokens, i, &closes);
        if (closes || end >= tokens.count)
            continue;
        blank(text, source, &tokens.tokens[i]);
        for (size_t n = i + 1; n <= end; n++) {
            if (tt_lua_source_is(&tokens, n, "<")) {
                for (size_t part = n; part < n + 3; part++)
                    blank(text, source, &tokens.tokens[part]);
                n += 2;
            } else if (tokens.tokens[n].type == TT_LUA_NAME) {
                tt_buf_append_str(names, tokens.tokens[n].text);
                tt_buf_putc(names, '\n');
            }
        }
        if (tt_lua_source_is(&tokens, end + 1, "="))
            continue;
        const struct tt_str last = tokens.tokens[end].text;
        const char *behind = text + (last.data - source.data) + last.len;
        tt_buf_append(out, from, (size_t)(behind - from));
        tt_buf_append_z(out, "=nil");
        from = behind;
    }
    tt_buf_append(out, from, (size_t)(text + source.len - from));
    tt_lua_source_free(&tokens);
}

/* ---- running ---- */

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static int after_call(lua_State *L, int status, lua_KContext context)
{
    struct eval *eval = (struct eval *)context;
    int count = lua_gettop(L);

    eval->failed = status != LUA_OK && status != LUA_YIELD;
    if (eval->failed) {
        tt_buf_append_z(&eval->text, lua_tostring(L, -1) ? lua_tostring(L, -1) : "?");
        return 0;
    }
    for (int i = 2; i <= count; i++) { /* 1 is the message handler */
        show(L, i, 0, &eval->text);
        tt_buf_putc(&eval->text, '\n');
    }
    return 0;
}

static int entry(lua_State *L)
{
    struct eval *eval = lua_touserdata(L, 1);

    lua_settop(L, 0);
    lua_pushcfunction(L, add_traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, eval->function);
    luaL_unref(L, LUA_REGISTRYINDEX, eval->function);
    return after_call(L, lua_pcallk(L, 0, LUA_MULTRET, 1, (lua_KContext)eval, after_call),
                      (lua_KContext)eval);
}

static void on_end(const struct tt_err *error, void *arg)
{
    struct eval *eval = arg;

    if (error) {
        tt_buf_clear(&eval->text);
        tt_buf_append_z(&eval->text, error->message);
    }
    eval->done(eval->arg, error || eval->failed ? TT_EVAL_FAILED : TT_EVAL_DONE,
               tt_buf_str(&eval->text));
    tt_buf_free(&eval->text);
    free(eval);
}

/* Whatever they are, these names are known from now on. */
static void add_locals(lua_State *L, struct tt_str names)
{
    struct tt_str name;

    lua_rawgetp(L, LUA_REGISTRYINDEX, &locals_key);
    while (names.len > 0) {
        tt_str_split(&names, '\n', &name);
        lua_pushlstring(L, name.data, name.len);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
}

/* Protected: 1 = the source. Returns the function, or nil and the diagnostic. */
static int compile(lua_State *L)
{
    size_t len;
    const char *source = luaL_checklstring(L, 1, &len);

    struct tt_buf *kept = tt_value_push_buf(L, SIZE_MAX);
    struct tt_buf *names = tt_value_push_buf(L, SIZE_MAX);
    char *text = lua_newuserdatauv(L, len + 1, 0);
    memcpy(text, source, len);
    keep_locals(tt_str_of(source, len), text, kept, names);
    lua_pushfstring(L, "return %s", source);
    if (luaL_loadbufferx(L, lua_tostring(L, -1), len + 7, "=line", "t") != LUA_OK &&
        luaL_loadbufferx(L, kept->data, kept->len, "=line", "t") != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    push_names(L);
    add_locals(L, tt_buf_str(names));
    lua_setupvalue(L, -2, 1); /* a chunk's first upvalue is _ENV */
    return 1;
}

void tt_eval(struct tt_vm *vm, struct tt_str source,
             void (*done)(void *arg, enum tt_eval_result result, struct tt_str text), void *arg)
{
    lua_State *L = vm->L;
    int top = lua_gettop(L);

    lua_pushcfunction(L, compile);
    lua_pushlstring(L, source.data, source.len);
    int status = lua_pcall(L, 1, 2, 0);
    if (status != LUA_OK || !lua_isfunction(L, top + 1)) {
        const char *message = lua_tostring(L, -1);
        struct tt_str text = tt_str_from(message ? message : "?");
        bool unfinished = tt_str_ends(text, TT_STR("<eof>"));
        done(arg, unfinished ? TT_EVAL_UNFINISHED : TT_EVAL_FAILED, text);
        lua_settop(L, top);
        return;
    }
    struct eval *eval = TT_NEW(struct eval);
    lua_settop(L, top + 1);
    *eval = (struct eval){.function = luaL_ref(L, LUA_REGISTRYINDEX), .done = done, .arg = arg};
    struct tt_task *task = tt_task_new(vm, on_end, eval);
    if (task) {
        tt_task_start(task, entry);
        return;
    }
    luaL_unref(L, LUA_REGISTRYINDEX, eval->function);
    free(eval);
    done(arg, TT_EVAL_FAILED, TT_STR("no memory for a task"));
}
