#include "serve/route_schema.h"

#include "base/log.h"
#include "base/map.h"
#include "script/schema.h"

struct undeclared {
    struct tt_generation *generation;
    const struct tt_route *route;
};

/* One line for each route and member, whichever worker meets it first. */
static void on_undeclared(void *arg, struct tt_str place)
{
    const struct undeclared *undeclared = arg;
    struct tt_generation *generation = undeclared->generation;
    const struct tt_route *route = undeclared->route;
    struct tt_buf key = {0};

    tt_buf_printf(&key, "%.*s %.*s %.*s", TT_STR_ARG(route->method), TT_STR_ARG(route->path),
                  TT_STR_ARG(place));
    pthread_mutex_lock(&generation->undeclared_lock);
    bool known = tt_map_put(generation->undeclared, tt_buf_str(&key), generation) != NULL;
    pthread_mutex_unlock(&generation->undeclared_lock);
    if (!known)
        tt_log(TT_LOG_WARN, "the response schema does not declare this member",
               TT_F_STR("method", route->method), TT_F_STR("route", route->path),
               TT_F_STR("member", place));
    tt_buf_free(&key);
}

void tt_route_encode(lua_State *L, struct tt_request *request, int index, struct tt_buf *out)
{
    struct undeclared undeclared = {request->generation, request->route};
    struct tt_schema_listener listener = {on_undeclared, &undeclared};
    int top = lua_gettop(L);

    lua_rawgeti(L, LUA_REGISTRYINDEX, request->vm->routes_ref);
    lua_rawgeti(L, -1, request->route_index + 1);
    lua_pushliteral(L, "response");
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        tt_schema_write(L, tt_schema_of(L, -1), index,
                        request->dispatcher->settings->dev ? &listener : NULL, out);
    } else {
        tt_value_encode(L, index, out);
    }
    lua_settop(L, top);
}

int tt_route_compile_schemas(lua_State *L)
{
    static const char *const parts[] = {"response", "request", "query", "params", "form"};

    tt_vm_push_app(L);
    lua_getfield(L, -1, "routes");
    int routes = lua_gettop(L);

    for (lua_Integer i = 1; lua_rawgeti(L, routes, i) == LUA_TTABLE; i++) {
        for (size_t k = 0; k < TT_COUNT(parts); k++) {
            lua_pushstring(L, parts[k]);
            if (lua_rawget(L, routes + 1) == LUA_TTABLE)
                tt_schema_of(L, -1);
            lua_settop(L, routes + 1);
        }
        lua_settop(L, routes);
    }
    return 0;
}
