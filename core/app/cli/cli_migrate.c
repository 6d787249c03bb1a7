/* migrate: forward beside a running server is safe (the database orders the two); backward is
 * not, since the server's statements expect the schema. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/data_check.h"
#include "db/migrate.h"

#include <stdio.h>
#include <unistd.h>

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
    return TT_EXIT_OK;
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
