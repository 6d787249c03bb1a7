/* tide.plugin_settings: between the settings of plugins as they are written and lua/plugin, which
 * knows what they should be. Everything here is for a state that loads. */
#include "script/plugin_values.h"
#include "script/value.h"
#include "tide/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SECRET_MAX 65536

static const char defined_key; /* the table that `define` got */

static void check_loading(lua_State *L, const char *function)
{
    if (tt_vm_of(L)->loaded)
        luaL_error(L, "plugin_settings.%s can only be called while a module loads", function);
}

static struct tt_str check_text(lua_State *L, int index)
{
    struct tt_str text;
    text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

/* given(plugin, key): the text or the list of texts, and where it is from; nil when it is not set
 */
static int settings_given(lua_State *L)
{
    struct tt_plugin_value value;

    check_loading(L, "given");
    if (!tt_plugin_values_get(&tt_vm_of(L)->bundle->values, check_text(L, 1), check_text(L, 2),
                              &value))
        return 0;
    if (value.list) {
        lua_createtable(L, (int)value.item_count, 0);
        for (size_t i = 0; i < value.item_count; i++) {
            lua_pushlstring(L, value.items[i].data, value.items[i].len);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    } else {
        lua_pushlstring(L, value.text.data, value.text.len);
    }
    lua_pushstring(L, value.origin);
    return 2;
}

/* secret(text): a tide.Secret */
static int settings_secret(lua_State *L)
{
    check_loading(L, "secret");
    tt_value_push_secret(L, check_text(L, 1));
    return 1;
}

/* The line that a file has; -1 with errno. */
static ssize_t read_line(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = fd < 0 ? -1 : read(fd, out, size);

    if (fd >= 0)
        close(fd);
    while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '\r'))
        len--;
    return len;
}

/* secret_of_file(path): a tide.Secret with the file's text, without the last line's end; nil and
 * the reason */
static int settings_secret_of_file(lua_State *L)
{
    char text[SECRET_MAX];

    check_loading(L, "secret_of_file");
    ssize_t len = read_line(luaL_checkstring(L, 1), text, sizeof(text));
    if (len > 0)
        tt_value_push_secret(L, tt_str_of(text, (size_t)len));
    explicit_bzero(text, sizeof(text));
    if (len > 0)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, len < 0 ? strerror(errno) : "the file is empty");
    return 2;
}

/* names(): a list of {plugin=, key=, origin=} of what the settings file has */
static int settings_names(lua_State *L)
{
    const struct tt_plugin_values *values = &tt_vm_of(L)->bundle->values;

    check_loading(L, "names");
    lua_createtable(L, (int)values->count, 0);
    for (size_t i = 0; i < values->count; i++) {
        const struct tt_plugin_value *value = &values->items[i];
        lua_createtable(L, 0, 3);
        lua_pushlstring(L, value->plugin.data, value->plugin.len);
        lua_setfield(L, -2, "plugin");
        lua_pushlstring(L, value->key.data, value->key.len);
        lua_setfield(L, -2, "key");
        lua_pushstring(L, value->origin);
        lua_setfield(L, -2, "origin");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* define(values): what config.get answers for keys that begin with "plugins." */
static int settings_define(lua_State *L)
{
    check_loading(L, "define");
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &defined_key);
    return 0;
}

/* A copy, so that a script that changes its list changes nobody else's. */
static void copy_list(lua_State *L)
{
    int from = lua_gettop(L);

    lua_createtable(L, (int)lua_rawlen(L, from), 0);
    for (lua_Integer i = 1; lua_rawgeti(L, from, i) != LUA_TNIL; i++)
        lua_rawseti(L, from + 1, i);
    lua_settop(L, from + 1);
    tt_value_mark_array(L);
}

bool tt_tide_push_plugin_setting(lua_State *L, const char *key)
{
    int top = lua_gettop(L);

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &defined_key) == LUA_TTABLE) {
        lua_pushstring(L, key);
        if (lua_rawget(L, -2) != LUA_TNIL) {
            if (lua_istable(L, -1))
                copy_list(L);
            return true;
        }
    }
    lua_settop(L, top);
    return false;
}

static const luaL_Reg functions[] = {
    {"given", settings_given},
    {"secret", settings_secret},
    {"secret_of_file", settings_secret_of_file},
    {"names", settings_names},
    {"define", settings_define},
    {NULL, NULL},
};

int tt_tide_plugin_settings(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
