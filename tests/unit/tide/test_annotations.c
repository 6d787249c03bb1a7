/* The annotations in lua/types/ against the real modules, both ways; and what each function says
 * when it is called in a phase that it is not for. The annotations are read by the same script that
 * makes docs/lua-api.md. */
#include "script/support.h"
#include "serve/request.h"

#include <lualib.h>

#define SOURCE TT_TEST_DATA "/../.."

struct annotations {
    char *lines; /* "\nfunction db.query wait\nmodule tide.db\n…" */
    char *diagnostics;
};

static int setup(void **state)
{
    struct annotations *annotations = TT_NEW(struct annotations);
    struct tt_buf lines = {0};
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    if (luaL_dofile(L, SOURCE "/scripts/annotations.lua") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_getfield(L, -1, "names");
    lua_pushliteral(L, SOURCE "/lua/types");
    if (lua_pcall(L, 1, 2, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    tt_buf_printf(&lines, "\n%s", lua_tostring(L, -2));
    annotations->lines = lines.data;
    annotations->diagnostics = tt_strndup(lua_tostring(L, -1), lua_rawlen(L, -1));
    lua_close(L);
    *state = annotations;
    return 0;
}

static int teardown(void **state)
{
    struct annotations *annotations = *state;
    free(annotations->lines);
    free(annotations->diagnostics);
    free(annotations);
    return 0;
}

/* ---- the real ones ---- */

static void add_functions(lua_State *L, int table, const char *kind, const char *owner,
                          const char *mark, struct tt_buf *out)
{
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) == LUA_TSTRING)
            tt_buf_printf(out, "%s %s%s%s\n", lua_isfunction(L, -1) ? kind : "field", owner, mark,
                          lua_tostring(L, -2));
        lua_pop(L, 1);
    }
}

/* LOADED["tide.x"]. */
static void add_modules(lua_State *L, struct tt_buf *out)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        const char *name = lua_tostring(L, -2);
        if (strncmp(name, "tide.", 5) == 0 && strcmp(name, "tide.files") != 0) {
            tt_buf_printf(out, "module %s\n", name);
            add_functions(L, lua_gettop(L), "function", name + 5, ".", out);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Metatables "tide.Class" whose __index is a table, or a function that looks into one. */
static void add_methods(lua_State *L, struct tt_buf *out)
{
    lua_pushnil(L);
    while (lua_next(L, LUA_REGISTRYINDEX)) {
        int value = lua_gettop(L);
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        if (strncmp(name, "tide.", 5) == 0 && lua_istable(L, -1)) {
            lua_getfield(L, value, "__index");
            if (lua_iscfunction(L, -1))
                lua_getupvalue(L, -1, 1);
            if (lua_istable(L, -1))
                add_functions(L, lua_gettop(L), "method", name, ":", out);
        }
        lua_settop(L, value - 1);
    }
}

static char *real_names(struct rig *rig)
{
    struct tt_buf out = {0};
    lua_State *L;

    rig_put(rig, "lua/tide/files.lua", "return {}"); /* takes the place of the core's */
    rig_load_body(rig, "return 1");
    L = rig->generation->vms[0]->L;
    tt_request_push_metatable(L);
    tt_buf_putc(&out, '\n');
    add_modules(L, &out);
    add_methods(L, &out);
    lua_settop(L, 0);
    return out.data;
}

/* ---- both ways ---- */

static bool next_line(const char **at, char line[256])
{
    const char *end = strchr(*at, '\n');
    if (!end)
        return false;
    snprintf(line, 256, "%.*s", (int)(end - *at), *at);
    *at = end + 1;
    return true;
}

/* Whether a line begins with these words and goes on with a space or ends. */
static bool has_line(const char *lines, const char *words)
{
    char pattern[300];
    size_t len = (size_t)snprintf(pattern, sizeof(pattern), "\n%s", words);
    for (const char *at = lines; (at = strstr(at, pattern)); at++)
        if (at[len] == '\n' || at[len] == ' ')
            return true;
    return false;
}

static void annotations_are_complete(void **state)
{
    struct annotations *annotations = *state;
    if (*annotations->diagnostics)
        fail_msg("\n%s", annotations->diagnostics);
}

static void whatever_is_there_is_annotated(void **state)
{
    struct annotations *annotations = *state;
    struct rig *rig = rig_new();
    char *real = real_names(rig), line[256];
    const char *at = real + 1;
    int count = 0;

    while (next_line(&at, line)) {
        count++;
        if (!has_line(annotations->lines, line))
            fail_msg("lua/types does not know: %s", line);
    }
    assert_true(count > 60);
    free(real);
    rig_free(rig);
}

static void whatever_is_annotated_is_there(void **state)
{
    struct annotations *annotations = *state;
    struct rig *rig = rig_new();
    char *real = real_names(rig), line[256];
    const char *at = annotations->lines + 1;
    int count = 0;

    while (next_line(&at, line)) {
        if (strncmp(line, "method", 6) == 0 && !strchr(line, ':'))
            continue; /* what scripts define: hooks */
        char *phase = strchr(strchr(line, ' ') + 1, ' ');
        if (phase)
            *phase = 0;
        count++;
        if (!has_line(real, line))
            fail_msg("only lua/types knows: %s", line);
    }
    assert_true(count > 60);
    free(real);
    rig_free(rig);
}

/* ---- phases ---- */

/* An app that calls a function without arguments while it loads or in its handler, caught, and
 * returns the diagnostic. */
static const char *call(struct rig *rig, const char *name, bool while_loading)
{
    struct tt_buf text = {0};
    const char *dot = strchr(name, '.');

    tt_buf_printf(&text,
                  "local function call() return select(2, pcall(require('tide.%.*s').%s)) end\n"
                  "local told = %s\n"
                  "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
                  "  return tostring(told or call())\nend}\n",
                  (int)(dot - name), name, dot + 1, while_loading ? "tostring(call())" : "nil");
    rig_put(rig, "lua/app.lua", text.data);
    tt_buf_free(&text);
    rig_load(rig);
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    return rig->result;
}

static void check_phase(struct rig *rig, const char *name, const char *phase)
{
    char never_loading[400], only_loading[400];
    bool task = strcmp(phase, "task") == 0 || strcmp(phase, "wait") == 0;

    snprintf(never_loading, sizeof(never_loading), "%s cannot be called while a module loads",
             name);
    snprintf(only_loading, sizeof(only_loading), "%s can only be called while a module loads",
             name);
    const char *told = call(rig, name, true);
    if (strstr(told, "while a module loads") ? !task || !strstr(told, never_loading) : task)
        fail_msg("%s (%s), while loading: %s", name, phase, told);
    told = call(rig, name, false);
    bool refused = strstr(told, only_loading) != NULL;
    if (refused != (strcmp(phase, "load") == 0) || strstr(told, never_loading))
        fail_msg("%s (%s), in a task: %s", name, phase, told);
}

static void each_function_tells_its_phase(void **state)
{
    struct annotations *annotations = *state;
    struct rig *rig = rig_new();
    const char *at = annotations->lines + 1;
    char line[256];
    int count = 0;

    rig_open_db(rig, NULL);
    rig_open_client(rig);
    struct tt_cache_settings cache = {.memory = 1 << 20, .value_max = 1024};
    struct tt_cache_store *store = tt_cache_store_new(&cache, &rig->err);
    rig->tide.cache = tt_cache_new(store, rig->loop, rig->resolver);
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    while (next_line(&at, line)) {
        if (strncmp(line, "function ", 9) != 0)
            continue;
        if (strncmp(line + 9, "test.", 5) == 0)
            continue; /* says first of all that it is for `tidetalk test` only */
        char *phase = strchr(line + 9, ' ');
        *phase++ = 0;
        check_phase(rig, line + 9, phase);
        count++;
    }
    assert_true(count > 40);
    tt_cache_free(rig->tide.cache);
    rig_free(rig);
    tt_cache_store_free(store);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotations_are_complete),
        cmocka_unit_test(whatever_is_there_is_annotated),
        cmocka_unit_test(whatever_is_annotated_is_there),
        cmocka_unit_test(each_function_tells_its_phase),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
