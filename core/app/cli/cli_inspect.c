/* Commands that only read: config, health, version. */
#include "app/cli/cli_internal.h"
#include "db/db.h"
#include "http/http.h"
#include "script/vm.h"
#include "upstream/client.h"
#include "upstream/local_call.h"

#include <stdio.h>

/* "key = value  # origin" for the settings of plugins, as the loaded scripts tell them. */
static int print_plugin_settings(lua_State *L)
{
    tt_vm_push_app(L);
    if (lua_getfield(L, 2, "plugin_settings") != LUA_TTABLE)
        return 0;
    for (lua_Integer i = 1; lua_rawgeti(L, 3, i) == LUA_TTABLE; i++) {
        lua_getfield(L, 4, "key");
        lua_getfield(L, 4, "text");
        lua_getfield(L, 4, "origin");
        printf("%s = %s  # %s\n", lua_tostring(L, 5), lua_tostring(L, 6), lua_tostring(L, 7));
        lua_settop(L, 3);
    }
    return 0;
}

/* They are known only when the scripts load, which is not needed for the rest. */
static int show_plugin_settings(const struct tt_settings *settings)
{
    struct tt_diagnostics diagnostics = {0};
    struct tt_tide tide = {0};
    struct tt_err err = {0};
    struct tt_bundle *bundle = tt_bundle_read(&settings->scripts, NULL, NULL);
    bool has_plugins = bundle && bundle->plugin_count > 0;

    tt_bundle_free(bundle);
    if (!has_plugins)
        return TT_EXIT_OK;
    struct tt_generation *generation = tt_cli_load(settings, &tide, &err);
    if (!generation)
        return tt_cli_fail(TT_EXIT_FAILED, "config: the settings of plugins are not known: %s",
                           err.message);
    tt_vm_call(generation->vms[0], print_plugin_settings, NULL, "", &diagnostics);
    tt_diagnostics_free(&diagnostics);
    tt_generation_unref(generation);
    return TT_EXIT_OK;
}

int tt_cli_config(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_buf text = {0};

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    if (argc != 1 || strcmp(argv[0], "show") != 0) {
        tt_settings_free(&settings);
        return tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk config show [--setting=value …]");
    }
    tt_conf_show(settings.conf, &text);
    printf("%.*s", (int)text.len, text.data);
    fflush(stdout);
    tt_buf_free(&text);
    int code = show_plugin_settings(&settings);
    tt_settings_free(&settings);
    return code;
}

int tt_cli_health(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_buf body = {0};
    struct tt_err err = {0};

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int status = tt_local_http(settings.listen, "GET", "/readyz", (struct tt_str){0}, &body, &err);
    if (status < 0)
        tt_cli_fail(0, "%s", err.message);
    else
        printf("%.*s\n", (int)body.len, body.data ? body.data : "");
    tt_buf_free(&body);
    tt_settings_free(&settings);
    return status == 200 ? TT_EXIT_OK : TT_EXIT_FAILED;
}

int tt_cli_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("tidetalk %s\nlibcurl %s\nsqlite %s\nlibmicrohttpd %s\n%s\n", TT_VERSION,
           tt_client_library_version(), tt_db_library_version(), tt_http_library_version(),
           tt_vm_library_version());
    return TT_EXIT_OK;
}
