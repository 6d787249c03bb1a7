/* Commands that only read: config, health, version. */
#include "app/cli/cli_internal.h"
#include "db/db.h"
#include "http/http.h"
#include "script/vm.h"
#include "upstream/client.h"
#include "upstream/local_call.h"

#include <stdio.h>

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
