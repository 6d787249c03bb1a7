/* plugin: the folders of plugins_dir. A plugin is disabled by a file ".disabled" in its folder, so
 * that its name, its settings and its data stay what they are. What changes here takes effect with
 * the next reload. */
#include "app/cli/cli_internal.h"
#include "app/cli/folders.h"
#include "base/mem.h"
#include "db/migrate.h"
#include "script/value.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[TT_SCRIPT_PATH_BYTES], mark[TT_SCRIPT_PATH_BYTES + 16];
};

static struct folder folder_of(const struct tt_settings *settings, const char *name)
{
    struct folder folder;

    snprintf(folder.path, sizeof(folder.path), "%s/%s", settings->scripts.plugins_dir, name);
    snprintf(folder.mark, sizeof(folder.mark), "%s/.disabled", folder.path);
    return folder;
}

static int complain(const struct folder *folder)
{
    return tt_cli_fail(TT_EXIT_FAILED, "plugin: %s: %s", folder->path, strerror(errno));
}

static bool is_there(const struct folder *folder)
{
    char file[TT_SCRIPT_PATH_BYTES + 16];

    snprintf(file, sizeof(file), "%s/plugin.lua", folder->path);
    return access(file, F_OK) == 0;
}

/* ---- list ---- */

/* Prints the order and the version that a plugin declares, from app.plugins. */
static int print_plugin(lua_State *L)
{
    const char *name = lua_touserdata(L, 1);

    tt_vm_push_app(L);
    if (lua_getfield(L, 2, "plugins") != LUA_TTABLE)
        return 0;
    for (lua_Integer i = 1; lua_rawgeti(L, 3, i) == LUA_TTABLE; i++) {
        lua_getfield(L, 4, "name");
        lua_getfield(L, 4, "version");
        if (lua_tostring(L, 5) && strcmp(lua_tostring(L, 5), name) == 0)
            printf("%-24s %-9s %lld  %s\n", name, "enabled", (long long)i,
                   lua_tostring(L, 6) ? lua_tostring(L, 6) : "-");
        lua_settop(L, 3);
    }
    return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_plugin(const struct dirent *entry)
{
    return tt_plugin_is_name(tt_str_from(entry->d_name));
}

static void print_entry(struct tt_vm *vm, const struct tt_settings *settings, char *name)
{
    struct folder folder = folder_of(settings, name);
    struct tt_diagnostics diagnostics = {0};

    if (!is_there(&folder))
        return;
    if (access(folder.mark, F_OK) == 0)
        printf("%-24s disabled\n", name);
    else if (vm)
        tt_vm_call(vm, print_plugin, name, "", &diagnostics);
    else
        printf("%-24s enabled\n", name);
    tt_diagnostics_free(&diagnostics);
}

/* The order and the versions are known only when all scripts load. */
static int list(const struct tt_settings *settings)
{
    struct dirent **entries = NULL;
    struct tt_tide tide = {0};
    struct tt_err err = {0};
    int count = scandir(settings->scripts.plugins_dir, &entries, is_plugin, by_name);
    struct tt_generation *generation = count > 0 ? tt_cli_load(settings, &tide, &err) : NULL;

    for (int i = 0; i < count; i++) {
        print_entry(generation ? generation->vms[0] : NULL, settings, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (count > 0 && !generation)
        return tt_cli_fail(TT_EXIT_FAILED, "plugin: the scripts have errors");
    tt_generation_unref(generation);
    return TT_EXIT_OK;
}

/* ---- enable, disable, remove ---- */

static int tell_change(const char *verb, const char *name)
{
    printf("%s: %s; `tidetalk reload` makes it so in a running server\n", verb, name);
    return TT_EXIT_OK;
}

static int set_enabled(const struct folder *folder, bool enabled)
{
    if (enabled)
        return unlink(folder->mark) == 0 || errno == ENOENT ? 0 : -1;
    int fd = open(folder->mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : -1;
}

static int drop_data(const struct tt_settings *settings, const char *name)
{
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};
    int failed = tt_db_exists(settings->database_url)
                     ? tt_db_drop_plugin(settings->database_url, name, &report, &err)
                     : 0;

    printf("%.*s", failed ? 0 : (int)report.text.len, report.text.data ? report.text.data : "");
    tt_buf_free(&report.text);
    return failed ? tt_cli_fail(-1, "plugin: %s", err.message) : 0;
}

/* The data also of a plugin whose folder is gone already. */
static int remove_plugin(const struct tt_settings *settings, const char *name, bool data)
{
    struct folder folder = folder_of(settings, name);
    bool there = is_there(&folder);

    if (!tt_plugin_is_name(tt_str_from(name)) || (!there && !data))
        return tt_cli_fail(TT_EXIT_FAILED, "plugin: there is no %s/plugin.lua", folder.path);
    if (data && drop_data(settings, name) != 0)
        return TT_EXIT_FAILED;
    if (there && tt_cli_remove_folder(folder.path) != 0)
        return complain(&folder);
    return tell_change("remove", name);
}

static int run_verb(const struct tt_settings *settings, const char *verb, const char *name)
{
    struct folder folder = folder_of(settings, name);

    if (!tt_plugin_is_name(tt_str_from(name)) || !is_there(&folder))
        return tt_cli_fail(TT_EXIT_FAILED, "plugin: there is no %s/plugin.lua", folder.path);
    if (strcmp(verb, "check") == 0 && access(folder.mark, F_OK) == 0)
        return tt_cli_fail(TT_EXIT_FAILED, "plugin: %s is disabled; enable it first", name);
    if (strcmp(verb, "check") == 0)
        return tt_cli_check_plugin(settings, name);
    return set_enabled(&folder, strcmp(verb, "enable") == 0) ? complain(&folder)
                                                             : tell_change(verb, name);
}

int tt_cli_plugin(int argc, char **argv)
{
    static const char *const verbs[] = {"check", "enable", "disable"};
    struct tt_settings settings;
    bool data = tt_cli_flag(&argc, argv, "--data"), known = false;
    int code;

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    for (size_t i = 0; argc == 2 && i < TT_COUNT(verbs); i++)
        known = known || strcmp(argv[0], verbs[i]) == 0;
    if (argc == 1 && strcmp(argv[0], "list") == 0)
        code = list(&settings);
    else if (argc == 2 && strcmp(argv[0], "remove") == 0)
        code = remove_plugin(&settings, argv[1], data);
    else if (known)
        code = run_verb(&settings, argv[0], argv[1]);
    else
        code = tt_cli_fail(TT_EXIT_USAGE,
                           "usage: tidetalk plugin (list | check NAME | enable NAME "
                           "| disable NAME | remove NAME [--data]) [--setting=value …]");
    tt_settings_free(&settings);
    return code;
}
