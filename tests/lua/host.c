/* Runs the specs of tests/lua in the server's own Lua: its sandbox, its tide.* modules, all of lua/
 * loaded. Each spec file gets a state of its own; what describe, it and assert are is in
 * support/spec.lua. Prints TAP.
 *
 * usage: lua_specs SPEC...    in the root of the checkout */
#include "script/support.h"

#define SPEC_LUA "tests/lua/support/spec.lua"

/* ---- what the specs may do beyond what scripts may ---- */

static struct tt_buf read_file(const char *path)
{
    struct tt_buf text = {0};
    FILE *file = fopen(path, "re");
    if (!file)
        return text;
    size_t n;
    do {
        n = fread(tt_buf_reserve(&text, 65536), 1, 65536, file);
        text.len += n;
    } while (n > 0);
    fclose(file);
    return text;
}

/* read(path): the file's text; nil when there is none */
static int host_read(lua_State *L)
{
    struct tt_buf text = read_file(luaL_checkstring(L, 1));
    if (text.data)
        lua_pushlstring(L, text.data, text.len);
    else
        lua_pushnil(L);
    tt_buf_free(&text);
    return 1;
}

static lua_State *listing; /* nftw has no argument for its callback */

static int list_file(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)ftw;
    if (type == FTW_F) {
        lua_pushstring(listing, path);
        lua_rawseti(listing, -2, (lua_Integer)lua_rawlen(listing, -2) + 1);
    }
    return 0;
}

/* files(folder): the paths of all files below it */
static int host_files(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    lua_newtable(L);
    listing = L;
    nftw(folder, list_file, 16, FTW_PHYS);
    return 1;
}

/* compile(path, environment): the file as a function, nil when there is none; raises what is wrong
 */
static int host_compile(lua_State *L)
{
    char name[512];
    const char *path = luaL_checkstring(L, 1);
    struct tt_buf text = read_file(path);
    if (!text.data)
        return 0;
    snprintf(name, sizeof(name), "@%s", path);
    int status = luaL_loadbufferx(L, text.data, text.len, name, "t");
    tt_buf_free(&text);
    if (status != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 2);
    lua_setupvalue(L, -2, 1);
    return 1;
}

static int host_print(lua_State *L)
{
    puts(luaL_checkstring(L, 1));
    return 0;
}

static const luaL_Reg functions[] = {
    {"read", host_read},   {"files", host_files}, {"compile", host_compile},
    {"print", host_print}, {NULL, NULL},
};

/* ---- one spec ---- */

struct spec {
    const char *path;
    int count, failed; /* of all so far */
};

static int run_spec(lua_State *L)
{
    struct spec *spec = lua_touserdata(L, 1);

    lua_pushcfunction(L, host_compile);
    lua_pushliteral(L, SPEC_LUA);
    lua_pushglobaltable(L);
    lua_call(L, 2, 1);
    luaL_newlib(L, functions);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_setfield(L, -2, "loaded");
    lua_pushstring(L, spec->path);
    lua_pushinteger(L, spec->count);
    lua_call(L, 3, 2);
    spec->count = (int)lua_tointeger(L, -2);
    spec->failed += (int)lua_tointeger(L, -1);
    return 0;
}

/* Whether the spec could be run at all. */
static bool run_file(struct spec *spec)
{
    struct tt_diagnostics diagnostics = {0};
    struct rig *rig = rig_new();
    bool ran;

    snprintf(rig->lua, sizeof(rig->lua), "lua");
    snprintf(rig->personas, sizeof(rig->personas), "style.yaml");
    rig->tide.runtime.memory_max = 256u << 20;
    rig->tide.runtime.time_ms = rig->tide.runtime.load_ms = 60000;
    printf("# %s\n", spec->path);
    ran = rig_try_load(rig) &&
          tt_vm_call(rig->generation->vms[0], run_spec, spec, spec->path, &diagnostics) == 0;
    tt_diagnostics_print(&diagnostics, &rig->errors);
    tt_diagnostics_free(&diagnostics);
    if (!ran)
        printf("not ok %d - %s\n%s%s\n", ++spec->count, spec->path, rig->err.message,
               rig->errors.data ? rig->errors.data : "");
    fflush(stdout);
    rig_free(rig);
    return ran;
}

int main(int argc, char **argv)
{
    struct spec spec = {0};

    for (int i = 1; i < argc; i++) {
        spec.path = argv[i];
        spec.failed += !run_file(&spec);
    }
    printf("1..%d\n", spec.count);
    return spec.failed > 0;
}
