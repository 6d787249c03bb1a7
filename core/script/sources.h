/* Where the files of a bundle lie on the disk: the folders of scripts, the folder of plugins and
 * the file of the personas. In a bundle, scripts have their path below their folder
 * ("chat/chat.lua"), and files of plugins begin with "plugins/" ("plugins/weather/plugin.lua"). */
#pragma once
#include "base/str.h"

#define TT_PLUGINS "plugins/"

#define TT_SCRIPT_PATH_BYTES 4600

struct tt_script_sources {
    const char *const *roots; /* [root_count] folders of scripts; the first that has a file wins */
    size_t root_count;
    const char *plugins_dir; /* NULL = none; a folder that is not there has no plugins */
    const char *personas;
    const char *config; /* the settings file; NULL = none; it need not be there */
};

/* The plugin that a bundle's file belongs to: NAME of "plugins/NAME/…", otherwise length 0. Thread:
 * any, as all here. */
struct tt_str tt_plugin_of(struct tt_str path);

/* Whether a folder of this name can be a plugin: small letters, digits and _, at most 40. */
bool tt_plugin_is_name(struct tt_str name);

/* Writes the path on the disk of a bundle's file; "" is the first folder. A file that is nowhere
 * gets the path that it would have in the first one. */
void tt_script_sources_place(const struct tt_script_sources *sources, struct tt_str path, char *out,
                             size_t size);
