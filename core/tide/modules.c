/* What scripts can require: a new module is a file here and a line in this list. */
#include "tide/bind.h"
#include "tide/tide.h"

const struct tt_script_module tt_tide_modules[] = {
    {"tide.json", tt_bind_json},
    {"tide.db", tt_bind_db},
    {"tide.crypto", tt_bind_crypto},
    {"tide.time", tt_bind_time},
    {"tide.log", tt_bind_log},
    {"tide.config", tt_bind_config},
    {"tide.text", tt_bind_text},
    {"tide.personas", tt_bind_personas},
    {"tide.llm", tt_bind_llm},
    {"tide.cache", tt_bind_cache},
    {"tide.files", tt_bind_files},
    {"tide.http", tt_bind_http},
    {"tide.shared", tt_bind_shared},
    {"tide.scripts", tt_bind_scripts},
    {"tide.task", tt_bind_task},
    {"tide.timer", tt_bind_timer},
    {"tide.test", tt_bind_test},
    {"tide.search", tt_bind_search},
    {NULL, NULL},
};
