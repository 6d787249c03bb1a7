/* The migrations of plugins, sorted and chosen for one engine; what all engines share. Private to
 * db. */
#pragma once
#include "base/arena.h"
#include "base/secret.h"
#include "db/migrate.h"

struct tt_migration_plugin {
    const struct tt_db_plugin_file *file;
    int version;        /* from 1, without gaps in a plugin */
    struct tt_str name; /* without number and ending */
    bool chosen;        /* its ending names the engine: it wins over one for all */
    char sha256[TT_SHA256_SIZE * 2 + 1];
};

struct tt_migration_plugins {
    struct tt_migration_plugin *items; /* by plugin, then by version */
    size_t count;
};

/* Fails: "migration_failed" for a wrong name, a gap, or two files with one number, with its path.
 * Owns: the caller, tt_migration_plugins_free, also after a failure; the files are borrowed. */
int tt_migration_plugins_sort(struct tt_migration_plugins *all,
                              const struct tt_db_plugin_file *files, size_t count,
                              const char *dialect, struct tt_err *err);
void tt_migration_plugins_free(struct tt_migration_plugins *all);
