/* A backup and its way back are the same: a copy under another name, examined whole, and only then
 * given its own name, so that a file with that name is always complete and sound. An existing file
 * is never replaced. */
#include "db/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4200
#define BUSY_MS   5000

/* ---- examining ---- */

/* The first row of a pragma that reports damage. *found: there is one, and it does not say "ok". */
static int ask(struct tt_sqlite *conn, const char *pragma, char *text, size_t size, bool *found,
               struct tt_err *err)
{
    struct tt_statement *statement;
    int rc = tt_sqlite_prepare(conn, tt_str_from(pragma), &statement, err);

    *found = false;
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement->handle);
    if (rc == SQLITE_ROW) {
        struct tt_db_value value = tt_sqlite_column(statement, 0);
        *found = value.type != TT_DB_TEXT || !tt_str_eq(value.text, TT_STR("ok"));
        if (value.type == TT_DB_TEXT)
            snprintf(text, size, "%.*s", (int)(value.text.len < size ? value.text.len : size - 1),
                     value.text.data);
    }
    rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : tt_sqlite_error(conn, rc, err);
    tt_sqlite_release(statement);
    return rc;
}

/* `how` may have several lines; an error is one. */
static int set_damaged(struct tt_err *err, const char *path, char *how)
{
    for (char *end = how; (end = strchr(end, '\n'));)
        *end = ' ';
    return tt_err_set(err, 500, "database_damaged", "the database %s is damaged: %s", path, how);
}

int tt_sqlite_verify(const char *path, bool quick, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    struct tt_err cause = {0};
    char text[200] = "";
    bool damaged = false, dangling = false;
    int rc = tt_sqlite_open(&conn, path, TT_SQLITE_WRITE, BUSY_MS, &cause);

    if (rc == SQLITE_OK)
        rc = ask(&conn, quick ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)", text,
                 sizeof(text), &damaged, &cause);
    if (rc == SQLITE_OK && !damaged)
        rc = ask(&conn, "PRAGMA foreign_key_check", text, sizeof(text), &dangling, &cause);
    tt_sqlite_close(&conn);
    if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || (rc & 0xff) == SQLITE_CORRUPT)
        return set_damaged(err, path, cause.message);
    if (rc != SQLITE_OK)
        return tt_err_set(err, 503, "database_unavailable", "the database %s cannot be read: %s",
                          path, cause.message);
    if (dangling)
        return tt_err_set(
            err, 500, "database_damaged",
            "the database %s is damaged: a row of %s refers to a row that is not there", path,
            text);
    return damaged ? set_damaged(err, path, text) : 0;
}

/* ---- copying ---- */

static void remove_all(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_SIZE + 16];

    for (size_t i = 0; i < TT_COUNT(ends); i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* The bytes and the new name are on disk afterwards. */
static int give_name(const char *part, const char *to)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(to, '/');
    int fd = open(part, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 || link(part, to) != 0 ? -1 : 0;
    int reason = errno;

    if (fd >= 0)
        close(fd);
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - to) + 1 : 1, slash ? to : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    errno = reason;
    return failed;
}

static int copy_verified(const char *from, const char *to, struct tt_err *err)
{
    char part[PATH_SIZE];
    int n = snprintf(part, sizeof(part), "%s.part", to);

    if (n < 0 || (size_t)n >= sizeof(part))
        return tt_err_set(err, 503, "database_unavailable", "the path is too long");
    if (access(to, F_OK) == 0)
        return tt_err_set(err, 409, "file_exists", "%s exists already; nothing is overwritten", to);
    remove_all(part); /* of a copy that was cut off */
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tt_err_set(err, 503, "database_unavailable", "%s: %s", part, strerror(errno));
    close(fd);
    int failed = tt_sqlite_copy(from, part, err);
    if (!failed)
        failed = tt_sqlite_verify(part, false, err);
    if (!failed && give_name(part, to) != 0)
        failed = tt_err_set(err, 503, "database_unavailable", "%s: %s", to, strerror(errno));
    remove_all(part);
    return failed;
}

int tt_sqlite_backup(const char *path, const char *file, struct tt_err *err)
{
    return copy_verified(path, file, err);
}

int tt_sqlite_restore(const char *path, const char *file, struct tt_err *err)
{
    struct tt_db_contents now, saved;

    if (tt_sqlite_inspect(path, "", &now, err) != 0 || !now.missing || now.log_left)
        return tt_err_set(err, 409, "file_exists",
                          "%s%s exists already; nothing is overwritten: move it away first, with "
                          "its -wal and -shm files",
                          path, now.missing && now.log_left ? "-wal" : "");
    if (tt_sqlite_inspect(file, "", &saved, err) != 0)
        return -1;
    if (saved.missing || saved.empty)
        return tt_err_set(err, 503, "database_unavailable", "%s %s", file,
                          saved.missing ? "does not exist" : "is not a database of this server");
    return copy_verified(file, path, err);
}
