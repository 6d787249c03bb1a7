/* The providers as they ship: their Lua files in a generation of scripts, and their compiled paths.
 */
#pragma once
#include "base/cases.h"
#include "script/support.h"
#include "tide/llm_start.h"

#include <dirent.h>

static inline void copy_file(struct rig *rig, const char *name)
{
    struct tt_buf path = {0}, text = {0};
    char piece[4096];
    size_t n;
    tt_buf_printf(&path, "%s/../../%s", TT_TEST_DATA, name);
    FILE *file = fopen(path.data, "re");
    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        tt_buf_append(&text, piece, n);
    fclose(file);
    tt_buf_putc(&text, '\0');
    rig_put(rig, name, text.data);
    tt_buf_free(&path);
    tt_buf_free(&text);
}

static inline int setup(void **state)
{
    struct rig *rig = rig_new();
    DIR *folder = opendir(TT_TEST_DATA "/../../lua/providers");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[300];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "lua/providers/%s", entry->d_name);
        copy_file(rig, name);
    }
    closedir(folder);
    copy_file(rig, "lua/aliases.lua");
    rig_put(rig, "lua/app.lua",
            "local registry = require 'providers.registry'\n"
            "return {handle = function() end, routes = {}, get = registry.get, " RIG_ERRORS "}\n");
    rig_load(rig);
    *state = rig;
    return 0;
}

static inline int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

/* Owns: the caller, a reference. */
static inline struct tt_delta_spec *spec_of(struct rig *rig, const char *provider)
{
    struct tt_vm *vm = rig->generation->vms[0];
    tt_vm_push_app(vm->L);
    lua_getfield(vm->L, -1, "get");
    lua_pushstring(vm->L, provider);
    lua_call(vm->L, 1, 1);
    struct tt_delta_spec *spec = tt_tide_llm_provider_spec(vm->L, lua_gettop(vm->L));
    tt_delta_spec_ref(spec);
    lua_settop(vm->L, 0);
    return spec;
}
