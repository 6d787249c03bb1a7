/* What a reload would refuse of the migrations of plugins, found without touching any data: they
 * run in an empty database that has the server's tables. */
#include "app/cli/cli_internal.h"
#include "app/cli/folders.h"
#include "app/reload/plugin_data.h"
#include "db/db.h"

#include <errno.h>
#include <stdlib.h>

struct check {
    const struct tt_settings *settings;
    const char *plugin; /* NULL = all */
    const char *empty;  /* the empty database */
    tt_cli_told_fn *told;
    void *arg;
};

/* The database of the settings says which files were applied. */
static void check_plugin(const struct check *check, const struct tt_db_plugin_file *files,
                         size_t count)
{
    const char *url = check->settings->database_url;
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};

    int failed = tt_db_compare_plugins(url, files, count, &err);
    if (!failed)
        failed = tt_db_migrate_plugins(check->empty, files, count, 0, false, &report, &err);
    tt_buf_free(&report.text);
    if (failed && (!check->plugin || tt_str_eq(files->plugin, tt_str_from(check->plugin))))
        check->told(check->arg, &err);
}

static int check_all(struct check *check, const struct tt_db_plugin_file *files, size_t count,
                     struct tt_err *err)
{
    struct tt_migrate_report report = {0};

    int failed = tt_db_migrate(check->empty, check->settings->migrations_dir, false, &report, err);
    tt_buf_free(&report.text);
    for (size_t first = 0, next; !failed && first < count; first = next) {
        for (next = first + 1; next < count; next++)
            if (!tt_str_eq(files[next].plugin, files[first].plugin))
                break;
        check_plugin(check, files + first, next - first);
    }
    return failed;
}

static int check_in(struct check *check, const struct tt_db_plugin_file *files, size_t count,
                    const char *folder, struct tt_err *err)
{
    struct tt_buf empty = {0};

    int failed = tt_db_make_empty(check->settings->database_url, folder, &empty, err);
    if (!failed) {
        check->empty = empty.data;
        failed = check_all(check, files, count, err);
        tt_db_drop_empty(empty.data);
    }
    tt_buf_free(&empty);
    return failed;
}

void tt_cli_check_migrations(const struct tt_settings *settings, const struct tt_bundle *bundle,
                             const char *plugin, tt_cli_told_fn *told, void *arg)
{
    struct check check = {.settings = settings, .plugin = plugin, .told = told, .arg = arg};
    struct tt_arena arena = {0};
    struct tt_err err = {0};
    char folder[4000];
    size_t count;
    struct tt_db_plugin_file *files = tt_app_plugin_migrations(bundle, &arena, &count);

    if (count > 0) {
        int failed = tt_cli_make_folder("check", folder, sizeof(folder));
        if (failed)
            tt_err_set(&err, 0, "unwritable", "%s: %s", folder, strerror(errno));
        if (!failed) {
            failed = check_in(&check, files, count, folder, &err);
            tt_cli_remove_folder(folder);
        }
        if (failed)
            told(arg, &err);
    }
    tt_arena_destroy(&arena);
    free(files);
}
