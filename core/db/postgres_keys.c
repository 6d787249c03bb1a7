/* The keys of tables that are one whole number: a row that is inserted gives it as its id. */
#include "base/mem.h"
#include "db/postgres.h"

#include <stdio.h>
#include <stdlib.h>

static const char SQL_KEYS[] =
    "SELECT c.relname, CASE WHEN i.indnkeyatts = 1 AND a.atttypid IN (20, 23)"
    " THEN a.attname ELSE '' END,"
    " CASE WHEN i.indnkeyatts = 1 AND a.atttypid IN (20, 23)"
    " THEN coalesce(pg_get_serial_sequence(c.oid::regclass::text, a.attname), '') ELSE '' END"
    " FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
    " WHERE i.indisprimary AND pg_table_is_visible(c.oid)";

int tt_pg_load_keys(struct tt_pg *pg, struct tt_err *err)
{
    PGresult *result = tt_pg_run(pg, SQL_KEYS, NULL, 0, err);
    if (!result)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        struct tt_pg_key *key = TT_NEW(struct tt_pg_key);
        snprintf(key->column, sizeof(key->column), "%s", PQgetvalue(result, i, 1));
        snprintf(key->sequence, sizeof(key->sequence), "%s", PQgetvalue(result, i, 2));
        free(tt_map_put(pg->keys, tt_str_from(PQgetvalue(result, i, 0)), key));
    }
    PQclear(result);
    pg->keys_fresh = true;
    return 0;
}

bool tt_pg_find_key(const struct tt_pg *pg, struct tt_str sql, const struct tt_pg_key **key)
{
    struct tt_str table = tt_pg_inserted_table(sql);
    *key = NULL;
    if (table.len == 0)
        return true;
    if (table.len >= 2 && table.data[0] == '"')
        table = tt_str_of(table.data + 1, table.len - 2);
    *key = tt_map_get(pg->keys, table);
    return *key || pg->keys_fresh; /* there is no such table: PostgreSQL says so */
}

bool tt_pg_may_give_id(const struct tt_pg *pg, struct tt_str sql)
{
    const struct tt_pg_key *key;
    return !tt_pg_find_key(pg, sql, &key) || (key && key->column[0]);
}
