/* secret rotate. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/rotation.h"
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

static int rotate(const struct tt_settings *settings)
{
    struct tt_rotation rotation;
    struct tt_err err = {0};
    int lock = tt_app_lock(settings, &err);

    if (lock < 0)
        return tt_cli_fail(TT_EXIT_FAILED, "secret rotate: %s", err.message);
    int failed = tt_rotation_run(settings, &rotation, &err);
    close(lock);
    if (failed)
        return tt_cli_fail(TT_EXIT_FAILED, "secret rotate: %s", err.message);
    printf("%s holds a new key (%s); %zu stored API keys are sealed with it. All users must log in "
           "again; their personal API keys stay valid. Keep the old secret file with the backups "
           "from before: they need it.\n",
           settings->secret_file, rotation.seal_id, rotation.sealed);
    if (rotation.left > 0)
        printf("%zu stored API keys did not open with the old key either, and stay lost.\n",
               rotation.left);
    return TT_EXIT_OK;
}

int tt_cli_secret(int argc, char **argv)
{
    struct tt_settings settings;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    tt_log_setup(TT_LOG_WARN, TT_LOG_TEXT);
    int code =
        argc == 1 && strcmp(argv[0], "rotate") == 0
            ? rotate(&settings)
            : tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk secret rotate [--setting=value …]");
    tt_settings_free(&settings);
    return code;
}
