/* Which file of the bundle a module is. `require "chat.chat"` is chat/chat.lua. The modules of a
 * plugin have its name before them, `require "weather.forecast"` is plugins/weather/forecast.lua,
 * and only the plugin itself and the server's own scripts can require them. Inside a plugin, a name
 * that the scripts do not have is looked up in the plugin's folder, so that libraries of several
 * files work there unchanged: `require "pl.utils"` is plugins/weather/pl/utils.lua. */
#pragma once
#include "script/vm.h"

#define TT_MODULE_PATH_BYTES 256

struct tt_module_path {
    char path[TT_MODULE_PATH_BYTES]; /* of the file in the bundle */
    char name[TT_MODULE_PATH_BYTES]; /* by which it is kept among the loaded modules */
    bool found;                      /* the bundle has the file */
};

/* Finds the module `name` for the code that calls `require`, which is the function at level 0.
 * Raises when the name is not one, or belongs to another plugin. Thread: the vm's. */
void tt_module_path_find(lua_State *L, struct tt_str name, struct tt_module_path *out);

/* Whether the scripts have a file for this module of the core, which takes its place:
 * lua/tide/x.lua for "tide.x". Thread: any. */
bool tt_module_path_is_written(const struct tt_bundle *bundle, struct tt_str name);

/* Whether `name` means a file of the server's own scripts wherever it is required: none of a
 * plugin, none of the core's modules. Thread: any. */
bool tt_module_path_is_server(const struct tt_bundle *bundle, struct tt_str name);

/* The name of a bundle's file, as tt_module_path.name. Fails: -1, a name with a dot cannot be
 * required. */
int tt_module_name_of(struct tt_str path, char out[static TT_MODULE_PATH_BYTES]);
