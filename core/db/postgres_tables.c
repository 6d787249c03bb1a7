/* The tables of a database, for copies. */
#include "db/postgres.h"
#include "db/transfer_tables.h"

#include <stdio.h>
#include <stdlib.h>

static const char SQL_COLUMNS[] =
    "SELECT c.relname, a.attname, coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)"
    " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
    " AND NOT a.attisdropped LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    " AND c.relname !~ '^message_(search|part)|_migrations$|^database_writers$|^changes$|^node'"
    " AND a.attname !~ '^turn_'"
    " ORDER BY c.relname, a.attnum";
static const char SQL_PARENTS[] =
    "SELECT c.relname, p.relname FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid"
    " JOIN pg_class AS p ON p.oid = f.confrelid"
    " WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace";
static const char SQL_LAST[] =
    "SELECT t.relname, coalesce(pg_sequence_last_value(s.oid), 0) FROM pg_class AS s"
    " JOIN pg_depend AS d ON d.objid = s.oid AND d.deptype IN ('i', 'a')"
    " JOIN pg_class AS t ON t.oid = d.refobjid"
    " WHERE s.relkind = 'S' AND t.relnamespace = current_schema()::regnamespace";

static int each(struct tt_pg *pg, const char *sql,
                void (*on_row)(struct tt_tables *tables, PGresult *rows, int row),
                struct tt_tables *tables, struct tt_err *err)
{
    PGresult *rows = tt_pg_run(pg, sql, NULL, 0, err);
    for (int i = 0; rows && i < PQntuples(rows); i++)
        on_row(tables, rows, i);
    PQclear(rows);
    return rows ? 0 : -1;
}

static struct tt_str text(PGresult *rows, int row, int column)
{
    return tt_str_from(PQgetvalue(rows, row, column));
}

static void add_column(struct tt_tables *tables, PGresult *rows, int row)
{
    tt_tables_add_column(tables, text(rows, row, 0), text(rows, row, 1),
                         strtoll(PQgetvalue(rows, row, 2), NULL, 10));
}

static void add_parent(struct tt_tables *tables, PGresult *rows, int row)
{
    tt_tables_add_parent(tables, text(rows, row, 0), text(rows, row, 1));
}

static void set_last_id(struct tt_tables *tables, PGresult *rows, int row)
{
    struct tt_table *table = tt_tables_find(tables, text(rows, row, 0));
    if (table) {
        table->numbered = true;
        table->last_id = strtoll(PQgetvalue(rows, row, 1), NULL, 10);
    }
}

static int open_tables(struct tt_pg *pg, const char *place, enum tt_pg_mode mode,
                       struct tt_err *err)
{
    char url[4300];
    tt_pg_url(place, url, sizeof(url));
    return tt_pg_open(pg, url, mode, err);
}

int tt_pg_tables(const char *place, struct tt_tables *tables, struct tt_err *err)
{
    struct tt_pg pg = {0};
    int failed = open_tables(&pg, place, TT_PG_FETCH, err);
    if (!failed)
        failed = each(&pg, SQL_COLUMNS, add_column, tables, err) ||
                 each(&pg, SQL_PARENTS, add_parent, tables, err) ||
                 each(&pg, SQL_LAST, set_last_id, tables, err);
    tt_pg_close(&pg);
    return failed ? -1 : 0;
}

/* Of each table that numbers its rows: also of those whose largest number the other database has
 * not kept, because it finds it among the rows. */
int tt_pg_set_last_ids(const char *place, const struct tt_tables *tables, struct tt_err *err)
{
    struct tt_tables own = {0};
    struct tt_pg pg = {0};
    int failed = tt_pg_tables(place, &own, err);
    if (!failed)
        failed = open_tables(&pg, place, TT_PG_WRITE, err);
    for (size_t i = 0; i < own.count && !failed; i++) {
        const struct tt_table *table = &own.items[i];
        const struct tt_table *from = tt_tables_find(tables, table->name);
        char sql[512], last[24];
        int64_t unused;
        if (!table->numbered || table->key_count != 1)
            continue;
        snprintf(last, sizeof(last), "%lld", (long long)(from ? from->last_id : 0));
        snprintf(sql, sizeof(sql),
                 "SELECT setval(pg_get_serial_sequence('\"%.*s\"', '%.*s'), greatest($1,"
                 " coalesce(max(\"%.*s\"), 0), 1), greatest($1, coalesce(max(\"%.*s\"), 0)) > 0)"
                 " FROM \"%.*s\"",
                 TT_STR_ARG(table->name), TT_STR_ARG(table->keys[0]), TT_STR_ARG(table->keys[0]),
                 TT_STR_ARG(table->keys[0]), TT_STR_ARG(table->name));
        failed = tt_pg_run_int(&pg, sql, (const char *const[]){last}, 1, &unused, err);
    }
    tt_pg_close(&pg);
    tt_tables_free(&own);
    return failed ? -1 : 0;
}
