/* The tables of a file, for copies. */
#include "db/sqlite_internal.h"
#include "db/transfer_tables.h"

#define BUSY_MS 5000

static int each(struct tt_sqlite *conn, const char *sql,
                void (*on_row)(struct tt_tables *tables, struct tt_statement *row),
                struct tt_tables *tables, struct tt_err *err)
{
    struct tt_statement *statement;
    int rc = tt_sqlite_prepare(conn, tt_str_from(sql), &statement, err);
    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement->handle)) == SQLITE_ROW)
        on_row(tables, statement);
    rc = rc == SQLITE_DONE ? SQLITE_OK : tt_sqlite_error(conn, rc, err);
    tt_sqlite_release(statement);
    return rc;
}

static void add_column(struct tt_tables *tables, struct tt_statement *row)
{
    tt_tables_add_column(tables, tt_sqlite_column(row, 0).text, tt_sqlite_column(row, 1).text,
                         sqlite3_column_int64(row->handle, 2));
}

static void add_parent(struct tt_tables *tables, struct tt_statement *row)
{
    tt_tables_add_parent(tables, tt_sqlite_column(row, 0).text, tt_sqlite_column(row, 1).text);
}

static void set_last_id(struct tt_tables *tables, struct tt_statement *row)
{
    struct tt_table *table = tt_tables_find(tables, tt_sqlite_column(row, 0).text);
    if (table) {
        table->numbered = true;
        table->last_id = sqlite3_column_int64(row->handle, 1);
    }
}

#define COPIED                                                                                     \
    " m.type = 'table' AND m.name NOT LIKE 'message\\_search%' ESCAPE '\\'"                        \
    " AND m.name NOT LIKE 'message\\_part%' ESCAPE '\\' AND m.name NOT LIKE '%\\_migrations'"      \
    " ESCAPE '\\' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

int tt_sqlite_tables(const char *path, struct tt_tables *tables, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    int rc = tt_sqlite_open(&conn, path, TT_SQLITE_READ, BUSY_MS, err);
    if (rc == SQLITE_OK)
        rc = each(&conn,
                  "SELECT m.name, c.name, c.pk FROM sqlite_schema AS m"
                  " JOIN pragma_table_info(m.name) AS c"
                  " WHERE" COPIED " ORDER BY m.name, c.cid",
                  add_column, tables, err);
    if (rc == SQLITE_OK)
        rc = each(&conn,
                  "SELECT m.name, f.\"table\" FROM sqlite_schema AS m"
                  " JOIN pragma_foreign_key_list(m.name) AS f WHERE" COPIED,
                  add_parent, tables, err);
    if (rc == SQLITE_OK)
        rc = each(&conn, "SELECT name, seq FROM sqlite_sequence", set_last_id, tables, err);
    tt_sqlite_close(&conn);
    return rc == SQLITE_OK ? 0 : -1;
}

int tt_sqlite_set_last_ids(const char *path, const struct tt_tables *tables, struct tt_err *err)
{
    struct tt_sqlite conn = {0};
    int rc = tt_sqlite_open(&conn, path, TT_SQLITE_WRITE, BUSY_MS, err);
    for (size_t i = 0; i < tables->count && rc == SQLITE_OK; i++) {
        struct tt_db_value values[] = {tt_db_text(tables->items[i].name),
                                       tt_db_int(tables->items[i].last_id)};
        if (tables->items[i].numbered)
            rc = tt_sqlite_run_values(
                &conn, "UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1 AND seq < ?2", values,
                TT_COUNT(values), NULL, err);
    }
    tt_sqlite_close(&conn);
    return rc == SQLITE_OK ? 0 : -1;
}
