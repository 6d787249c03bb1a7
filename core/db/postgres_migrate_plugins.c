/* Migrations of plugins (migrate_plugin_steps.c has the order). PostgreSQL has nothing that asks
 * before it changes something, as SQLite has, and a role with fewer rights could not refer to the
 * server's tables. So each statement is looked at twice: its first words must be those of a
 * statement that migrations may have, and after it the server's own tables must be what they were,
 * their definitions and, in this transaction, their rows. What is not so is rolled back. */
#include "base/clock.h"
#include "db/migrate_plugin_steps.h"
#include "db/postgres.h"
#include "db/postgres_script.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUES_MAX 5

struct run {
    struct tt_pg pg;
    uint64_t hold_ms, deadline_ms; /* 0: no limit */
    PGresult *all;                 /* what is there before a statement */
};

/* ---- what is there ---- */

/* $1 is the plugin. */
#define OWN  "starts_with(c.relname, $1 || '_')"
#define HERE "c.relnamespace = current_schema()::regnamespace"

/* Everything there is, with a hash of what it is made of and of how many of its rows were changed
 * in this transaction. An index belongs to its table, whatever its name is. */
static const char SQL_ALL[] =
    "SELECT c.relname, md5(concat_ws('|', c.oid, c.relkind, c.relfilenode, c.relowner,"
    " CASE WHEN c.relkind NOT IN ('i', 'I', 'S') THEN concat_ws('|', c.relacl, c.reloptions,"
    " c.relrowsecurity, pg_stat_get_xact_tuples_inserted(c.oid)"
    " + pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid),"
    " (SELECT string_agg(concat_ws(',', a.attname, a.atttypid, a.atttypmod, a.attnotnull,"
    " a.attcollation, a.attisdropped, pg_get_expr(d.adbin, d.adrelid)), ';' ORDER BY a.attnum)"
    " FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid"
    " AND d.adnum = a.attnum WHERE a.attrelid = c.oid AND a.attnum > 0),"
    " (SELECT string_agg(pg_get_constraintdef(k.oid), ';' ORDER BY k.oid)"
    " FROM pg_constraint AS k WHERE k.conrelid = c.oid),"
    " (SELECT string_agg(concat(pg_get_triggerdef(t.oid), t.tgenabled), ';' ORDER BY t.oid)"
    " FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),"
    " (SELECT string_agg(i.indexrelid::text, ';' ORDER BY i.indexrelid)"
    " FROM pg_index AS i WHERE i.indrelid = c.oid),"
    " (SELECT string_agg(pg_get_ruledef(r.oid), ';' ORDER BY r.oid)"
    " FROM pg_rewrite AS r WHERE r.ev_class = c.oid)) END))"
    " FROM pg_class AS c WHERE " HERE " AND c.relname <> 'plugin_migrations'"
    " UNION ALL SELECT c.proname, md5(pg_get_functiondef(c.oid)) FROM pg_proc AS c"
    " WHERE c.pronamespace = current_schema()::regnamespace AND c.prokind IN ('f', 'p')"
    " ORDER BY 1, 2";

static PGresult *read_all(struct run *run, struct tt_err *err)
{
    return tt_pg_run(&run->pg, SQL_ALL, NULL, 0, err);
}

static int refuse(struct tt_err *err, const char *format, const char *name, struct tt_str plugin)
{
    struct tt_str told = tt_str_from(name);
    return tt_err_set(err, 422, "migration_failed", format, TT_STR_ARG(told), TT_STR_ARG(plugin));
}

/* The next name from *at on that is not the plugin's, NULL at the end. */
static const char *skip_own(PGresult *all, int *at, struct tt_str plugin)
{
    for (; *at < PQntuples(all); ++*at) {
        const char *name = PQgetvalue(all, *at, 0);
        if (strncmp(name, plugin.data, plugin.len) != 0 || name[plugin.len] != '_')
            return name;
    }
    return NULL;
}

/* Both are sorted by name. Names first: who loses a table changes also what refers to it. */
static int compare_others(PGresult *before, PGresult *now, struct tt_str plugin, struct tt_err *err)
{
    const char *left, *right, *changed = NULL;
    int old = 0, next = 0;

    for (;; old++, next++) {
        left = skip_own(before, &old, plugin);
        right = skip_own(now, &next, plugin);
        if (!left && !right)
            break;
        int order = !left ? 1 : !right ? -1 : strcmp(left, right);
        if (order > 0)
            return refuse(err, TT_MIGRATE_NAME, right, plugin);
        if (order < 0)
            return refuse(err, TT_MIGRATE_STAYS, left, plugin);
        if (!changed && strcmp(PQgetvalue(before, old, 1), PQgetvalue(now, next, 1)) != 0)
            changed = left;
    }
    return changed ? refuse(err, TT_MIGRATE_NOT_OWN, changed, plugin) : 0;
}

static bool has_table(void *arg)
{
    struct run *run = arg;
    int64_t there = 0;
    tt_pg_run_int(&run->pg,
                  "SELECT count(*) FROM pg_class AS c WHERE c.relname = 'plugin_migrations'"
                  " AND " HERE,
                  NULL, 0, &there, NULL);
    return there > 0;
}

static int read_columns(void *arg, struct tt_str plugin, struct tt_buf *out, struct tt_err *err)
{
    struct run *run = arg;
    PGresult *rows =
        tt_pg_run(&run->pg,
                  "SELECT c.relname, a.attname FROM pg_class AS c"
                  " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
                  " AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p', 'v', 'm') AND " HERE
                  " AND " OWN " ORDER BY 1, 2",
                  &plugin.data, 1, err);
    for (int i = 0; rows && i < PQntuples(rows); i++)
        tt_buf_printf(out, "%s.%s\n", PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
    PQclear(rows);
    return rows ? 0 : -1;
}

/* ---- the steps ---- */

static int begin(void *arg, struct tt_err *err)
{
    struct run *run = arg;

    if (run->hold_ms)
        run->deadline_ms = tt_clock_mono_ms() + run->hold_ms;
    if (tt_pg_migrate_begin(&run->pg, err) != 0)
        return -1;
    return tt_pg_run_once(&run->pg,
                          "CREATE TABLE IF NOT EXISTS plugin_migrations (plugin TEXT NOT NULL,"
                          " version BIGINT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,"
                          " applied_at TEXT NOT NULL, PRIMARY KEY (plugin, version))",
                          NULL, 0, err);
}

static int run_values(void *arg, const char *sql, const struct tt_db_value *values, size_t count,
                      int64_t *first, struct tt_err *err)
{
    struct run *run = arg;
    struct tt_pg_text text;
    struct tt_buf copies[VALUES_MAX] = {0};
    const char *sent[VALUES_MAX];
    int64_t unused;

    for (size_t i = 0; i < count && i < VALUES_MAX; i++) {
        if (values[i].type == TT_DB_INT)
            tt_buf_printf(&copies[i], "%lld", (long long)values[i].integer);
        else
            tt_buf_printf(&copies[i], "%.*s", TT_STR_ARG(values[i].text));
        sent[i] = copies[i].data;
    }
    int failed = tt_pg_translate(tt_str_from(sql), &text, err);
    if (!failed)
        failed =
            tt_pg_run_int(&run->pg, text.sql.data, sent, (int)count, first ? first : &unused, err);
    for (size_t i = 0; i < VALUES_MAX; i++)
        tt_buf_free(&copies[i]);
    tt_buf_free(&text.sql);
    return failed;
}

/* A statement gets the time that is left, waiting for locks included: other writers wait with it.
 */
static int limit_time(struct run *run, struct tt_err *err)
{
    char sql[80];
    uint64_t now = tt_clock_mono_ms();

    if (!run->deadline_ms)
        return 0;
    if (now >= run->deadline_ms)
        return tt_err_set(err, 503, "query_too_slow", "no time is left");
    snprintf(sql, sizeof(sql), "SET LOCAL statement_timeout = %llu",
             (unsigned long long)(run->deadline_ms - now));
    return tt_pg_run_once(&run->pg, sql, NULL, 0, err);
}

static int run_statement(struct run *run, const struct tt_migration_plugin *migration,
                         struct tt_str statement, int *line, struct tt_err *err)
{
    struct tt_buf sql = {0};
    const char *refusal = tt_pg_script_refusal(statement);
    int own_line = 0;

    if (refusal)
        return tt_err_set(err, 422, "migration_failed", "%s", refusal);
    if (migration->chosen)
        tt_buf_append_str(&sql, statement);
    else
        tt_pg_script_types(statement, &sql);
    int failed = limit_time(run, err);
    if (!failed)
        failed = tt_pg_run_statement(&run->pg, sql.data, &own_line, err);
    if (failed && own_line > 0)
        *line += own_line - 1;
    tt_buf_free(&sql);
    return failed;
}

static int run_script(void *arg, const struct tt_migration_plugin *migration, int *line,
                      struct tt_err *err)
{
    struct run *run = arg;
    struct tt_pg_script script = {.sql = migration->file->sql, .line = 1};
    struct tt_str statement;
    int failed = 0;

    if (!run->all && !(run->all = read_all(run, err)))
        return -1;
    while (!failed && tt_pg_script_next(&script, &statement, line)) {
        failed = run_statement(run, migration, statement, line, err);
        PGresult *now = failed ? NULL : read_all(run, err);
        if (!failed)
            failed = now ? compare_others(run->all, now, migration->file->plugin, err) : -1;
        if (now) {
            PQclear(run->all);
            run->all = now;
        }
    }
    return failed;
}

static int commit(void *arg, struct tt_err *err)
{
    struct run *run = arg;
    return tt_pg_run_once(&run->pg, "COMMIT", NULL, 0, err);
}

static void end(void *arg)
{
    struct run *run = arg;
    tt_pg_migrate_end(&run->pg);
}

static const struct tt_migrate_plugin_steps steps = {.has_table = has_table,
                                                     .begin = begin,
                                                     .run = run_values,
                                                     .columns = read_columns,
                                                     .script = run_script,
                                                     .commit = commit,
                                                     .end = end};

int tt_pg_migrate_plugins(const char *place, const struct tt_migration_plugins *all,
                          uint64_t hold_ms, bool dry_run, struct tt_migrate_report *report,
                          struct tt_err *err)
{
    struct run run = {.hold_ms = hold_ms};

    if (all->count == 0)
        return 0;
    int failed = tt_pg_migrate_open(&run.pg, place, err);
    if (!failed)
        failed = tt_migrate_plugins_up(&steps, &run, all, hold_ms, dry_run, report, err);
    PQclear(run.all);
    tt_pg_close(&run.pg);
    return failed;
}

int tt_pg_compare_plugins(const char *place, const struct tt_migration_plugins *all,
                          struct tt_err *err)
{
    struct run run = {0};

    if (all->count == 0)
        return 0;
    int failed = tt_pg_migrate_open(&run.pg, place, err);
    if (!failed)
        failed = tt_migrate_plugins_compare(&steps, &run, all, err);
    tt_pg_close(&run.pg);
    return failed;
}

/* ---- removing ---- */

/* Sequences of columns go with their tables. */
static const char SQL_OWN[] =
    "SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,"
    " format('\"%s\"', replace(c.relname, '\"', '\"\"')), CASE c.relkind WHEN 'v' THEN 0 WHEN 'S' "
    "THEN 2 ELSE 1 END AS place"
    " FROM pg_class AS c WHERE " HERE " AND " OWN " AND (c.relkind IN ('r', 'p', 'v')"
    " OR (c.relkind = 'S' AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.objid = c.oid"
    " AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))))"
    " UNION ALL SELECT 'function', c.oid::regprocedure::text, 3 FROM pg_proc AS c"
    " WHERE c.pronamespace = current_schema()::regnamespace"
    " AND starts_with(c.proname, $1 || '_') ORDER BY place, 2";

/* All of a kind in one statement: they may refer to one another. */
static int drop_all(struct run *run, PGresult *all, struct tt_migrate_report *report,
                    struct tt_err *err)
{
    struct tt_buf sql = {0};
    int failed = 0, count = PQntuples(all);

    for (int i = 0; i < count && !failed; i++) {
        const char *kind = PQgetvalue(all, i, 0), *name = PQgetvalue(all, i, 1);
        bool first = i == 0 || strcmp(PQgetvalue(all, i - 1, 0), kind) != 0;
        bool last = i + 1 == count || strcmp(PQgetvalue(all, i + 1, 0), kind) != 0;
        tt_buf_printf(&report->text, "DROP %s IF EXISTS %s;\n", kind, name);
        if (first) {
            tt_buf_clear(&sql);
            tt_buf_printf(&sql, "DROP %s ", kind);
        }
        tt_buf_printf(&sql, "%s%s", first ? "" : ", ", name);
        if (last)
            failed = tt_pg_run_once(&run->pg, sql.data, NULL, 0, err);
    }
    tt_buf_free(&sql);
    return failed;
}

int tt_pg_drop_plugin(const char *place, const char *plugin, struct tt_migrate_report *report,
                      struct tt_err *err)
{
    struct run run = {0};
    PGresult *all = NULL;
    int64_t known = 0;

    int failed = tt_pg_migrate_open(&run.pg, place, err);
    if (!failed && has_table(&run)) {
        failed = tt_pg_migrate_begin(&run.pg, err) ||
                 tt_pg_run_int(&run.pg, "SELECT count(*) FROM plugin_migrations WHERE plugin = $1",
                               &plugin, 1, &known, err);
        if (!failed && known) {
            all = tt_pg_run(&run.pg, SQL_OWN, &plugin, 1, err);
            failed = !all || drop_all(&run, all, report, err) ||
                     tt_pg_run_once(&run.pg, "DELETE FROM plugin_migrations WHERE plugin = $1",
                                    &plugin, 1, err);
        }
        if (!failed)
            failed = commit(&run, err);
        tt_pg_migrate_end(&run.pg);
    }
    PQclear(all);
    tt_pg_close(&run.pg);
    return failed ? -1 : 0;
}
