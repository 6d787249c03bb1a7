/* migrate: forward beside a running server is safe (the database orders the two); backward is
 * not, since the server's statements expect the schema. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/data_check.h"
#include "app/reload/plugin_data.h"
#include "db/db.h"
#include "db/migrate.h"

#include <stdio.h>
#include <unistd.h>

/* The migrations of plugins, for as long as they take. */
static int migrate_plugins(const struct tt_settings *settings, bool dry_run)
{
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};
    struct tt_bundle *bundle = tt_bundle_read(&settings->scripts, NULL, &err);
    int failed =
        bundle ? tt_app_migrate_plugins(settings->database_url, bundle, 0, dry_run, &report, &err)
               : -1;

    printf("%.*s", (int)report.text.len, report.text.data ? report.text.data : "");
    tt_buf_free(&report.text);
    tt_bundle_free(bundle);
    return failed ? tt_cli_fail(TT_EXIT_FAILED, "migrate: %s", err.message) : TT_EXIT_OK;
}

static int migrate(const struct tt_settings *settings, const char *down, bool dry_run)
{
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};
    uint64_t version = 0;

    if (down && tt_str_to_u64(tt_str_from(down), &version) != 0)
        return tt_cli_fail(TT_EXIT_USAGE, "migrate: --down needs a version number");
    int lock = tt_app_lock(settings, &err);
    if (lock < 0 && (down || strcmp(err.code, "data_dir_locked") != 0))
        return tt_cli_fail(TT_EXIT_FAILED, "migrate: %s", err.message);
    int failed = tt_data_check_database(settings, &err);
    if (!failed)
        failed = down ? tt_db_migrate_down(settings->database_url, settings->migrations_dir,
                                           (int)version, &report, &err)
                      : tt_db_migrate(settings->database_url, settings->migrations_dir, dry_run,
                                      &report, &err);
    if (lock >= 0)
        close(lock);
    printf("%.*s", (int)report.text.len, report.text.data ? report.text.data : "");
    tt_buf_free(&report.text);
    if (failed)
        return tt_cli_fail(TT_EXIT_FAILED, "migrate: %s", err.message);
    printf("schema version %d\n", report.version);
    bool exists = !down && tt_db_exists(settings->database_url);
    return exists && report.version > 0 ? migrate_plugins(settings, dry_run) : TT_EXIT_OK;
}

int tt_cli_migrate(int argc, char **argv)
{
    struct tt_settings settings;
    bool dry_run = tt_cli_flag(&argc, argv, "--dry-run");
    const char *down = tt_cli_value(&argc, argv, "--down");

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int code = argc ? tt_cli_fail(TT_EXIT_USAGE, "migrate: unexpected '%s'", argv[0])
                    : migrate(&settings, down, dry_run);
    tt_settings_free(&settings);
    return code;
}
