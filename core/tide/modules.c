/* What scripts can require: a new module is a file in this folder and a line in this list. */
#include "tide/modules.h"

#include "tide/tide.h"

const struct tt_script_module tt_tide_modules[] = {
    {"tide.json", tt_tide_json},
    {"tide.schema", tt_tide_schema},
    {"tide.db", tt_tide_db},
    {"tide.crypto", tt_tide_crypto},
    {"tide.time", tt_tide_time},
    {"tide.log", tt_tide_log},
    {"tide.config", tt_tide_config},
    {"tide.text", tt_tide_text},
    {"tide.template", tt_tide_template},
    {"tide.personas", tt_tide_personas},
    {"tide.plugin_settings", tt_tide_plugin_settings},
    {"tide.llm", tt_tide_llm},
    {"tide.cache", tt_tide_cache},
    {"tide.file_store", tt_tide_file_store},
    {"tide.files", tt_tide_file_store}, /* for scripts of before there was lua/tide/files.lua */
    {"tide.http", tt_tide_http},
    {"tide.shared", tt_tide_shared},
    {"tide.scripts", tt_tide_scripts},
    {"tide.task", tt_tide_task},
    {"tide.timer", tt_tide_timer},
    {"tide.test", tt_tide_test},
    {"tide.search", tt_tide_search},
    {"tide.messages", tt_tide_messages},
    {"tide.nodes", tt_tide_nodes},
    {NULL, NULL},
};
