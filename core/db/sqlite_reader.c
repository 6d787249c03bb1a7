/* A read-only connection and its one open query. A read transaction lasts from the first step to
 * the end of the query, and a query that is left open holds the WAL back: so a reader has at most
 * one, and a new one ends the old one. The step budget keeps a loop's reads short: it stops a query
 * that scans, which then runs on an aux thread (sqlite_fetch.c). It does not limit the time inside
 * one step, such as LIKE on a text of megabytes. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_internal.h"

#include <stdlib.h>

static int over_limit(void *arg)
{
    struct tt_reader *reader = arg;
    const struct tt_reader_limits *limits = &reader->limits;
    tt_sqlite_interruptible();
    reader->steps += TT_READER_STEPS;
    reader->over_steps = limits->steps > 0 && reader->steps > limits->steps;
    if (reader->over_steps)
        return 1;
    for (size_t i = 0; i < TT_COUNT(limits->cancelled); i++)
        if (limits->cancelled[i] &&
            atomic_load_explicit(limits->cancelled[i], memory_order_relaxed))
            return 1;
    return limits->deadline_ms > 0 && tt_clock_mono_ms() > limits->deadline_ms;
}

/* ---- rows ---- */

/* Names and room for values, as the statement has them after the first step, which may have
 * compiled it again for a changed schema. */
static void load_columns(struct tt_reader *reader)
{
    sqlite3_stmt *handle = reader->open->handle;
    int columns = sqlite3_column_count(handle);
    if (columns > reader->capacity) {
        reader->capacity = columns < 32 ? 32 : columns;
        reader->names = tt_realloc(reader->names, (size_t)reader->capacity * sizeof(struct tt_str));
        reader->values =
            tt_realloc(reader->values, (size_t)reader->capacity * sizeof(struct tt_db_value));
    }
    for (int i = 0; i < columns; i++) {
        const char *name = sqlite3_column_name(handle, i);
        reader->names[i] = name ? tt_str_from(name) : TT_STR("");
    }
    reader->rows.columns = columns;
    reader->rows.names = reader->names;
    reader->rows.values = reader->values;
}

static int step(struct tt_reader *reader, struct tt_err *err)
{
    int rc = tt_sqlite_step(reader->open);
    if (rc == SQLITE_ROW)
        return TT_DB_ROW;
    if (rc == SQLITE_DONE)
        return TT_DB_END;
    if (reader->over_steps)
        return TT_DB_AGAIN;
    tt_sqlite_error(&reader->conn, rc, err);
    return TT_DB_FAILED;
}

static int next(struct tt_db_rows *rows, struct tt_err *err)
{
    struct tt_reader *reader = TT_CONTAINER_OF(rows, struct tt_reader, rows);
    if (!reader->open)
        return TT_DB_END;
    int result = reader->at_hand ? TT_DB_ROW : step(reader, err);
    reader->at_hand = false;
    if (result != TT_DB_ROW) {
        tt_reader_end(reader);
        return result;
    }
    for (int i = 0; i < rows->columns; i++)
        reader->values[i] = tt_sqlite_column(reader->open, i);
    return TT_DB_ROW;
}

/* ---- queries ---- */

int tt_reader_begin(struct tt_reader *reader, const struct tt_db_query *query, struct tt_err *err)
{
    struct tt_statement *statement;
    tt_reader_end(reader);
    reader->steps = 0;
    reader->over_steps = false;
    if (tt_sqlite_prepare(&reader->conn, query->sql, &statement, err) != SQLITE_OK)
        return TT_DB_FAILED;
    reader->open = statement;
    int result = TT_DB_FAILED;
    if (!sqlite3_stmt_readonly(statement->handle))
        tt_err_set(err, 500, "sql_error", "not a query: %.120s", statement->sql.data);
    else if (tt_sqlite_bind(&reader->conn, statement, query->values, query->count, err) ==
             SQLITE_OK)
        result = step(reader, err);
    if (result == TT_DB_ROW || result == TT_DB_END)
        load_columns(reader);
    reader->at_hand = result == TT_DB_ROW;
    if (result != TT_DB_ROW)
        tt_reader_end(reader);
    return result;
}

void tt_reader_end(struct tt_reader *reader)
{
    if (reader->open)
        tt_sqlite_release(reader->open);
    reader->open = NULL;
}

/* ---- open and close ---- */

struct tt_reader *tt_reader_open(const char *path, int busy_ms, struct tt_err *err)
{
    struct tt_reader *reader = TT_NEW(struct tt_reader);
    reader->rows.next = next;
    if (tt_sqlite_open(&reader->conn, path, TT_SQLITE_READ, busy_ms, err) != SQLITE_OK) {
        tt_reader_free(reader);
        return NULL;
    }
    sqlite3_progress_handler(reader->conn.handle, TT_READER_STEPS, over_limit, reader);
    reader->conn.guarded = true;
    return reader;
}

void tt_reader_free(struct tt_reader *reader)
{
    if (!reader)
        return;
    tt_reader_end(reader);
    tt_sqlite_close(&reader->conn);
    free(reader->names);
    free(reader->values);
    free(reader);
}
