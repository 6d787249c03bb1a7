/* The order in which the migrations of plugins are applied, for any engine. Private to db. */
#pragma once
#include "base/buf.h"
#include "db/db.h"
#include "db/migration_plugins.h"

/* Each fails with -1, or another number but 0, and sets err. */
struct tt_migrate_plugin_steps {
    bool (*has_table)(void *conn); /* plugin_migrations */
    /* Begins a transaction in which nobody else migrates; it has the table. */
    int (*begin)(void *conn, struct tt_err *err);
    /* Runs a statement; *first is the first column of the first row, a whole number. */
    int (*run)(void *conn, const char *sql, const struct tt_db_value *values, size_t count,
               int64_t *first, struct tt_err *err);
    /* Appends "table.column\n" for all columns of the plugin's tables and views, sorted. */
    int (*columns)(void *conn, struct tt_str plugin, struct tt_buf *out, struct tt_err *err);
    /* Runs a script; a failure sets *line. What is not the plugin's own is refused, and so is a
     * script that is over its time: "query_too_slow". */
    int (*script)(void *conn, const struct tt_migration_plugin *migration, int *line,
                  struct tt_err *err);
    int (*commit)(void *conn, struct tt_err *err);
    void (*end)(void *conn); /* undoes what is left of a transaction */
};

/* See tt_db_migrate_plugins. `conn` is handed to the steps; hold_ms is only told. */
int tt_migrate_plugins_up(const struct tt_migrate_plugin_steps *steps, void *conn,
                          const struct tt_migration_plugins *all, uint64_t hold_ms, bool dry_run,
                          struct tt_migrate_report *report, struct tt_err *err);

/* See tt_db_compare_plugins. Uses has_table and run. */
int tt_migrate_plugins_compare(const struct tt_migrate_plugin_steps *steps, void *conn,
                               const struct tt_migration_plugins *all, struct tt_err *err);

/* Why something is refused: a name, and the plugin's name. */
#define TT_MIGRATE_NOT_OWN                                                                         \
    "%.*s is not a table of the plugin, whose names begin with %.*s_: keep what you add in a "     \
    "table of your own, with a foreign key (REFERENCES …(id) ON DELETE CASCADE)"
#define TT_MIGRATE_NAME "the name %.*s must begin with %.*s_"
#define TT_MIGRATE_STAYS                                                                           \
    "%.*s stays: migrations of a plugin only add, because older scripts may come back (%.*s)"
