/* Migrations of plugins: all missing ones in one transaction, on a connection of its own, with an
 * authorizer that lets a plugin change only its own tables. What SQLite does not tell the
 * authorizer (which part of ALTER TABLE it is) is seen afterwards: no column may be gone. */
#include "base/clock.h"
#include "base/mem.h"
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
    struct tt_buf columns; /* of the plugin's tables, before its script ran */
};

/* ---- the authorizer ---- */

static bool is_own(const struct run *run, const char *name)
{
    return name && strncasecmp(name, run->plugin.data, run->plugin.len) == 0 &&
           name[run->plugin.len] == '_';
}

static int deny(struct run *run, const char *format, const char *name)
{
    snprintf(run->denied, sizeof(run->denied), format, name ? name : "?", TT_STR_ARG(run->plugin));
    return SQLITE_DENY;
}

static int of_table(struct run *run, const char *name)
{
    if (is_own(run, name) || (name && strncmp(name, "sqlite_", 7) == 0))
        return SQLITE_OK;
    return deny(run,
                "%s is not a table of the plugin, whose names begin with %.*s_: keep what you add "
                "in a table of your own, with a foreign key (REFERENCES …(id) ON DELETE CASCADE)",
                name);
}

static int of_name(struct run *run, const char *name)
{
    return is_own(run, name) ? SQLITE_OK : deny(run, "the name %s must begin with %.*s_", name);
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
        return deny(run,
                    "%s stays: migrations of a plugin only add, because older scripts may come "
                    "back (%.*s)",
                    first);
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

static int read_columns(struct run *run, struct tt_buf *out, struct tt_err *err)
{
    struct tt_db_value plugin = tt_db_text(run->plugin);

    tt_buf_clear(out);
    tt_buf_append_z(out, "\n");
    return run_query(run,
                     "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
                     " WHERE t.type = 'table' AND"
                     " lower(substr(t.name, 1, length(?1) + 1)) = ?1 || '_' ORDER BY 1, 2",
                     &plugin, put_column, out, err);
}

/* Each column that was there must still be. */
static int compare_columns(struct run *run, const struct tt_buf *now, struct tt_err *err)
{
    struct tt_str before = tt_buf_str(&run->columns), line;
    char wanted[512];

    tt_str_split(&before, '\n', &line);
    while (tt_str_split(&before, '\n', &line) && line.len) {
        snprintf(wanted, sizeof(wanted), "\n%.*s\n", TT_STR_ARG(line));
        if (!memmem(now->data, now->len, wanted, strlen(wanted)))
            return tt_err_set(
                err, 422, "migration_failed",
                "%.*s is gone: migrations of a plugin only add, because older scripts "
                "may come back",
                TT_STR_ARG(line));
    }
    return 0;
}

/* ---- applying ---- */

struct applied {
    int count;
    char sha256[TT_SHA256_SIZE * 2 + 1];
};

static void note_applied(struct tt_statement *row, void *arg)
{
    struct applied *applied = arg;
    applied->count++;
    snprintf(applied->sha256, sizeof(applied->sha256), "%.*s",
             TT_STR_ARG(tt_sqlite_column(row, 0).text));
}

static bool has_table(struct run *run)
{
    int64_t count = 0;
    tt_sqlite_run_values(&run->conn,
                         "SELECT count(*) FROM sqlite_schema WHERE name = 'plugin_migrations'",
                         NULL, 0, &count, NULL);
    return count > 0;
}

/* 1 = it is applied, 0 = it is missing, -1 = it was changed since. */
static int look_up(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    struct applied applied = {0};
    char sql[128];
    struct tt_db_value plugin = tt_db_text(migration->file->plugin);

    if (!has_table(run))
        return 0;
    snprintf(sql, sizeof(sql),
             "SELECT sha256 FROM plugin_migrations WHERE plugin = ?1 AND version = %d",
             migration->version);
    if (run_query(run, sql, &plugin, note_applied, &applied, err) != SQLITE_OK)
        return -1;
    if (applied.count && strcmp(applied.sha256, migration->sha256) != 0)
        return tt_err_set(err, 422, "migration_changed",
                          "%s:1: was changed after it was applied: undo the change, or write a new "
                          "migration",
                          migration->file->path.data);
    return applied.count > 0;
}

/* Names that the server's own tables, or another plugin's, have. */
static int check_prefix(struct run *run, const struct tt_migration_plugin *migration,
                        struct tt_err *err)
{
    struct tt_db_value plugin = tt_db_text(migration->file->plugin);
    struct tt_buf foreign = {0};
    int64_t known = 0, other = 0;

    run->plugin = migration->file->plugin;
    if (has_table(run)) {
        tt_sqlite_run_values(&run->conn, "SELECT count(*) FROM plugin_migrations WHERE plugin = ?1",
                             &plugin, 1, &known, NULL);
        tt_sqlite_run_values(&run->conn,
                             "SELECT count(*) FROM plugin_migrations WHERE plugin <> ?1 AND"
                             " (substr(plugin || '_', 1, length(?1) + 1) = ?1 || '_' OR"
                             " substr(?1 || '_', 1, length(plugin) + 1) = plugin || '_')",
                             &plugin, 1, &other, NULL);
    }
    int rc = known ? SQLITE_OK : read_columns(run, &foreign, err);
    if (rc == SQLITE_OK && (other || foreign.len > 1))
        rc = tt_err_set(err, 422, "migration_failed",
                        "%s:1: other tables begin with %.*s_ already; rename the plugin's folder",
                        migration->file->path.data, TT_STR_ARG(run->plugin));
    tt_buf_free(&foreign);
    return rc == SQLITE_OK ? 0 : -1;
}

static int record(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    char now[TT_RFC3339_SIZE];

    tt_clock_format(tt_clock_wall_us(), now);
    struct tt_db_value values[] = {tt_db_text(migration->file->plugin),
                                   tt_db_int(migration->version), tt_db_text(migration->name),
                                   tt_db_text(tt_str_from(migration->sha256)),
                                   tt_db_text(tt_str_from(now))};
    return tt_sqlite_run_values(&run->conn,
                                "INSERT INTO plugin_migrations VALUES (?1, ?2, ?3, ?4, ?5)", values,
                                TT_COUNT(values), NULL, err);
}

static int explain(struct run *run, const struct tt_migration_plugin *migration, int rc, int line,
                   const struct tt_err *cause, struct tt_err *err)
{
    const char *path = migration->file->path.data;

    if (rc == SQLITE_INTERRUPT)
        return tt_err_set(err, 422, "migration_failed",
                          "%s:%d: takes longer than %llu ms, and nothing else can be written "
                          "meanwhile: run `tidetalk migrate`, best while the server is stopped",
                          path, line, (unsigned long long)run->hold_ms);
    return tt_err_set(err, 422, "migration_failed", "%s:%d: %s", path, line,
                      run->denied[0] ? run->denied : cause->message);
}

/* Runs one script, with the authorizer. */
static int apply(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    struct tt_buf now = {0};
    struct tt_err cause = {0};
    int line = 1;

    run->plugin = migration->file->plugin;
    run->denied[0] = '\0';
    int rc = read_columns(run, &run->columns, &cause);
    if (rc == SQLITE_OK) {
        sqlite3_set_authorizer(run->conn.handle, authorize, run);
        rc = tt_sqlite_run_script(&run->conn, migration->file->sql.data, &line, &cause);
        sqlite3_set_authorizer(run->conn.handle, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = read_columns(run, &now, &cause);
    if (rc == SQLITE_OK)
        rc = compare_columns(run, &now, &cause);
    if (rc == SQLITE_OK)
        rc = record(run, migration, &cause);
    tt_buf_free(&now);
    return rc == SQLITE_OK ? 0 : explain(run, migration, rc, line, &cause, err);
}

static void report_line(struct tt_migrate_report *report,
                        const struct tt_migration_plugin *migration, const char *what)
{
    tt_buf_printf(&report->text, "%.*s %04d %.*s %s\n", TT_STR_ARG(migration->file->plugin),
                  migration->version, TT_STR_ARG(migration->name), what);
}

/* Applies what is missing, in the transaction that is open. */
static int apply_missing(struct run *run, const struct tt_migration_plugins *all, bool dry_run,
                         struct tt_migrate_report *report, struct tt_err *err)
{
    int failed =
        tt_sqlite_run(&run->conn,
                      "CREATE TABLE IF NOT EXISTS plugin_migrations (plugin TEXT NOT NULL,"
                      " version INTEGER NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
                      " applied_at TEXT NOT NULL, PRIMARY KEY (plugin, version)) STRICT",
                      err);

    for (size_t i = 0; failed == 0 && i < all->count; i++) {
        const struct tt_migration_plugin *migration = &all->items[i];
        int applied = look_up(run, migration, err);
        failed = applied < 0 ? -1 : 0;
        if (applied == 0)
            failed = check_prefix(run, migration, err) != 0 ? -1 : apply(run, migration, err);
        if (failed == 0)
            report_line(report, migration, applied ? "done" : dry_run ? "pending" : "applied");
        report->applied += failed == 0 && applied == 0;
    }
    return failed;
}

/* Fails: -1, when one was changed. */
static int count_missing(struct run *run, const struct tt_migration_plugins *all,
                         struct tt_err *err)
{
    int missing = 0;

    for (size_t i = 0; i < all->count; i++) {
        int applied = look_up(run, &all->items[i], err);
        if (applied < 0)
            return -1;
        missing += !applied;
    }
    return missing;
}

static int write_missing(struct run *run, const struct tt_migration_plugins *all, bool dry_run,
                         struct tt_migrate_report *report, struct tt_err *err)
{
    if (tt_sqlite_run(&run->conn, "BEGIN IMMEDIATE", err) != SQLITE_OK)
        return -1;
    if (run->hold_ms) {
        run->deadline_ms = tt_clock_mono_ms() + run->hold_ms;
        sqlite3_progress_handler(run->conn.handle, PROGRESS_STEPS, over_time, run);
    }
    int failed = apply_missing(run, all, dry_run, report, err);
    sqlite3_progress_handler(run->conn.handle, 0, NULL, NULL);
    if (!failed && !dry_run && tt_sqlite_run(&run->conn, "COMMIT", err) != SQLITE_OK)
        failed = -1;
    if (!sqlite3_get_autocommit(run->conn.handle))
        tt_sqlite_run(&run->conn, "ROLLBACK", NULL);
    return failed ? -1 : 0;
}

int tt_sqlite_migrate_plugins(const char *path, const struct tt_migration_plugins *all,
                              uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                              struct tt_err *err)
{
    struct run run = {.hold_ms = hold_ms};
    int missing = -1;

    if (all->count == 0)
        return 0;
    if (tt_sqlite_open(&run.conn, path, TT_SQLITE_WRITE, BUSY_MS, err) == SQLITE_OK)
        missing = count_missing(&run, all, err);
    for (size_t i = 0; missing == 0 && i < all->count; i++)
        report_line(report, &all->items[i], "done");
    if (missing > 0)
        missing = write_missing(&run, all, dry_run, report, err);
    tt_sqlite_close(&run.conn);
    tt_buf_free(&run.columns);
    return missing;
}

int tt_sqlite_compare_plugins(const char *path, const struct tt_migration_plugins *all,
                              struct tt_err *err)
{
    struct run run = {0};
    int missing = -1;

    if (all->count == 0 || access(path, F_OK) != 0)
        return 0;
    if (tt_sqlite_open(&run.conn, path, TT_SQLITE_READ, BUSY_MS, err) == SQLITE_OK)
        missing = count_missing(&run, all, err);
    tt_sqlite_close(&run.conn);
    return missing < 0 ? -1 : 0;
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
