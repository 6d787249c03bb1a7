/* The order in which migrations are applied and undone, for any engine. Private to db. */
#pragma once
#include "db/migrate.h"
#include "db/migration_files.h"

struct tt_migrate_steps {
    /* Begins a transaction in which nobody else migrates. */
    int (*begin)(void *conn, struct tt_err *err);
    /* The newest applied version, 0 = none; compares the rows with the files. */
    int (*applied)(void *conn, const struct tt_migration_files *set, int *newest,
                   struct tt_err *err);
    /* Runs a script and its record, and commits. */
    int (*apply)(void *conn, const struct tt_migration_file *file, const char *sql, bool up,
                 struct tt_err *err);
    /* Undoes what is left of a transaction. */
    void (*end)(void *conn);
};

/* See tt_db_migrate and tt_db_migrate_down. `conn` is handed to the steps; NULL for what is pending
 * means that there is no database. */
int tt_migrate_up(const struct tt_migrate_steps *steps, void *conn,
                  const struct tt_migration_files *set, struct tt_migrate_report *report,
                  struct tt_err *err);
int tt_migrate_pending(const struct tt_migrate_steps *steps, void *conn,
                       const struct tt_migration_files *set, struct tt_migrate_report *report,
                       struct tt_err *err);
int tt_migrate_back(const struct tt_migrate_steps *steps, void *conn,
                    const struct tt_migration_files *set, const char *directory, int version,
                    struct tt_migrate_report *report, struct tt_err *err);
