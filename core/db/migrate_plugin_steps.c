/* What is missing is applied in one transaction. Whether anything is missing is looked up before,
 * so that a start without news waits for nobody. */
#include "db/migrate_plugin_steps.h"

#include "base/clock.h"

#include <stdio.h>

struct run {
    const struct tt_migrate_plugin_steps *steps;
    void *conn;
    const struct tt_migration_plugins *all;
    uint64_t hold_ms;
    bool dry_run;
    struct tt_migrate_report *report;
};

static int count(struct run *run, const char *sql, struct tt_str plugin, int64_t *out,
                 struct tt_err *err)
{
    struct tt_db_value value = tt_db_text(plugin);
    *out = 0;
    return run->steps->run(run->conn, sql, &value, 1, out, err) == 0 ? 0 : -1;
}

/* 1 = it is applied, 0 = it is missing, -1 = it was changed since. */
static int look_up(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    char sql[240];
    struct tt_str plugin = migration->file->plugin;
    int64_t applied, same;

    if (!run->steps->has_table(run->conn))
        return 0;
    int length =
        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM plugin_migrations WHERE plugin = ?1 AND version = %d",
                 migration->version);
    if (count(run, sql, plugin, &applied, err) != 0)
        return -1;
    snprintf(sql + length, sizeof(sql) - (size_t)length, " AND sha256 = '%s'", migration->sha256);
    if (count(run, sql, plugin, &same, err) != 0)
        return -1;
    if (applied && !same)
        return tt_err_set(err, 422, "migration_changed",
                          "%s:1: was changed after it was applied: undo the change, or write a new "
                          "migration",
                          migration->file->path.data);
    return applied > 0;
}

/* Names that the server's own tables, or another plugin's, have. */
static int check_prefix(struct run *run, const struct tt_migration_plugin *migration,
                        struct tt_err *err)
{
    struct tt_str plugin = migration->file->plugin;
    struct tt_buf foreign = {0};
    int64_t known, other;

    if (count(run, "SELECT count(*) FROM plugin_migrations WHERE plugin = ?1", plugin, &known,
              err) != 0 ||
        count(run,
              "SELECT count(*) FROM plugin_migrations WHERE plugin <> ?1 AND"
              " (substr(plugin || '_', 1, length(?1) + 1) = ?1 || '_' OR"
              " substr(?1 || '_', 1, length(plugin) + 1) = plugin || '_')",
              plugin, &other, err) != 0)
        return -1;
    int failed = known ? 0 : run->steps->columns(run->conn, plugin, &foreign, err);
    if (!failed && (other || foreign.len))
        failed = tt_err_set(err, 422, "migration_failed",
                            "%s:1: other tables begin with %.*s_ already; rename the plugin's "
                            "folder",
                            migration->file->path.data, TT_STR_ARG(plugin));
    tt_buf_free(&foreign);
    return failed ? -1 : 0;
}

/* Each column that was there must still be; both are sorted. */
static int compare_columns(const struct tt_buf *before, const struct tt_buf *now,
                           struct tt_err *err)
{
    struct tt_str old = tt_buf_str(before), next = tt_buf_str(now), line, other = {0};

    while (tt_str_split(&old, '\n', &line) && line.len) {
        while (!tt_str_eq(line, other))
            if (!tt_str_split(&next, '\n', &other))
                return tt_err_set(
                    err, 422, "migration_failed",
                    "%.*s is gone: migrations of a plugin only add, because older scripts may "
                    "come back",
                    TT_STR_ARG(line));
    }
    return 0;
}

static int record(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    char now[TT_RFC3339_SIZE];

    tt_clock_format(tt_clock_wall_us(), now);
    struct tt_db_value values[] = {tt_db_text(migration->file->plugin),
                                   tt_db_int(migration->version), tt_db_text(migration->name),
                                   tt_db_text(tt_str_from(migration->sha256)),
                                   tt_db_text(tt_str_from(now))};
    return run->steps->run(run->conn, "INSERT INTO plugin_migrations VALUES (?1, ?2, ?3, ?4, ?5)",
                           values, TT_COUNT(values), NULL, err);
}

static int explain(struct run *run, const struct tt_migration_plugin *migration, int line,
                   const struct tt_err *cause, struct tt_err *err)
{
    const char *path = migration->file->path.data;

    if (run->hold_ms && strcmp(cause->code, "query_too_slow") == 0)
        return tt_err_set(err, 422, "migration_failed",
                          "%s:%d: takes longer than %llu ms, and nothing else can be written "
                          "meanwhile: run `tidetalk migrate`, best while the server is stopped",
                          path, line, (unsigned long long)run->hold_ms);
    return tt_err_set(err, 422, "migration_failed", "%s:%d: %s", path, line, cause->message);
}

static int apply(struct run *run, const struct tt_migration_plugin *migration, struct tt_err *err)
{
    struct tt_str plugin = migration->file->plugin;
    struct tt_buf before = {0}, now = {0};
    struct tt_err cause = {0};
    int line = 1;

    int failed = run->steps->columns(run->conn, plugin, &before, &cause);
    if (!failed)
        failed = run->steps->script(run->conn, migration, &line, &cause);
    if (!failed)
        failed = run->steps->columns(run->conn, plugin, &now, &cause);
    if (!failed)
        failed = compare_columns(&before, &now, &cause);
    if (!failed)
        failed = record(run, migration, &cause);
    tt_buf_free(&before);
    tt_buf_free(&now);
    return failed ? explain(run, migration, line, &cause, err) : 0;
}

static void report_line(struct run *run, const struct tt_migration_plugin *migration,
                        const char *what)
{
    tt_buf_printf(&run->report->text, "%.*s %04d %.*s %s\n", TT_STR_ARG(migration->file->plugin),
                  migration->version, TT_STR_ARG(migration->name), what);
}

/* Applies what is missing, in the transaction that is open. */
static int apply_missing(struct run *run, struct tt_err *err)
{
    for (size_t i = 0; i < run->all->count; i++) {
        const struct tt_migration_plugin *migration = &run->all->items[i];
        int applied = look_up(run, migration, err);
        if (applied < 0)
            return -1;
        if (!applied && (check_prefix(run, migration, err) != 0 || apply(run, migration, err) != 0))
            return -1;
        report_line(run, migration, applied ? "done" : run->dry_run ? "pending" : "applied");
        run->report->applied += !applied;
    }
    return 0;
}

/* Fails: -1, when one was changed. */
static int count_missing(struct run *run, struct tt_err *err)
{
    int missing = 0;

    for (size_t i = 0; i < run->all->count; i++) {
        int applied = look_up(run, &run->all->items[i], err);
        if (applied < 0)
            return -1;
        missing += !applied;
    }
    return missing;
}

int tt_migrate_plugins_up(const struct tt_migrate_plugin_steps *steps, void *conn,
                          const struct tt_migration_plugins *all, uint64_t hold_ms, bool dry_run,
                          struct tt_migrate_report *report, struct tt_err *err)
{
    struct run run = {steps, conn, all, hold_ms, dry_run, report};
    int missing = count_missing(&run, err);

    for (size_t i = 0; missing == 0 && i < all->count; i++)
        report_line(&run, &all->items[i], "done");
    if (missing <= 0)
        return missing;
    int failed = steps->begin(conn, err);
    if (!failed)
        failed = apply_missing(&run, err);
    if (!failed && !dry_run)
        failed = steps->commit(conn, err);
    steps->end(conn);
    return failed ? -1 : 0;
}

int tt_migrate_plugins_compare(const struct tt_migrate_plugin_steps *steps, void *conn,
                               const struct tt_migration_plugins *all, struct tt_err *err)
{
    struct run run = {.steps = steps, .conn = conn, .all = all};
    return count_missing(&run, err) < 0 ? -1 : 0;
}
