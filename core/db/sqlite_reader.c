/* A read-only connection and its one open query. A read transaction lasts from the first step to
 * the end of the query, so a query that is left open holds the WAL back: there is at most one a
 * reader, and a new one ends the old. The step budget keeps a loop's reads short: a query that
 * scans is refused there, and goes to an aux thread (sqlite_fetch.c). What it does not see: time
 * inside one step, such as LIKE over a text of megabytes. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite.h"
#include "db/sqlite_internal.h"

#include <stdlib.h>

#define BUSY_MS                                                                                    \
    50 /* on a loop; in WAL mode readers meet a lock only while the WAL is recovered               \
        */

struct tt_db_reader {
    struct tt_sqlite conn;
    struct tt_statement *open; /* the query; NULL = none */
    struct tt_reader_limits limits;
    int64_t steps; /* of the query so far */
};

static int over_limit(void *arg)
{
    struct tt_db_reader *reader = arg;
    const struct tt_reader_limits *limits = &reader->limits;
    reader->steps += TT_READER_STEPS;
    if (limits->steps > 0 && reader->steps > limits->steps)
        return 1;
    for (size_t i = 0; i < TT_COUNT(limits->cancelled); i++)
        if (limits->cancelled[i] &&
            atomic_load_explicit(limits->cancelled[i], memory_order_relaxed))
            return 1;
    return limits->deadline_ms > 0 && tt_clock_mono_ms() > limits->deadline_ms;
}

struct tt_db_reader *tt_reader_open(const char *path, int busy_ms, struct tt_err *err)
{
    struct tt_db_reader *reader = TT_NEW(struct tt_db_reader);
    if (tt_sqlite_open(&reader->conn, path, TT_SQLITE_READ, busy_ms, err) != SQLITE_OK) {
        tt_db_reader_free(reader);
        return NULL;
    }
    sqlite3_progress_handler(reader->conn.handle, TT_READER_STEPS, over_limit, reader);
    reader->conn.guarded = true;
    return reader;
}

void tt_reader_set_limits(struct tt_db_reader *reader, const struct tt_reader_limits *limits)
{
    reader->limits = *limits;
}

struct tt_db_reader *tt_db_reader_new(struct tt_db *db, struct tt_err *err)
{
    struct tt_db_reader *reader = tt_reader_open(db->path, BUSY_MS, err);
    if (reader)
        reader->limits.steps = db->step_budget;
    return reader;
}

void tt_db_reader_free(struct tt_db_reader *reader)
{
    if (!reader)
        return;
    tt_db_query_end(reader);
    tt_sqlite_close(&reader->conn);
    free(reader);
}

int tt_db_query(struct tt_db_reader *reader, struct tt_str sql, const struct tt_db_value *values,
                size_t count, struct tt_err *err)
{
    struct tt_statement *statement;
    tt_db_query_end(reader);
    if (tt_sqlite_prepare(&reader->conn, sql, &statement, err) != SQLITE_OK)
        return -1;
    if (!sqlite3_stmt_readonly(statement->handle))
        return tt_err_set(err, 500, "sql_error", "not a query: %.120s", statement->sql.data);
    if (tt_sqlite_bind(&reader->conn, statement, values, count, true, err) != SQLITE_OK) {
        tt_sqlite_release(statement);
        return -1;
    }
    reader->open = statement;
    reader->steps = 0;
    return 0;
}

int tt_db_step(struct tt_db_reader *reader, struct tt_err *err)
{
    if (!reader->open)
        return 0;
    int rc = sqlite3_step(reader->open->handle);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        tt_sqlite_error(&reader->conn, rc, err);
    tt_db_query_end(reader);
    return rc == SQLITE_DONE ? 0 : -1;
}

int tt_db_columns(struct tt_db_reader *reader)
{
    return reader->open ? sqlite3_column_count(reader->open->handle) : 0;
}

struct tt_str tt_db_column_name(struct tt_db_reader *reader, int column)
{
    if (!reader->open)
        return TT_STR("");
    const char *name = sqlite3_column_name(reader->open->handle, column);
    return name ? tt_str_from(name) : TT_STR("");
}

struct tt_db_value tt_db_column(struct tt_db_reader *reader, int column)
{
    return reader->open ? tt_sqlite_column(reader->open, column) : tt_db_null();
}

void tt_db_query_end(struct tt_db_reader *reader)
{
    if (reader->open)
        tt_sqlite_release(reader->open);
    reader->open = NULL;
}
