/* Checking a generation: the result of app.lua becomes plain C data on the way, and the scripts'
 * self tests run last. The first state is checked; all are made from the same bytes, so the others
 * agree. */
#include "serve/generation_check.h"

#include "base/map.h"
#include "script/global_names.h"
#include "script/old_names.h"
#include "script/private_modules.h"
#include "script/source_waits.h"
#include "script/value.h"

struct check {
    struct tt_generation *generation;
    const struct tt_serve_settings *settings; /* NULL when only advice is wanted */
    struct tt_diagnostics *diagnostics;
};

/* Takes the text on top of the stack as a diagnostic. */
static void add_diagnostic(lua_State *L, struct check *check, const char *file)
{
    struct tt_str text;

    text.data = luaL_tolstring(L, -1, &text.len);
    tt_diagnostics_add(check->diagnostics, file, text);
    lua_pop(L, 2);
}

/* ---- reading app.errors ---- */

static void read_door(lua_State *L, struct tt_generation *generation, int entry,
                      struct tt_error_text *text)
{
    if (lua_getfield(L, entry, "door") == LUA_TTABLE) {
        int door = lua_gettop(L);
        text->door_status = (int)tt_value_field_int(L, door, "status", 0);
        text->door_code = tt_arena_str(&generation->arena, tt_value_field(L, door, "code"));
        if (text->door_status != 0 && (text->door_status < 400 || text->door_status > 599))
            luaL_error(L, "'%s': the status of 'door' must be 400-599", text->code.data);
    }
    lua_pop(L, 1);
}

static void read_error(lua_State *L, struct tt_generation *generation, int entry,
                       struct tt_str code)
{
    struct tt_error_text *text = tt_arena_alloc(&generation->arena, sizeof(*text));

    text->code = tt_arena_str(&generation->arena, code);
    text->status = (int)tt_value_field_int(L, entry, "status", 0);
    text->en = tt_arena_str(&generation->arena, tt_value_field(L, entry, "en"));
    text->zh = tt_arena_str(&generation->arena, tt_value_field(L, entry, "zh"));
    if (lua_getfield(L, entry, "retry") != LUA_TNIL)
        text->retry = lua_toboolean(L, -1) ? TT_ERROR_RETRY_YES : TT_ERROR_RETRY_NO;
    lua_pop(L, 1);
    read_door(L, generation, entry, text);
    if (text->status < 400 || text->status > 599 || text->en.len == 0 || text->zh.len == 0)
        luaL_error(L, "'%s' needs status (400-599), en and zh", text->code.data);
    tt_map_put(generation->errors, text->code, text);
}

static int read_errors(lua_State *L)
{
    struct tt_generation *generation = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    if (lua_getfield(L, -1, "errors") != LUA_TTABLE)
        return luaL_error(L, "'errors' must be a table");
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        struct tt_str code;
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TTABLE)
            return luaL_error(L, "'errors' maps codes to tables");
        code.data = lua_tolstring(L, -2, &code.len);
        if (code.len >= sizeof(((struct tt_err *)0)->code))
            return luaL_error(L, "the error code '%s' is too long", code.data);
        read_error(L, generation, lua_gettop(L), code);
        lua_pop(L, 1);
    }
    if (!tt_map_get(generation->errors, TT_STR("internal_error")))
        return luaL_error(L, "the error code 'internal_error' is missing");
    return 0;
}

/* ---- reading app.error_shapes ---- */

static bool read_shape(struct tt_str name, enum tt_error_shape *shape)
{
    if (tt_str_eq(name, TT_STR("openai")))
        *shape = TT_ERROR_OPENAI;
    else if (tt_str_eq(name, TT_STR("anthropic")))
        *shape = TT_ERROR_ANTHROPIC;
    else
        return false;
    return true;
}

/* A list of {prefix, shape}; absent = all errors have the API's own shape. */
static int read_error_shapes(lua_State *L)
{
    struct tt_generation *generation = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    if (lua_getfield(L, -1, "error_shapes") == LUA_TNIL)
        return 0;
    if (!lua_istable(L, -1))
        return luaL_error(L, "'error_shapes' must be a list");
    int table = lua_gettop(L);
    size_t count = lua_rawlen(L, table);
    generation->error_areas =
        tt_arena_alloc(&generation->arena, (count + 1) * sizeof(struct tt_error_area));
    for (size_t i = 1; i <= count; i++) {
        struct tt_error_area *area = &generation->error_areas[i - 1];
        if (lua_rawgeti(L, table, (lua_Integer)i) != LUA_TTABLE)
            return luaL_error(L, "'error_shapes' holds a %s", luaL_typename(L, -1));
        int entry = lua_gettop(L);
        area->prefix = tt_arena_str(&generation->arena, tt_value_field(L, entry, "prefix"));
        if (area->prefix.len == 0 || !read_shape(tt_value_field(L, entry, "shape"), &area->shape))
            return luaL_error(L, "'error_shapes' needs a prefix and the shape \"openai\" or "
                                 "\"anthropic\"");
        lua_pop(L, 1);
    }
    generation->error_area_count = count;
    return 0;
}

/* ---- reading app.routes ---- */

static void read_access(lua_State *L, int entry, struct tt_route *route)
{
    struct tt_str listener = tt_value_field(L, entry, "listener");
    struct tt_str auth = tt_value_field(L, entry, "auth");

    if (tt_str_eq(auth, TT_STR("none")))
        route->auth = TT_AUTH_NONE;
    else if (tt_str_eq(auth, TT_STR("user")))
        route->auth = TT_AUTH_USER;
    else if (tt_str_eq(auth, TT_STR("admin")))
        route->auth = TT_AUTH_ADMIN;
    else
        luaL_error(L, "'auth' must be \"none\", \"user\" or \"admin\"");
    if (!listener.data || tt_str_eq(listener, TT_STR("public")))
        route->listener = TT_LISTENER_PUBLIC;
    else if (tt_str_eq(listener, TT_STR("admin")))
        route->listener = TT_LISTENER_ADMIN;
    else
        luaL_error(L, "'listener' must be \"public\" or \"admin\"");
}

/* Where the function on top of the stack is written. */
static void read_place(lua_State *L, struct tt_generation *generation, struct tt_route *route)
{
    lua_Debug where = {0};

    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &where);
    route->file = tt_arena_str(&generation->arena, tt_str_from(where.short_src));
    route->line = where.linedefined > 0 ? where.linedefined : 1;
}

static bool is_core_route(const struct tt_generation *generation, const struct tt_route *route)
{
    struct tt_router_match match;

    tt_router_match(generation->router[route->listener], route->method, route->path, &match);
    return match.value >= 0 && (size_t)match.value < generation->core_route_count;
}

/* 1 = the check, 2 = app.routes, 3 = number of the entry, from 1. */
static int read_route(lua_State *L)
{
    const struct check *check = lua_touserdata(L, 1);
    const struct tt_serve_settings *settings = check->settings;
    struct tt_generation *generation = check->generation;
    lua_Integer number = lua_tointeger(L, 3);
    struct tt_route *route = &generation->routes[number - 1];
    struct tt_err err = {0};

    if (lua_rawgeti(L, 2, number) != LUA_TTABLE)
        return luaL_error(L, "is a %s, not a table", luaL_typename(L, -1));
    int entry = lua_gettop(L);
    route->method = tt_arena_str(&generation->arena, tt_value_field(L, entry, "method"));
    route->path = tt_arena_str(&generation->arena, tt_value_field(L, entry, "path"));
    if (route->method.len == 0 || route->path.len == 0)
        return luaL_error(L, "needs 'method' and 'path'");
    read_access(L, entry, route);
    if (lua_getfield(L, entry, "handler") != LUA_TFUNCTION)
        return luaL_error(L, "'handler' is a %s, not a function", luaL_typename(L, -1));
    read_place(L, generation, route);
    route->reads_body = lua_getfield(L, entry, "request") != LUA_TNIL;
    lua_getfield(L, entry, "refused");
    route->refused = lua_toboolean(L, -1);
    lua_getfield(L, entry, "upload");
    route->upload = lua_toboolean(L, -1);
    route->reads_form = lua_getfield(L, entry, "form") != LUA_TNIL && !route->upload;
    if (route->reads_body && (route->upload || route->reads_form))
        return luaL_error(L, "'%s' and 'request' exclude each other",
                          route->upload ? "upload" : "form");
    size_t usual = route->upload ? settings->upload_max + TT_UPLOAD_OVERHEAD : settings->body_max;
    int64_t body_max = tt_value_field_int(L, entry, "body_max", (int64_t)usual);
    if (body_max < 0)
        return luaL_error(L, "'body_max' is negative");
    route->body_max = (size_t)body_max;
    if (settings->route_stats)
        route->stats = tt_route_stats_of(settings->route_stats, route->method, route->path);
    if (tt_router_add(generation->router[route->listener], route->method, route->path,
                      (int)(generation->core_route_count + number) - 1, &err) == 0)
        return 0;
    return is_core_route(generation, route)
               ? luaL_error(L, "the core answers this route; choose another path")
               : luaL_error(L, "%s", err.message);
}

/* Names a route for a diagnostic, with the place of its handler when it has one. On the stack: the
 * diagnostic at 1, the routes at 2, the number of the entry at 3. */
static int name_route(lua_State *L)
{
    lua_Debug where = {.linedefined = 1};
    const char *file = "app.lua", *method = NULL, *path = NULL;

    if (lua_rawgeti(L, 2, lua_tointeger(L, 3)) == LUA_TTABLE) {
        method = lua_getfield(L, 4, "method") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        path = lua_getfield(L, 4, "path") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        lua_getfield(L, 4, "handler");
        if (lua_isfunction(L, -1) && !lua_iscfunction(L, -1) && lua_getinfo(L, ">S", &where))
            file = where.short_src;
    }
    lua_pushfstring(L, "%s:%d: route %I (%s %s): %s", file, where.linedefined,
                    (LUAI_UACINT)lua_tointeger(L, 3), method ? method : "?", path ? path : "?",
                    luaL_tolstring(L, 1, NULL));
    return 1;
}

/* Reads all routes, so that all diagnostics are reported. */
static int read_routes(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    struct tt_generation *generation = check->generation;

    tt_vm_push_app(L);
    lua_getfield(L, -1, "routes");
    lua_remove(L, 2);
    generation->route_count = lua_rawlen(L, 2);
    generation->routes =
        tt_arena_alloc(&generation->arena, (generation->route_count + 1) * sizeof(struct tt_route));
    for (size_t i = 1; i <= generation->route_count; i++) {
        lua_pushcfunction(L, read_route);
        lua_pushlightuserdata(L, check);
        lua_pushvalue(L, 2);
        lua_pushinteger(L, (lua_Integer)i);
        if (lua_pcall(L, 3, 0, 0) == LUA_OK)
            continue;
        lua_pushcfunction(L, name_route);
        lua_insert(L, -2);
        lua_pushvalue(L, 2);
        lua_pushinteger(L, (lua_Integer)i);
        lua_call(L, 3, 1);
        add_diagnostic(L, check, "app.lua");
    }
    return 0;
}

/* ---- running app.self_tests and app.advice ---- */

/* A diagnostic of a script: a text, or {message=, at=, code=}, where `at` is the function that it
 * is about, and `code` replaces the phase. */
static void read_complaint(lua_State *L, struct check *check)
{
    int diagnostic = lua_gettop(L);
    const char *phase = check->diagnostics->phase;
    lua_Debug where;

    if (lua_istable(L, diagnostic)) {
        if (lua_getfield(L, diagnostic, "code") == LUA_TSTRING)
            check->diagnostics->phase =
                tt_arena_str(&check->diagnostics->arena, tt_str_from(lua_tostring(L, -1))).data;
        lua_getfield(L, diagnostic, "message");
        if (lua_getfield(L, diagnostic, "at") == LUA_TFUNCTION && !lua_iscfunction(L, -1)) {
            lua_getinfo(L, ">S", &where);
            lua_pushfstring(L, "%s:%d: %s", where.short_src, where.linedefined,
                            luaL_tolstring(L, -1, NULL));
        } else {
            lua_pop(L, 1);
        }
    }
    add_diagnostic(L, check, "app.lua");
    check->diagnostics->phase = phase;
    lua_settop(L, diagnostic - 1);
}

/* 1 = check, 2 = the function; its results are diagnostics. */
static int run_one(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);

    lua_settop(L, 2);
    lua_call(L, 0, 1);
    if (lua_isnil(L, 2))
        return 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++)
        read_complaint(L, check);
    return 0;
}

static int run_list(lua_State *L, const char *name)
{
    struct check *check = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    int type = lua_getfield(L, -1, name);
    if (type == LUA_TNIL)
        return 0;
    if (type != LUA_TTABLE)
        return luaL_error(L, "'%s' must be a list of functions", name);
    int table = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, table, i) != LUA_TNIL; i++) {
        lua_pushcfunction(L, run_one);
        lua_insert(L, -2);
        lua_pushvalue(L, 1);
        lua_insert(L, -2);
        if (lua_pcall(L, 2, 0, 0) != LUA_OK)
            add_diagnostic(L, check, "app.lua");
    }
    return 0;
}

static int run_self_tests(lua_State *L)
{
    return run_list(L, "self_tests");
}

static int run_advice(lua_State *L)
{
    return run_list(L, "advice");
}

/* ---- all of it ---- */

/* Before the scripts' routes, so that one of these which is there already is the mistake. */
static int add_core_routes(struct tt_generation *generation,
                           const struct tt_serve_settings *settings,
                           struct tt_diagnostics *diagnostics)
{
    struct tt_err err = {0};

    generation->core_routes = settings->core_routes;
    generation->core_route_count = settings->core_route_count;
    for (size_t i = 0; i < settings->core_route_count; i++) {
        const struct tt_core_route *route = &settings->core_routes[i];
        if (tt_router_add(generation->router[route->listener], tt_str_from(route->method),
                          tt_str_from(route->path), (int)i, &err) != 0) {
            tt_diagnostics_add(diagnostics, "", tt_str_from(err.message));
            return -1;
        }
    }
    return 0;
}

int tt_generation_check(struct tt_generation *generation, const struct tt_serve_settings *settings,
                        struct tt_diagnostics *diagnostics)
{
    struct check check = {generation, settings, diagnostics};
    struct tt_vm *vm = generation->vms[0];
    size_t before = diagnostics->count;
    int failed;

    diagnostics->phase = "errors";
    failed = tt_vm_call(vm, read_errors, generation, "app.lua", diagnostics);
    failed |= tt_vm_call(vm, read_error_shapes, generation, "app.lua", diagnostics);
    diagnostics->phase = "routes";
    failed |= add_core_routes(generation, settings, diagnostics);
    failed |= tt_vm_call(vm, read_routes, &check, "app.lua", diagnostics);
    diagnostics->phase = "self_tests";
    if (diagnostics->count == before)
        failed |= tt_vm_call(vm, run_self_tests, &check, "app.lua", diagnostics);
    return failed || diagnostics->count > before ? -1 : 0;
}

/* A copy of app.lua from before there were plugins does not load them. */
static int look_for_plugins(lua_State *L)
{
    struct check *check = lua_touserdata(L, 1);
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;

    tt_vm_push_app(L);
    if (bundle->plugin_count == 0 || lua_getfield(L, -1, "plugins") == LUA_TTABLE)
        return 0;
    check->diagnostics->phase = "unused_file";
    lua_pushfstring(L,
                    "app.lua:1: the plugin %s is not loaded: this app.lua is older than plugins; "
                    "take over the lines with 'plugin' of the server's own lua/app.lua",
                    bundle->plugins[0].data);
    add_diagnostic(L, check, "app.lua");
    return 0;
}

void tt_generation_advise(struct tt_generation *generation, struct tt_diagnostics *advice)
{
    struct check check = {generation, NULL, advice};

    advice->phase = "advice";
    tt_vm_call(generation->vms[0], run_advice, &check, "app.lua", advice);
    tt_vm_call(generation->vms[0], look_for_plugins, &check, "app.lua", advice);
    tt_vm_call(generation->vms[0], tt_old_names_advise, advice, "app.lua", advice);
    tt_vm_call(generation->vms[0], tt_private_modules_advise, advice, "app.lua", advice);
    tt_vm_call(generation->vms[0], tt_global_names_advise, advice, "app.lua", advice);
    tt_vm_call(generation->vms[0], tt_source_waits_advise, advice, "app.lua", advice);
}
