/* Commands that only look: check, routes, config, health, version. */
#include "app/cli_internal.h"
#include "app/local_http.h"
#include "db/db.h"
#include "http/http.h"
#include "llm/client.h"
#include "script/generation.h"

#include <stdio.h>

struct tt_generation *tt_cli_load(const struct tt_settings *settings, struct tt_env *env,
                                  struct tt_err *err)
{
    env->script_memory_max = (size_t)tt_settings_int(settings, "limits.script_memory");
    env->script_time_ms = tt_settings_int(settings, "limits.script_time");
    env->script_load_ms = tt_settings_int(settings, "limits.script_load_time");
    env->body_max = (size_t)tt_settings_int(settings, "limits.body");
    env->setting = tt_settings_for_lua;
    env->setting_arg = (void *)(uintptr_t)settings;
    struct tt_env *envs[] = {env};
    struct tt_complaints complaints = {0};
    struct tt_buf errors = {0};
    struct tt_bundle *bundle = tt_bundle_read(settings->lua_dir, settings->personas, err);

    if (!bundle)
        return NULL;
    struct tt_generation *generation = tt_generation_new(bundle, 1, envs, 1, &complaints, err);
    tt_complaints_print(&complaints, &errors);
    fprintf(stderr, "%.*s", (int)errors.len, errors.data ? errors.data : "");
    tt_complaints_free(&complaints);
    tt_buf_free(&errors);
    return generation;
}

int tt_cli_check(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_env env = {0};
    struct tt_err err = {0};

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    struct tt_generation *generation = tt_cli_load(&settings, &env, &err);
    if (generation)
        printf("ok: %zu routes, %zu personas, scripts %.12s\n", generation->route_count,
               generation->bundle->persona_count, generation->bundle->hash);
    else
        tt_cli_fail(0, "%s", err.message);
    int code = generation ? TT_EXIT_OK : TT_EXIT_FAILED;
    tt_generation_unref(generation);
    tt_settings_free(&settings);
    return code;
}

int tt_cli_routes(int argc, char **argv)
{
    static const char *const auth[] = {"none", "user", "admin"};
    static const char *const listeners[] = {"public", "admin"};
    struct tt_settings settings;
    struct tt_env env = {0};
    struct tt_err err = {0};

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    struct tt_generation *generation = tt_cli_load(&settings, &env, &err);
    if (!generation) {
        tt_settings_free(&settings);
        return tt_cli_fail(TT_EXIT_FAILED, "%s", err.message);
    }
    for (size_t i = 0; i < generation->route_count; i++) {
        const struct tt_route *route = &generation->routes[i];
        printf("%-7s %-45s %-6s %s\n", route->method.data, route->path.data, auth[route->auth],
               listeners[route->listener]);
    }
    tt_generation_unref(generation);
    tt_settings_free(&settings);
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
        return tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk config show");
    }
    tt_conf_show(settings.conf, &text);
    printf("%.*s", (int)text.len, text.data);
    tt_buf_free(&text);
    tt_settings_free(&settings);
    return TT_EXIT_OK;
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
