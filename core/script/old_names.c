/* Uses are found in the sources, not while they run: so uses in functions that were never called
 * are reported too. A use is `require "old.path"`, or a field of the local that got a module:
 * `local pages = require "lib.pages"` and then `pages.old`. Locals of the same name in inner blocks
 * are not distinguished; that only matters for a field that has an old name as well. */
#include "script/old_names.h"

#include "script/lua_source.h"

#include <stdio.h>
#include <string.h>

static const struct core_name {
    const char *module, *old_name, *new_name;
    const char *difference; /* in what the new one is not the old one by another name; NULL = none,
                               then the old one is made of it */
} core_names[] = {
    {"tide.crypto", "random_hex", "random_hex_digits", "it takes digits, not bytes"},
    {"tide.files", "keep", "store", NULL},
};

#define ONE_RELEASE "; the old name is good for one release"
#define GONE_MODULE "module '%s' is gone: %s"
#define GONE_FIELD  "'%s' of %s is gone: %s"

/* ---- looking names up ---- */

/* Pushes aliases.lua's table of this name and returns true, or pushes nothing. */
static bool push_aliases(lua_State *L, const char *table, lua_CFunction require)
{
    int top = lua_gettop(L);

    if (!tt_bundle_find(tt_vm_of(L)->bundle, TT_STR("aliases.lua")))
        return false;
    lua_pushcfunction(L, require);
    lua_pushliteral(L, "aliases");
    lua_call(L, 1, 1);
    if (lua_istable(L, -1) && lua_getfield(L, -1, table) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_settop(L, top);
    return false;
}

static void require_module(lua_State *L, lua_CFunction require, const char *name, size_t len)
{
    lua_pushcfunction(L, require);
    lua_pushlstring(L, name, len);
    lua_call(L, 1, 1);
}

/* Upvalues: the new module, the old module's fields that are elsewhere, require, those that are
 * gone, the old module's name. */
static int old_index(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(4)) == LUA_TSTRING)
        return luaL_error(L, GONE_FIELD, lua_tostring(L, 2), lua_tostring(L, lua_upvalueindex(5)),
                          lua_tostring(L, -1));
    lua_pop(L, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TSTRING) {
        const char *path = lua_tostring(L, -1), *dot = strrchr(path, '.');
        if (!dot)
            return luaL_error(L, "aliases.lua: '%s' must be a module and its field", path);
        require_module(L, lua_tocfunction(L, lua_upvalueindex(3)), path, (size_t)(dot - path));
        lua_getfield(L, -1, dot + 1);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_gettable(L, lua_upvalueindex(1));
    return 1;
}

/* Pushes what a table of aliases.lua has for a module, a table, or an empty one. True if it is
 * there. */
static bool push_aliases_of(lua_State *L, const char *table, const char *name,
                            lua_CFunction require)
{
    if (push_aliases(L, table, require)) {
        if (lua_getfield(L, -1, name) == LUA_TTABLE) {
            lua_remove(L, -2);
            return true;
        }
        lua_pop(L, 2);
    }
    lua_newtable(L);
    return false;
}

/* Replaces the module at the top by a table that has its fields, and the old module's under their
 * old names, if there are any. They are looked up on use: loading their modules now could go in a
 * circle. */
static void wrap_module(lua_State *L, const char *name, lua_CFunction require)
{
    int module = lua_gettop(L);
    bool moved = push_aliases_of(L, "fields", name, require);
    bool gone = push_aliases_of(L, "removed", name, require);

    if (!moved && !gone) {
        lua_settop(L, module);
        return;
    }
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, module);
    lua_pushvalue(L, module + 1);
    lua_pushcfunction(L, require);
    lua_pushvalue(L, module + 2);
    lua_pushstring(L, name);
    lua_pushcclosure(L, old_index, 5);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, module);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_replace(L, module);
    lua_settop(L, module);
}

static void refuse_removed(lua_State *L, const char *name, lua_CFunction require)
{
    int top = lua_gettop(L);

    if (push_aliases(L, "removed_modules", require) && lua_getfield(L, -1, name) == LUA_TSTRING)
        luaL_error(L, GONE_MODULE, name, lua_tostring(L, -1));
    lua_settop(L, top);
}

bool tt_old_names_push_module(lua_State *L, const char *name, lua_CFunction require)
{
    int top = lua_gettop(L);

    if (strcmp(name, "aliases") == 0 || !push_aliases(L, "modules", require))
        return false;
    if (lua_getfield(L, -1, name) != LUA_TSTRING) {
        lua_settop(L, top);
        refuse_removed(L, name, require);
        return false;
    }
    require_module(L, require, lua_tostring(L, -1), lua_rawlen(L, -1));
    if (lua_istable(L, -1))
        wrap_module(L, name, require);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return true;
}

void tt_old_names_add(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    for (size_t i = 0; i < TT_COUNT(core_names); i++) {
        const struct core_name *name = &core_names[i];
        if (name->difference)
            continue;
        if (lua_getfield(L, -1, name->module) == LUA_TTABLE) { /* else it is in lua/tide */
            lua_getfield(L, -1, name->new_name);
            lua_setfield(L, -2, name->old_name);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- finding uses ---- */

/* One file. */
struct search {
    lua_State *L;
    struct tt_diagnostics *diagnostics;
    const struct tt_bundle_file *file;
    struct tt_lua_source source;
};

/* Where the tables of aliases.lua are on the stack while files are searched; nil when there are
 * none. */
enum { LOADED = 2, MODULES, FIELDS, REMOVED, REMOVED_MODULES };

/* The text of a field of the table at `index` whose key is `key`, or NULL; stays on the stack. */
static const char *look_up(lua_State *L, int index, struct tt_str key)
{
    if (!lua_istable(L, index))
        return NULL;
    lua_pushlstring(L, key.data, key.len);
    return lua_rawget(L, index) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* The tokens' file and line, then the text. */
static void tell(struct search *search, const struct tt_lua_token *token, const char *text)
{
    struct tt_buf line = {0};

    tt_buf_printf(&line, "%s:%d: %s", search->file->path.data, token->line, text);
    tt_diagnostics_add(search->diagnostics, search->file->path.data, tt_buf_str(&line));
    tt_buf_free(&line);
}

static void check_module(struct search *search, const struct tt_lua_token *token)
{
    char path[256], text[512];

    snprintf(path, sizeof(path), "%.*s", TT_STR_ARG(token->text));
    for (char *dot = path; (dot = strchr(dot, '.'));)
        *dot = '/';
    size_t len = strlen(path);
    snprintf(path + len, sizeof(path) - len, ".lua");
    if (tt_bundle_find(tt_vm_of(search->L)->bundle, tt_str_from(path)))
        return; /* of their own */
    const char *now = look_up(search->L, MODULES, token->text);
    const char *gone = now ? NULL : look_up(search->L, REMOVED_MODULES, token->text);
    if (now)
        snprintf(text, sizeof(text), "module '%.*s' is %s now" ONE_RELEASE, TT_STR_ARG(token->text),
                 now);
    else if (gone)
        snprintf(text, sizeof(text), "module '%.*s' is gone: %s", TT_STR_ARG(token->text), gone);
    if (now || gone)
        tell(search, token, text);
}

/* The text of a field of a module's table in the one at `index`, or NULL. */
static const char *look_up_of(lua_State *L, int index, struct tt_str module, struct tt_str field)
{
    if (!lua_istable(L, index))
        return NULL;
    lua_pushlstring(L, module.data, module.len);
    lua_rawget(L, index);
    return look_up(L, lua_gettop(L), field);
}

/* Whether the module that is loaded has the field: scripts may have a file of their own there. */
static bool is_there(lua_State *L, struct tt_str module, struct tt_str field)
{
    lua_pushlstring(L, module.data, module.len);
    if (lua_rawget(L, LOADED) != LUA_TTABLE)
        return false;
    lua_pushlstring(L, field.data, field.len);
    return lua_rawget(L, -2) != LUA_TNIL;
}

static const char *field_now(struct search *search, struct tt_str module, struct tt_str field,
                             const char **difference)
{
    for (size_t i = 0; i < TT_COUNT(core_names); i++) {
        if (!tt_str_eq(module, tt_str_from(core_names[i].module)) ||
            !tt_str_eq(field, tt_str_from(core_names[i].old_name)))
            continue;
        *difference = core_names[i].difference;
        return core_names[i].new_name;
    }
    return look_up_of(search->L, FIELDS, module, field);
}

/* Checks the text at `i` after a module: ".field", perhaps. */
static void check_field(struct search *search, struct tt_str module, size_t i)
{
    const char *difference = NULL;
    char text[512];

    if (!tt_lua_source_is(&search->source, i, ".") || i + 1 >= search->source.count)
        return;
    const struct tt_lua_token *field = &search->source.tokens[i + 1];
    const char *now = field_now(search, module, field->text, &difference);
    const char *gone = now ? NULL : look_up_of(search->L, REMOVED, module, field->text);
    if (now) {
        snprintf(text, sizeof(text), "'%.*s' of %.*s is %s now%s%s" ONE_RELEASE,
                 TT_STR_ARG(field->text), TT_STR_ARG(module), now, difference ? ": " : "",
                 difference ? difference : "");
        tell(search, field, text);
    } else if (gone && !is_there(search->L, module, field->text)) {
        snprintf(text, sizeof(text), "'%.*s' of %.*s is gone: %s", TT_STR_ARG(field->text),
                 TT_STR_ARG(module), gone);
        tell(search, field, text);
    }
}

/* `require "x"` or `require("x")` with the name at `i`. */
static void check_require(struct search *search, size_t i)
{
    const struct tt_lua_source *source = &search->source;
    size_t at = tt_lua_source_string_argument(source, i);

    if (!at)
        return;
    check_module(search, &source->tokens[at]);
    check_field(search, source->tokens[at].text,
                at + (tt_lua_source_is(source, i + 1, "(") ? 2 : 1));
}

static void search_file(struct search *search)
{
    struct tt_lua_source *source = &search->source;

    tt_lua_source_read(source, search->file->bytes);
    for (size_t i = 0; i < source->count; i++) {
        if (!tt_lua_source_is_free_name(source, i))
            continue;
        if (tt_lua_source_is(source, i, "require"))
            check_require(search, i);
        struct tt_str module = tt_lua_source_module(source, source->tokens[i].text);
        if (module.data)
            check_field(search, module, i + 1);
        lua_settop(search->L, REMOVED_MODULES);
    }
    tt_lua_source_free(source);
}

int tt_old_names_advise(lua_State *L)
{
    struct tt_diagnostics *diagnostics = lua_touserdata(L, 1);
    const struct tt_bundle *bundle = tt_vm_of(L)->bundle;
    static const char *const tables[] = {"modules", "fields", "removed", "removed_modules"};

    lua_settop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_settop(L, REMOVED_MODULES);
    if (lua_getfield(L, LOADED, "aliases") == LUA_TTABLE)
        for (size_t i = 0; i < TT_COUNT(tables); i++) {
            lua_getfield(L, REMOVED_MODULES + 1, tables[i]);
            lua_replace(L, MODULES + (int)i);
        }
    lua_settop(L, REMOVED_MODULES);
    diagnostics->phase = "old_name";
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        struct search search = {.L = L, .diagnostics = diagnostics, .file = file};
        if (tt_str_ends(file->path, TT_STR(".lua")))
            search_file(&search);
    }
    return 0;
}
