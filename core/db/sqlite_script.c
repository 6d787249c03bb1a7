/* Running the text of a migration. */
#include "db/sqlite_internal.h"

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    return line;
}

static const char *skip_blanks(const char *sql)
{
    for (;;) {
        const char *from = sql;
        sql += strspn(sql, " \t\r\n;");
        if (sql[0] == '-' && sql[1] == '-')
            sql += strcspn(sql, "\n");
        if (sql == from)
            return sql;
    }
}

/* Statement by statement, so that an error can name the line. */
int tt_sqlite_run_script(struct tt_sqlite *conn, const char *sql, int *line, struct tt_err *err)
{
    const char *text = sql;
    int rc = SQLITE_OK;
    conn->guarded = true; /* a COMMIT in a file would end our transaction in the middle */
    while (rc == SQLITE_OK && *(sql = skip_blanks(sql))) {
        sqlite3_stmt *handle = NULL;
        const char *start = sql;
        rc = sqlite3_prepare_v2(conn->handle, sql, -1, &handle, &sql);
        if (rc == SQLITE_OK && handle) {
            do
                rc = sqlite3_step(handle);
            while (rc == SQLITE_ROW);
            rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        if (rc != SQLITE_OK) {
            int offset = sqlite3_error_offset(conn->handle);
            *line = line_of(text, start + (offset > 0 ? offset : 0));
            tt_sqlite_error(conn, rc, err);
        }
        sqlite3_finalize(handle);
    }
    conn->guarded = false;
    return rc;
}
