/* The names that a line assigns are in a separate table in front of the frozen globals: so a
 * session can keep values, and scripts see none of them. */
#include "script/eval.h"

#include "base/mem.h"
#include "script/task.h"

#include <stdlib.h>

#define DEPTH_MAX   4
#define ENTRIES_MAX 200

static const char names_key;

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
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, find_name);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
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

/* Protected: 1 = the source. Returns the function, or nil and the diagnostic. */
static int compile(lua_State *L)
{
    size_t len;
    const char *source = luaL_checklstring(L, 1, &len);

    lua_pushfstring(L, "return %s", source);
    if (luaL_loadbufferx(L, lua_tostring(L, -1), len + 7, "=line", "t") != LUA_OK &&
        luaL_loadbufferx(L, source, len, "=line", "t") != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    push_names(L);
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
