/* Bringing the schema to the newest version, and back (migrate_steps.c has the order). Each
 * migration is one transaction with its row in schema_migrations; a lock that ends with the
 * transaction makes processes take turns. */
#include "base/clock.h"
#include "db/migrate_steps.h"
#include "db/postgres.h"

#include <stdio.h>
#include <stdlib.h>

static int failed(struct tt_err *err, const struct tt_err *cause, const char *what)
{
    return tt_err_set(err, 500, "migration_failed", "%s: %s", what, cause->message);
}

/* ---- the steps ---- */

int tt_pg_migrate_begin(void *arg, struct tt_err *err)
{
    struct tt_err cause = {0};
    if (tt_pg_run_once(arg, "BEGIN", NULL, 0, &cause) != 0 ||
        tt_pg_run_once(arg, "SELECT pg_advisory_xact_lock(1953064294, hashtext(current_schema()))",
                       NULL, 0, &cause) != 0)
        return failed(err, &cause, "the database cannot be changed");
    return 0;
}

void tt_pg_migrate_end(void *arg)
{
    struct tt_pg *pg = arg;
    if (pg->conn && PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        tt_pg_run_once(pg, "ROLLBACK", NULL, 0, NULL);
}

static int read_applied(void *arg, const struct tt_migration_files *set, int *newest,
                        struct tt_err *err)
{
    struct tt_pg *pg = arg;
    struct tt_err cause = {0};
    int64_t there = 0;
    int status = 0;

    *newest = 0;
    if (tt_pg_run_int(pg,
                      "SELECT count(*) FROM pg_tables WHERE tablename = 'schema_migrations'"
                      " AND schemaname = current_schema()",
                      NULL, 0, &there, &cause) != 0)
        return failed(err, &cause, "schema_migrations");
    if (!there)
        return 0;
    PGresult *rows =
        tt_pg_run(pg, "SELECT version, name, sha256 FROM schema_migrations ORDER BY version", NULL,
                  0, &cause);
    if (!rows)
        return failed(err, &cause, "schema_migrations");
    for (int i = 0; status == 0 && i < PQntuples(rows); i++)
        status = tt_migration_files_compare(set, (int)strtol(PQgetvalue(rows, i, 0), NULL, 10),
                                            tt_str_from(PQgetvalue(rows, i, 1)),
                                            tt_str_from(PQgetvalue(rows, i, 2)), newest, err);
    PQclear(rows);
    return status;
}

static int record(struct tt_pg *pg, const struct tt_migration_file *file, bool up,
                  struct tt_err *err)
{
    char now[TT_RFC3339_SIZE], version[16];
    tt_clock_format(tt_clock_wall_us(), now);
    snprintf(version, sizeof(version), "%d", file->version);
    const char *const values[] = {version, file->name, file->sha256, now};
    if (!up)
        return tt_pg_run_once(pg, "DELETE FROM schema_migrations WHERE version = $1", values, 1,
                              err);
    if (tt_pg_run_once(pg,
                       "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY,"
                       " name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL)",
                       NULL, 0, err) != 0)
        return -1;
    return tt_pg_run_once(pg, "INSERT INTO schema_migrations VALUES ($1, $2, $3, $4)", values, 4,
                          err);
}

static int apply(void *arg, const struct tt_migration_file *file, const char *sql, bool up,
                 struct tt_err *err)
{
    struct tt_pg *pg = arg;
    struct tt_err cause = {0};
    int line = 0;

    int status = tt_pg_run_script(pg, sql, &line, &cause);
    if (status == 0 && PQtransactionStatus(pg->conn) != PQTRANS_INTRANS)
        status = tt_err_set(&cause, 500, "sql_error", "BEGIN and COMMIT are not for migrations");
    if (status == 0)
        status = record(pg, file, up, &cause);
    if (status == 0)
        status = tt_pg_run_once(pg, "COMMIT", NULL, 0, &cause);
    if (status == 0)
        return 0;
    if (line > 0)
        tt_err_wrap(&cause, "line %d", line);
    return tt_err_set(err, 500, "migration_failed", "%04d_%s.%s.sql: %s", file->version, file->name,
                      up ? "up" : "down", cause.message);
}

static const struct tt_migrate_steps steps = {.begin = tt_pg_migrate_begin,
                                              .applied = read_applied,
                                              .apply = apply,
                                              .end = tt_pg_migrate_end};

/* ---- up and down ---- */

int tt_pg_migrate_open(struct tt_pg *pg, const char *place, struct tt_err *err)
{
    char url[4300];
    struct tt_err cause = {0};
    tt_pg_url(place, url, sizeof(url));
    if (tt_pg_open(pg, url, TT_PG_WRITE, &cause) != 0 ||
        tt_pg_run_once(pg, "SET statement_timeout = 0", NULL, 0, &cause) != 0 ||
        tt_pg_run_once(pg, "SET lock_timeout = '60s'", NULL, 0, &cause) != 0)
        return tt_err_set(err, 503, "database_unavailable", "cannot open the database: %s",
                          cause.message);
    return 0;
}

int tt_pg_migrate(const char *place, const char *directory, bool dry_run,
                  struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_migration_files set;
    struct tt_pg pg = {0};
    int status = tt_migration_files_read(&set, directory, err);
    if (status == 0)
        status = tt_pg_migrate_open(&pg, place, err);
    if (status == 0)
        status = dry_run ? tt_migrate_pending(&steps, &pg, &set, report, err)
                         : tt_migrate_up(&steps, &pg, &set, report, err);
    tt_pg_close(&pg);
    tt_migration_files_free(&set);
    return status;
}

int tt_pg_migrate_down(const char *place, const char *directory, int version,
                       struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_migration_files set;
    struct tt_pg pg = {0};
    int status = tt_migration_files_read(&set, directory, err);
    if (status == 0)
        status = tt_pg_migrate_open(&pg, place, err);
    if (status == 0)
        status = tt_migrate_back(&steps, &pg, &set, directory, version, report, err);
    tt_pg_close(&pg);
    tt_migration_files_free(&set);
    return status;
}
