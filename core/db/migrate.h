/* Schema migrations: migrations/NNNN_<name>.up.sql and .down.sql, applied in order, each in one
 * transaction together with its row (version, name, sha256) in schema_migrations. An applied file
 * that was changed since is refused, and so is one that is missing below the newest applied
 * version. Safe beside other processes: two that start at once take turns. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_migrate_report {
    int version;        /* newest applied afterwards */
    int applied;        /* by this call */
    struct tt_buf text; /* one line per migration: "0001 init applied|pending|done"; caller frees */
};

/* Applies missing migrations, and creates the database if needed. Codes "migration_failed" (with
 * file and SQL error), "migration_changed", "migration_missing". Thread: main, blocking. */
int tt_db_migrate(const char *url, const char *directory, bool dry_run,
                  struct tt_migrate_report *report, struct tt_err *err);

/* Undoes the newest migrations down to `version` with their .down.sql. */
int tt_db_migrate_down(const char *url, const char *directory, int version,
                       struct tt_migrate_report *report, struct tt_err *err);
