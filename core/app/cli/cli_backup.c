/* backup and restore of the database. The uploaded files and the secret file are ordinary files, so
 * tools that copy folders by differences, or to other machines, serve them better than a command
 * here would: it names them. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "db/db.h"

#include <stdio.h>
#include <unistd.h>

static int backup(const struct tt_settings *settings, const char *file)
{
    struct tt_err err = {0};

    if (tt_db_backup(settings->database_url, file, &err) != 0)
        return tt_cli_fail(TT_EXIT_FAILED, "backup: %s", err.message);
    printf("%s is written and verified. A backup also needs, copied after it:\n"
           "  %s/files (uploaded files)\n"
           "  %s (without it stored API keys cannot be read)\n",
           file, settings->data_dir, settings->secret_file);
    return TT_EXIT_OK;
}

static int restore(const struct tt_settings *settings, const char *file)
{
    struct tt_err err = {0};
    int lock = tt_app_lock(settings, &err);

    if (lock < 0)
        return tt_cli_fail(TT_EXIT_FAILED, "restore: %s", err.message);
    int failed = tt_db_restore(settings->database_url, file, &err);
    close(lock);
    if (failed)
        return tt_cli_fail(TT_EXIT_FAILED, "restore: %s", err.message);
    printf("%s is restored and verified. Before the server starts, bring back as well:\n"
           "  %s/files (uploaded files)\n"
           "  %s (without it stored API keys cannot be read)\n",
           tt_db_place(settings->database_url), settings->data_dir, settings->secret_file);
    return TT_EXIT_OK;
}

static int run(const char *name, int (*command)(const struct tt_settings *, const char *), int argc,
               char **argv)
{
    struct tt_settings settings;

    if (tt_cli_settings(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int code =
        argc == 1 ? command(&settings, argv[0])
                  : tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk %s FILE [--setting=value …]", name);
    tt_settings_free(&settings);
    return code;
}

int tt_cli_backup(int argc, char **argv)
{
    return run("backup", backup, argc, argv);
}

int tt_cli_restore(int argc, char **argv)
{
    return run("restore", restore, argc, argv);
}
