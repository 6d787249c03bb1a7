/* Bringing the schema to the newest version, and back (migrate_steps.c has the order). Each
 * migration is one transaction with its row in schema_migrations. Foreign keys are not enforced
 * meanwhile (rebuilding a table would delete its children by ON DELETE CASCADE) but checked before
 * COMMIT. */
#include "base/clock.h"
#include "db/migrate_steps.h"
#include "db/sqlite.h"
#include "db/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 60000 /* another process may be running a long migration */

static int failed(struct tt_err *err, const struct tt_err *cause, const char *what)
{
    return tt_err_set(err, 500, "migration_failed", "%s: %s", what, cause->message);
}

/* ---- applied migrations ---- */

static int table_exists(struct tt_sqlite *conn, bool *exists, struct tt_err *err)
{
    int64_t count = 0;
    int rc = tt_sqlite_run_values(
        conn, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'", NULL, 0,
        &count, err);
    *exists = count > 0;
    return rc;
}

/* Reads the newest applied version, and checks the applied migrations against the files. */
static int read_applied(void *arg, const struct tt_migration_files *set, int *newest,
                        struct tt_err *err)
{
    struct tt_sqlite *conn = arg;
    struct tt_statement *statement;
    struct tt_err cause = {0};
    bool exists;
    int status = 0;
    *newest = 0;
    if (table_exists(conn, &exists, &cause) != SQLITE_OK)
        return failed(err, &cause, "schema_migrations");
    if (!exists)
        return 0;
    if (tt_sqlite_prepare(conn,
                          TT_STR("SELECT version, name, sha256 FROM schema_migrations"
                                 " ORDER BY version"),
                          &statement, &cause) != SQLITE_OK)
        return failed(err, &cause, "schema_migrations");
    int rc;
    while (status == 0 && (rc = sqlite3_step(statement->handle)) == SQLITE_ROW)
        status = tt_migration_files_compare(set, sqlite3_column_int(statement->handle, 0),
                                            tt_sqlite_column(statement, 1).text,
                                            tt_sqlite_column(statement, 2).text, newest, err);
    if (status == 0 && rc != SQLITE_DONE) {
        tt_sqlite_error(conn, rc, &cause);
        status = failed(err, &cause, "schema_migrations");
    }
    tt_sqlite_release(statement);
    return status;
}

/* ---- running a file ---- */

static int check_foreign_keys(struct tt_sqlite *conn, struct tt_err *err)
{
    int64_t broken = 0;
    int rc = tt_sqlite_run_values(conn, "SELECT count(*) FROM pragma_foreign_key_check", NULL, 0,
                                  &broken, err);
    if (rc == SQLITE_OK && broken > 0) {
        rc = SQLITE_CONSTRAINT_FOREIGNKEY;
        tt_err_set(err, 500, "foreign_key", "%lld rows would refer to nothing", (long long)broken);
    }
    return rc;
}

static int record_up(struct tt_sqlite *conn, const struct tt_migration_file *file,
                     struct tt_err *err)
{
    char now[TT_RFC3339_SIZE];
    tt_clock_format(tt_clock_wall_us(), now);
    struct tt_db_value values[] = {tt_db_int(file->version), tt_db_text(tt_str_from(file->name)),
                                   tt_db_text(tt_str_from(file->sha256)),
                                   tt_db_text(tt_str_from(now))};
    int rc = tt_sqlite_run(conn,
                           "CREATE TABLE IF NOT EXISTS schema_migrations ("
                           " version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                           " sha256 TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT",
                           err);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run_values(conn, "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4)",
                                  values, TT_COUNT(values), NULL, err);
    return rc;
}

static int record_down(struct tt_sqlite *conn, const struct tt_migration_file *file,
                       struct tt_err *err)
{
    struct tt_db_value version = tt_db_int(file->version);
    return tt_sqlite_run_values(conn, "DELETE FROM schema_migrations WHERE version = ?1", &version,
                                1, NULL, err);
}

/* Runs a script and its record in the transaction that the caller began, and ends the transaction.
 */
static int apply(void *arg, const struct tt_migration_file *file, const char *sql, bool up,
                 struct tt_err *err)
{
    struct tt_sqlite *conn = arg;
    struct tt_err cause = {0};
    int line = 0;
    int rc = tt_sqlite_run_script(conn, sql, &line, &cause);
    if (rc == SQLITE_AUTH)
        tt_err_wrap(&cause, "BEGIN, COMMIT, PRAGMA, ATTACH are not for migrations");
    if (rc == SQLITE_OK)
        rc = check_foreign_keys(conn, &cause);
    if (rc == SQLITE_OK)
        rc = up ? record_up(conn, file, &cause) : record_down(conn, file, &cause);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run(conn, "COMMIT", &cause);
    if (rc == SQLITE_OK)
        return 0;
    if (line > 0)
        tt_err_wrap(&cause, "line %d", line);
    return tt_err_set(err, 500, "migration_failed", "%04d_%s.%s.sql: %s", file->version, file->name,
                      up ? "up" : "down", cause.message);
}

/* ---- up and down ---- */

/* Creates the file if there is none. With O_EXCL only: closing any descriptor of a database that is
 * open in this process would drop the process's locks on it. */
static int create_file(const char *path, struct tt_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return tt_err_set(err, 500, "migration_failed", "%s: %s", path, strerror(errno));
    else if (chmod(path, 0600) != 0 && errno != EPERM)
        return tt_err_set(err, 500, "migration_failed", "%s: chmod: %s", path, strerror(errno));
    return 0;
}

static int open_for_migrations(struct tt_sqlite *conn, const char *path, enum tt_sqlite_mode mode,
                               struct tt_err *err)
{
    struct tt_err cause = {0};
    int rc = tt_sqlite_open(conn, path, mode, BUSY_MS, &cause);
    if (rc == SQLITE_OK)
        rc = tt_sqlite_run(conn, "PRAGMA foreign_keys=OFF", &cause);
    return rc == SQLITE_OK ? 0 : failed(err, &cause, "cannot open the database");
}

/* Ends the read or write transaction in which the state was read. */
static void end(void *arg)
{
    struct tt_sqlite *conn = arg;
    if (conn->handle && !sqlite3_get_autocommit(conn->handle))
        tt_sqlite_run(conn, "ROLLBACK", NULL);
}

static int begin(void *arg, struct tt_err *err)
{
    struct tt_err cause = {0};
    if (tt_sqlite_run(arg, "BEGIN IMMEDIATE", &cause) != SQLITE_OK)
        return failed(err, &cause, "another process is writing");
    return 0;
}

static const struct tt_migrate_steps steps = {
    .begin = begin, .applied = read_applied, .apply = apply, .end = end};

static int report_pending(const char *path, const struct tt_migration_files *set,
                          struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    bool exists = access(path, F_OK) == 0;
    int status = exists ? open_for_migrations(&conn, path, TT_SQLITE_READ, err) : 0;
    if (status == 0)
        status = tt_migrate_pending(&steps, exists ? &conn : NULL, set, report, err);
    tt_sqlite_close(&conn);
    return status;
}

static int apply_pending(const char *path, const struct tt_migration_files *set,
                         struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    int status = create_file(path, err);
    if (status == 0)
        status = open_for_migrations(&conn, path, TT_SQLITE_WRITE, err);
    if (status == 0)
        status = tt_migrate_up(&steps, &conn, set, report, err);
    tt_sqlite_close(&conn);
    return status;
}

int tt_sqlite_migrate(const char *path, const char *directory, bool dry_run,
                      struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_migration_files set;
    int status = tt_migration_files_read(&set, directory, err);
    if (status == 0)
        status = dry_run ? report_pending(path, &set, report, err)
                         : apply_pending(path, &set, report, err);
    tt_migration_files_free(&set);
    return status;
}

int tt_sqlite_make_empty(const char *path, const char *folder, struct tt_buf *url,
                         struct tt_err *err)
{
    (void)path, (void)err;
    tt_buf_printf(url, "sqlite:%s/empty.db", folder);
    return 0;
}

int tt_sqlite_migrate_down(const char *path, const char *directory, int version,
                           struct tt_migrate_report *report, struct tt_err *err)
{
    struct tt_migration_files set;
    struct tt_sqlite conn = {0};
    int status = tt_migration_files_read(&set, directory, err);
    if (status == 0)
        status = open_for_migrations(&conn, path, TT_SQLITE_WRITE, err);
    if (status == 0)
        status = tt_migrate_back(&steps, &conn, &set, directory, version, report, err);
    tt_sqlite_close(&conn);
    tt_migration_files_free(&set);
    return status;
}
