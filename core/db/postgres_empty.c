/* An empty database for trying migrations: a schema beside the server's own, which the search path
 * of its URL names alone. */
#include "base/secret.h"
#include "db/postgres.h"

#include <stdio.h>
#include <string.h>

#define NAME "tidetalk_check_"

int tt_pg_make_empty(const char *place, const char *folder, struct tt_buf *url, struct tt_err *err)
{
    struct tt_pg pg = {0};
    char sql[64], random[17];
    (void)folder;

    tt_random_hex(random, 16);
    snprintf(sql, sizeof(sql), "CREATE SCHEMA " NAME "%s", random);
    int failed = tt_pg_migrate_open(&pg, place, err);
    if (!failed)
        failed = tt_pg_run_once(&pg, sql, NULL, 0, err);
    tt_pg_close(&pg);
    tt_buf_printf(url, "postgres:%s%coptions=-csearch_path%%3D" NAME "%s", place,
                  strchr(place, '?') ? '&' : '?', random);
    return failed;
}

void tt_pg_drop_empty(const char *place)
{
    struct tt_pg pg = {0};

    if (tt_pg_migrate_open(&pg, place, NULL) == 0)
        tt_pg_run_once(&pg,
                       "DO $$ BEGIN IF starts_with(current_schema(), '" NAME "') THEN"
                       " EXECUTE format('DROP SCHEMA %I CASCADE', current_schema());"
                       " END IF; END $$",
                       NULL, 0, NULL);
    tt_pg_close(&pg);
}
