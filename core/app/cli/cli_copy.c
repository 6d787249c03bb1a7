/* copy: all rows of one database into another, which may be of another kind. */
#include "app/app.h"
#include "app/cli/cli_internal.h"
#include "app/reload/plugin_data.h"
#include "db/migrate.h"
#include "db/transfer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_table(void *arg, const struct tt_transferred *table)
{
    (void)arg;
    printf("%-24.*s %8lld %-4s  %.16s\n", TT_STR_ARG(table->table), (long long)table->rows,
           table->rows == 1 ? "row" : "rows", table->hash);
}

/* Its plugins' tables come from the same files as those of the source. */
static int migrate_plugins(const struct tt_settings *settings, const char *to, struct tt_err *err)
{
    struct tt_bundle *bundle = tt_bundle_read(&settings->scripts, NULL, err);
    int failed = bundle ? tt_app_migrate_plugins(to, bundle, 0, false, NULL, err) : -1;
    tt_bundle_free(bundle);
    return failed;
}

/* Both have the newest version: the source as it is, the target after this. */
static int prepare(const struct tt_settings *settings, const char *from, const char *to,
                   struct tt_err *err)
{
    struct tt_migrate_report report = {0};
    int failed = tt_db_exists(from) ? 0
                                    : tt_err_set(err, 0, "transfer_failed", "%s does not exist",
                                                 tt_db_place(from));
    if (!failed)
        failed = tt_db_migrate(from, settings->migrations_dir, true, &report, err);
    if (!failed && strstr(report.text.data ? report.text.data : "", " pending"))
        failed = tt_err_set(err, 0, "transfer_failed",
                            "%s is older than this program: \"tidetalk migrate\" it first",
                            tt_db_place(from));
    tt_buf_free(&report.text);
    if (!failed)
        failed = tt_db_migrate(to, settings->migrations_dir, false, &report, err);
    tt_buf_free(&report.text);
    return failed ? failed : migrate_plugins(settings, to, err);
}

static int copy(const struct tt_settings *settings, const char *from, const char *to)
{
    struct tt_err err = {0};
    int lock = tt_app_lock(settings, &err); /* no server of this data folder uses either of them */
    int failed = lock < 0 ? -1 : prepare(settings, from, to, &err);

    if (!failed)
        failed = tt_db_transfer(from, to, print_table, NULL, &err);
    if (lock >= 0)
        close(lock);
    if (failed)
        return tt_cli_fail(TT_EXIT_FAILED, "copy: %s", err.message);
    printf("All tables are equal. Before the server starts with database_url set to the target,\n"
           "keep %s/files and %s where they are.\n",
           settings->data_dir, settings->secret_file);
    return TT_EXIT_OK;
}

int tt_cli_copy(int argc, char **argv)
{
    struct tt_settings settings;
    const char *from = tt_cli_value(&argc, argv, "--from");
    const char *to = tt_cli_value(&argc, argv, "--to");

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    int code = argc == 0 && from && to
                   ? copy(&settings, from, to)
                   : tt_cli_fail(TT_EXIT_USAGE, "usage: tidetalk copy --from URL --to URL "
                                                "[--setting=value …]");
    tt_settings_free(&settings);
    return code;
}
