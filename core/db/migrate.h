/* Schema migrations: migrations/<engine>/NNNN_<name>.up.sql and .down.sql, applied in order, each
 * in one transaction together with its row (version, name, sha256) in schema_migrations. An applied
 * file that was changed since is refused, and so is one that is missing below the newest applied
 * version. Safe beside other processes: two that start at once take turns. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

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

/* ---- migrations of plugins ----
 * Each plugin has its own numbers, in the table plugin_migrations, and tables whose names begin
 * with its name and an underscore. Its migrations only add: what older scripts use stays as it is,
 * so that they still work after a rollback. */

struct tt_db_plugin_file {
    struct tt_str plugin;
    struct tt_str path; /* "plugins/weather/migrations/0001_notes.sql"; for messages, and its last
                           part is the name. ".sqlite.sql" is for that engine only */
    struct tt_str sql;  /* NUL-terminated */
};

/* Applies the missing ones of all plugins in one transaction, or with dry_run tries them and undoes
 * them. A version that is applied and has no file is fine. hold_ms > 0: the database may be kept
 * from other writers for that long. Fails: "migration_failed", "migration_changed", each with
 * "path:line: " before the message; nothing is applied then. Thread: any, blocking. */
int tt_db_migrate_plugins(const char *url, const struct tt_db_plugin_file *files, size_t count,
                          uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                          struct tt_err *err);

/* Whether those that are applied are still what the files say; changes nothing. Fails:
 * "migration_changed", and whatever the engine refuses in any case. */
int tt_db_compare_plugins(const char *url, const struct tt_db_plugin_file *files, size_t count,
                          struct tt_err *err);

/* A new database of the same kind as the one at `url`, without any table, for trying migrations;
 * its URL in *empty. It is in `folder`, or a schema beside the tables of `url`, which needs the
 * right to make one. Owns: the caller, tt_db_drop_empty and its folder, and the buffer. Thread:
 * main, blocking. */
int tt_db_make_empty(const char *url, const char *folder, struct tt_buf *empty, struct tt_err *err);
void tt_db_drop_empty(const char *empty);

/* Deletes the tables of a plugin and forgets its migrations; *report has a line for each table. */
int tt_db_drop_plugin(const char *url, const char *plugin, struct tt_migrate_report *report,
                      struct tt_err *err);
