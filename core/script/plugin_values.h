/* Settings of plugins as they are written: the section `plugins` of the settings file, and the
 * environment. They are read whenever scripts are, not only at the start, so that a plugin that is
 * dropped in can have settings. What they should be is known to the plugin; see
 * lua/plugin/settings.lua. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct tt_plugin_value {
    struct tt_str plugin, key;
    struct tt_str text;
    struct tt_str *items; /* [item_count] of a list */
    size_t item_count;
    bool list;
    char origin[160]; /* "tidetalk.yaml:7" or "TIDETALK_PLUGINS_WEATHER_URL" */
};

struct tt_plugin_values { /* of the file */
    struct tt_arena arena;
    struct tt_plugin_value *items;
    size_t count;
    char hash[65]; /* of the file's section; "" = there is none */
};

/* Reads the file's section; NULL or no such file: there is none. -1 with "script_error" and the
 * line. Owns: the caller, tt_plugin_values_destroy, also after a failure. Thread: any. */
int tt_plugin_values_read(struct tt_plugin_values *values, const char *path, struct tt_err *err);
void tt_plugin_values_destroy(struct tt_plugin_values *values);

/* The value of a plugin's key: of the environment (TIDETALK_PLUGINS_NAME_KEY), otherwise of the
 * file. False if there is none. Borrowed from `values` and the environment. */
bool tt_plugin_values_get(const struct tt_plugin_values *values, struct tt_str plugin,
                          struct tt_str key, struct tt_plugin_value *out);
