/* Migrations of plugins (migrate_plugin_steps.c has the order), on a connection of its own, with an
 * authorizer that lets a plugin change only its own tables. */
#include "base/clock.h"
#include "db/migrate_plugin_steps.h"
#include "db/sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define BUSY_MS        10000
#define PROGRESS_STEPS 1000

struct run {
    struct tt_sqlite conn;
    struct tt_str plugin; /* whose script runs */
    char denied[256];     /* why the authorizer has refused something; "" = it has not */
    uint64_t hold_ms, deadline_ms;
};

/* ---- the authorizer ---- */

static bool is_own(const struct run *run, const char *name)
{
    return name && strncasecmp(name, run->plugin.data, run->plugin.len) == 0 &&
           name[run->plugin.len] == '_';
}

static int deny(struct run *run, const char *format, const char *name)
{
    struct tt_str told = tt_str_from(name ? name : "?");
    snprintf(run->denied, sizeof(run->denied), format, TT_STR_ARG(told), TT_STR_ARG(run->plugin));
    return SQLITE_DENY;
}

static int of_table(struct run *run, const char *name)
{
    if (is_own(run, name) || (name && strncmp(name, "sqlite_", 7) == 0))
        return SQLITE_OK;
    return deny(run, TT_MIGRATE_NOT_OWN, name);
}

static int of_name(struct run *run, const char *name)
{
    return is_own(run, name) ? SQLITE_OK : deny(run, TT_MIGRATE_NAME, name);
}

static int of_index(struct run *run, const char *name, const char *table)
{
    if (name && strncmp(name, "sqlite_autoindex_", 17) == 0)
        return SQLITE_OK;
    return of_table(run, table) == SQLITE_OK ? of_name(run, name) : SQLITE_DENY;
}

static int authorize(void *arg, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    struct run *run = arg;

    (void)database, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return of_table(run, first);
    case SQLITE_ALTER_TABLE:
        return of_table(run, second);
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_CREATE_VIEW:
        return of_name(run, first);
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TRIGGER:
        return of_index(run, first, second);
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TRIGGER:
        return of_table(run, second);
    case SQLITE_REINDEX:
        return of_name(run, first);
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
        return deny(run, TT_MIGRATE_STAYS, first);
    default:
        return deny(
            run, "BEGIN, COMMIT, PRAGMA, ATTACH and temporary tables are not for migrations", NULL);
    }
}

/* Called from within a statement. */
static int over_time(void *arg)
{
    const struct run *run = arg;
    return run->deadline_ms && tt_clock_mono_ms() > run->deadline_ms;
}

/* ---- what is there ---- */

static int run_query(struct run *run, const char *sql, const struct tt_db_value *value,
                     void (*on_row)(struct tt_statement *row, void *arg), void *arg,
                     struct tt_err *err)
{
    struct tt_statement *statement;
    int rc = tt_sqlite_prepare(&run->conn, tt_str_from(sql), &statement, err);

    if (rc != SQLITE_OK)
        return rc;
    rc = tt_sqlite_bind(&run->conn, statement, value, 1, err);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement->handle)) == SQLITE_ROW) {
        on_row(statement, arg);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE)
        tt_sqlite_error(&run->conn, rc, err);
    tt_sqlite_release(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* "table.column\n" for all columns of the plugin's tables. */
static void put_column(struct tt_statement *row, void *arg)
{
    struct tt_buf *out = arg;
    struct tt_str table = tt_sqlite_column(row, 0).text, column = tt_sqlite_column(row, 1).text;
    tt_buf_printf(out, "%.*s.%.*s\n", TT_STR_ARG(table), TT_STR_ARG(column));
}

static int read_columns(void *arg, struct tt_str plugin, struct tt_buf *out, struct tt_err *err)
{
    struct tt_db_value value = tt_db_text(plugin);

    return run_query(arg,
                     "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
                     " WHERE t.type = 'table' AND"
                     " lower(substr(t.name, 1, length(?1) + 1)) = ?1 || '_' ORDER BY 1, 2",
                     &value, put_column, out, err);
}

static bool has_table(void *arg)
{
    struct run *run = arg;
    int64_t count = 0;
    tt_sqlite_run_values(&run->conn,
                         "SELECT count(*) FROM sqlite_schema WHERE name = 'plugin_migrations'",
                         NULL, 0, &count, NULL);
    return count > 0;
}

/* ---- the steps ---- */

static int begin(void *arg, struct tt_err *err)
{
    struct run *run = arg;

    if (tt_sqlite_run(&run->conn, "BEGIN IMMEDIATE", err) != SQLITE_OK)
        return -1;
    if (run->hold_ms) {
        run->deadline_ms = tt_clock_mono_ms() + run->hold_ms;
        sqlite3_progress_handler(run->conn.handle, PROGRESS_STEPS, over_time, run);
    }
    return tt_sqlite_run(&run->conn,
                         "CREATE TABLE IF NOT EXISTS plugin_migrations (plugin TEXT NOT NULL,"
                         " version INTEGER NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
                         " applied_at TEXT NOT NULL, PRIMARY KEY (plugin, version)) STRICT",
                         err);
}

static int run_values(void *arg, const char *sql, const struct tt_db_value *values, size_t count,
                      int64_t *first, struct tt_err *err)
{
    struct run *run = arg;
    return tt_sqlite_run_values(&run->conn, sql, values, count, first, err);
}

/* Runs one script, with the authorizer. */
static int run_script(void *arg, const struct tt_migration_plugin *migration, int *line,
                      struct tt_err *err)
{
    struct run *run = arg;

    run->plugin = migration->file->plugin;
    run->denied[0] = '\0';
    sqlite3_set_authorizer(run->conn.handle, authorize, run);
    int rc = tt_sqlite_run_script(&run->conn, migration->file->sql.data, line, err);
    sqlite3_set_authorizer(run->conn.handle, NULL, NULL);
    if (rc != SQLITE_OK && run->denied[0])
        tt_err_set(err, 422, "migration_failed", "%s", run->denied);
    return rc;
}

static int commit(void *arg, struct tt_err *err)
{
    struct run *run = arg;
    sqlite3_progress_handler(run->conn.handle, 0, NULL, NULL);
    return tt_sqlite_run(&run->conn, "COMMIT", err);
}

static void end(void *arg)
{
    struct run *run = arg;
    sqlite3_progress_handler(run->conn.handle, 0, NULL, NULL);
    if (!sqlite3_get_autocommit(run->conn.handle))
        tt_sqlite_run(&run->conn, "ROLLBACK", NULL);
}

static const struct tt_migrate_plugin_steps steps = {.has_table = has_table,
                                                     .begin = begin,
                                                     .run = run_values,
                                                     .columns = read_columns,
                                                     .script = run_script,
                                                     .commit = commit,
                                                     .end = end};

int tt_sqlite_migrate_plugins(const char *path, const struct tt_migration_plugins *all,
                              uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                              struct tt_err *err)
{
    struct run run = {.hold_ms = hold_ms};
    int failed = 0;

    if (all->count == 0)
        return 0;
    failed = tt_sqlite_open(&run.conn, path, TT_SQLITE_WRITE, BUSY_MS, err);
    if (!failed)
        failed = tt_migrate_plugins_up(&steps, &run, all, hold_ms, dry_run, report, err);
    tt_sqlite_close(&run.conn);
    return failed ? -1 : 0;
}

int tt_sqlite_compare_plugins(const char *path, const struct tt_migration_plugins *all,
                              struct tt_err *err)
{
    struct run run = {0};

    if (all->count == 0 || access(path, F_OK) != 0)
        return 0;
    int failed = tt_sqlite_open(&run.conn, path, TT_SQLITE_READ, BUSY_MS, err);
    if (!failed)
        failed = tt_migrate_plugins_compare(&steps, &run, all, err);
    tt_sqlite_close(&run.conn);
    return failed ? -1 : 0;
}

/* ---- removing ---- */

/* Views first; indexes and triggers go with their tables. */
static void put_drop(struct tt_statement *row, void *arg)
{
    struct tt_buf *out = arg;
    struct tt_str type = tt_sqlite_column(row, 0).text, name = tt_sqlite_column(row, 1).text;
    tt_buf_printf(out, "DROP %.*s IF EXISTS \"%.*s\";\n", TT_STR_ARG(type), TT_STR_ARG(name));
}

int tt_sqlite_drop_plugin(const char *path, const char *plugin, struct tt_migrate_report *report,
                          struct tt_err *err)
{
    struct run run = {.plugin = tt_str_from(plugin)};
    struct tt_db_value name = tt_db_text(run.plugin);
    int line, rc = tt_sqlite_open(&run.conn, path, TT_SQLITE_WRITE, BUSY_MS, err);

    if (rc == SQLITE_OK) /* tables that refer to one another go in any order */
        rc = tt_sqlite_run(&run.conn, "PRAGMA foreign_keys=OFF", err);
    if (rc == SQLITE_OK && has_table(&run)) {
        rc = tt_sqlite_run(&run.conn, "BEGIN IMMEDIATE", err);
        if (rc == SQLITE_OK)
            rc =
                run_query(&run,
                          "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND"
                          " lower(substr(name, 1, length(?1) + 1)) = ?1 || '_' AND"
                          " EXISTS (SELECT 1 FROM plugin_migrations WHERE plugin = ?1)"
                          " ORDER BY type DESC, name",
                          &name, put_drop, &report->text, err);
        if (rc == SQLITE_OK && report->text.len)
            rc = tt_sqlite_run_script(&run.conn, report->text.data, &line, err);
        if (rc == SQLITE_OK)
            rc = tt_sqlite_run_values(&run.conn, "DELETE FROM plugin_migrations WHERE plugin = ?1",
                                      &name, 1, NULL, err);
        if (rc == SQLITE_OK)
            rc = tt_sqlite_run(&run.conn, "COMMIT", err);
        if (!sqlite3_get_autocommit(run.conn.handle))
            tt_sqlite_run(&run.conn, "ROLLBACK", NULL);
    }
    tt_sqlite_close(&run.conn);
    return rc == SQLITE_OK ? 0 : -1;
}
