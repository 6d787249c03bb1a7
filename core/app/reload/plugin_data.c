#include "app/reload/plugin_data.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

/* "plugins/NAME/migrations/…", nothing deeper. */
static bool is_migration(struct tt_str path)
{
    struct tt_str plugin = tt_plugin_of(path);
    size_t before = sizeof(TT_PLUGINS) - 1 + plugin.len + 1;
    struct tt_str rest = tt_str_of(path.data + before, path.len - before);

    return plugin.len && tt_str_ends(path, TT_STR(".sql")) &&
           tt_str_starts(rest, TT_STR("migrations/")) && tt_str_find(rest, '/') == 10 &&
           !memchr(rest.data + 11, '/', rest.len - 11);
}

struct tt_db_plugin_file *tt_app_plugin_migrations(const struct tt_bundle *bundle,
                                                   struct tt_arena *arena, size_t *count)
{
    struct tt_db_plugin_file *files =
        tt_alloc((bundle->file_count + 1) * sizeof(struct tt_db_plugin_file));

    *count = 0;
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        if (is_migration(file->path))
            files[(*count)++] = (struct tt_db_plugin_file){
                tt_arena_str(arena, tt_plugin_of(file->path)), file->path, file->bytes};
    }
    return files;
}

int tt_app_migrate_plugins(const char *database_url, const struct tt_bundle *bundle,
                           uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                           struct tt_err *err)
{
    struct tt_migrate_report own = {0}, *told = report ? report : &own;
    struct tt_arena arena = {0};
    size_t count;
    struct tt_db_plugin_file *files = tt_app_plugin_migrations(bundle, &arena, &count);

    *told = (struct tt_migrate_report){0};
    int failed =
        count == 0 ? 0
                   : tt_db_migrate_plugins(database_url, files, count, hold_ms, dry_run, told, err);
    if (failed == 0 && told->applied && !dry_run)
        tt_log(TT_LOG_INFO, "migrations of plugins applied", TT_F_INT("count", told->applied));
    if (!report)
        tt_buf_free(&own.text);
    tt_arena_destroy(&arena);
    free(files);
    return failed;
}
