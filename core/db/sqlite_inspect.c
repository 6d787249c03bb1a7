/* See inspect.h. A file without bytes is never opened: SQLite would remove the write-ahead log
 * beside it, which may be all that is left of a database. */
#include "db/sqlite_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS 5000

/* ---- the files ---- */

/* The size, 0 if there is no file. -1: it cannot be examined. */
static int64_t size_of(const char *path, bool *missing)
{
    struct stat st;
    *missing = stat(path, &st) != 0;
    if (*missing)
        return errno == ENOENT ? 0 : -1;
    return st.st_size;
}

static bool has_log(const char *path)
{
    char log[4300];
    bool missing;
    snprintf(log, sizeof(log), "%s-wal", path);
    return size_of(log, &missing) > 0;
}

/* ---- the tables ---- */

static int count_tables(struct tt_sqlite *conn, const char *name, bool *exists, struct tt_err *err)
{
    struct tt_db_value value = tt_db_text(tt_str_from(name));
    int64_t count = 0;
    int rc = tt_sqlite_run_values(
        conn, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1", &value, 1,
        &count, err);
    *exists = count > 0;
    return rc;
}

static int look_for_users(struct tt_sqlite *conn, struct tt_db_contents *contents,
                          struct tt_err *err)
{
    int64_t found = 0;
    bool exists;
    int rc = count_tables(conn, "users", &exists, err);
    if (rc == SQLITE_OK && exists)
        rc =
            tt_sqlite_run_values(conn, "SELECT EXISTS (SELECT 1 FROM users)", NULL, 0, &found, err);
    contents->has_users = found > 0;
    return rc;
}

/* Sealed texts begin with "v1.<key id>.", see base/seal.c. */
static int look_for_sealed(struct tt_sqlite *conn, struct tt_str seal_id,
                           struct tt_db_contents *contents, struct tt_err *err)
{
    struct tt_db_value value = tt_db_text(seal_id);
    struct tt_statement *statement;
    bool exists;
    int rc = count_tables(conn, "user_apis", &exists, err);
    if (rc != SQLITE_OK || !exists)
        return rc;
    rc =
        tt_sqlite_prepare(conn,
                          TT_STR("SELECT count(*), max(substr(api_key_sealed, 4, 8)) FROM user_apis"
                                 " WHERE substr(api_key_sealed, 1, 12) <> 'v1.' || ?1 || '.'"),
                          &statement, err);
    if (rc != SQLITE_OK)
        return rc;
    rc = tt_sqlite_bind(conn, statement, &value, 1, err);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement->handle)) == SQLITE_ROW) {
        struct tt_db_value id = tt_sqlite_column(statement, 1);
        contents->unreadable = sqlite3_column_int64(statement->handle, 0);
        if (id.type == TT_DB_TEXT)
            snprintf(contents->sealed_with, sizeof(contents->sealed_with), "%.*s",
                     TT_STR_ARG(id.text));
        rc = SQLITE_OK;
    } else if (rc != SQLITE_OK) {
        tt_sqlite_error(conn, rc, err);
    }
    tt_sqlite_release(statement);
    return rc;
}

static int look_for_note(struct tt_sqlite *conn, struct tt_str seal_id,
                         struct tt_db_contents *contents, struct tt_err *err)
{
    struct tt_db_value value = tt_db_text(seal_id);
    int64_t found = 0;
    bool exists;
    int rc = count_tables(conn, "settings", &exists, err);
    if (rc == SQLITE_OK && exists)
        rc = tt_sqlite_run_values(
            conn, "SELECT count(*) FROM settings WHERE key = 'accepted_seal_key' AND value = ?1",
            &value, 1, &found, err);
    contents->accepted = found > 0;
    return rc;
}

static int look(const char *path, enum tt_sqlite_mode mode, struct tt_str seal_id,
                struct tt_db_contents *contents, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    bool migrated = false;
    int rc = tt_sqlite_open(&conn, path, mode, BUSY_MS, err);
    if (rc == SQLITE_OK)
        rc = count_tables(&conn, "schema_migrations", &migrated, err);
    contents->empty = !migrated;
    if (rc == SQLITE_OK)
        rc = look_for_users(&conn, contents, err);
    if (rc == SQLITE_OK)
        rc = look_for_sealed(&conn, seal_id, contents, err);
    if (rc == SQLITE_OK)
        rc = look_for_note(&conn, seal_id, contents, err);
    tt_sqlite_close(&conn);
    return rc;
}

int tt_sqlite_inspect(const char *path, const char *seal_id, struct tt_db_contents *contents,
                      struct tt_err *err)
{
    struct tt_str id = tt_str_from(seal_id);
    struct tt_err cause = {0};
    *contents = (struct tt_db_contents){0};
    int64_t size = size_of(path, &contents->missing);
    if (size < 0)
        return tt_err_set(err, 503, "database_unavailable", "%s: %s", path, strerror(errno));
    if (size == 0) {
        contents->empty = !contents->missing;
        contents->log_left = has_log(path);
        return 0;
    }
    int rc = look(path, TT_SQLITE_READ, id, contents, &cause);
    /* If a process was killed while it created the file, a journal remains, which a read-only
     * connection may not roll back. */
    if (rc == SQLITE_READONLY_ROLLBACK)
        rc = look(path, TT_SQLITE_WRITE, id, contents, &cause);
    if (rc != SQLITE_OK)
        return tt_err_set(err, 503, "database_unavailable", "the database %s cannot be read: %s",
                          path, cause.message);
    return 0;
}
