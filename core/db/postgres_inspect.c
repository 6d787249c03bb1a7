/* See inspect.h. */
#include "db/postgres.h"

#include <stdio.h>

/* Sealed texts begin with "v1.<key id>.", see base/seal.c. */
static int look_for_sealed(struct tt_pg *pg, const char *seal_id, struct tt_db_contents *contents,
                           struct tt_err *err)
{
    const char *const values[] = {seal_id};
    PGresult *result = tt_pg_run(pg,
                                 "SELECT count(*), max(substr(api_key_sealed, 4, 8)) FROM user_apis"
                                 " WHERE substr(api_key_sealed, 1, 12) <> 'v1.' || $1 || '.'",
                                 values, 1, err);
    if (!result)
        return -1;
    tt_str_to_i64(tt_str_from(PQgetvalue(result, 0, 0)), &contents->unreadable);
    snprintf(contents->sealed_with, sizeof(contents->sealed_with), "%s", PQgetvalue(result, 0, 1));
    PQclear(result);
    return 0;
}

static int look(struct tt_pg *pg, const char *seal_id, struct tt_db_contents *contents,
                struct tt_err *err)
{
    const char *const values[] = {seal_id};
    int64_t there = 0, users = 0, accepted = 0;
    if (tt_pg_run_int(pg,
                      "SELECT count(*) FROM pg_tables WHERE tablename = 'users'"
                      " AND schemaname = current_schema()",
                      NULL, 0, &there, err) != 0)
        return -1;
    contents->empty = there == 0;
    if (tt_pg_is_replicated(pg, &contents->replicated, err) != 0)
        return -1;
    if (there == 0)
        return 0;
    if (tt_pg_run_int(pg, "SELECT count(*) FROM (SELECT 1 FROM users LIMIT 1) AS u", NULL, 0,
                      &users, err) != 0 ||
        look_for_sealed(pg, seal_id, contents, err) != 0 ||
        tt_pg_run_int(pg,
                      "SELECT count(*) FROM settings"
                      " WHERE key = 'accepted_seal_key' AND value = $1",
                      values, 1, &accepted, err) != 0)
        return -1;
    contents->has_users = users > 0;
    contents->accepted = accepted > 0;
    return 0;
}

int tt_pg_inspect(const char *place, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err)
{
    char url[4300];
    struct tt_pg pg = {0};
    struct tt_err cause = {0};

    *contents = (struct tt_db_contents){0};
    tt_pg_url(place, url, sizeof(url));
    int failed = tt_pg_open(&pg, url, TT_PG_FETCH, &cause);
    if (!failed)
        failed = look(&pg, seal_id, contents, &cause);
    tt_pg_close(&pg);
    return failed
               ? tt_err_set(err, 503, "database_unavailable", "the database %s cannot be read: %s",
                            tt_db_place(url), cause.message)
               : 0;
}

/* A server that cannot be reached has a database, for all that is known. */
bool tt_pg_exists(const char *place)
{
    char url[4300];
    struct tt_pg pg = {0};
    tt_pg_url(place, url, sizeof(url));
    int failed = tt_pg_open(&pg, url, TT_PG_FETCH, NULL);
    bool missing = failed && pg.conn && strstr(PQerrorMessage(pg.conn), "does not exist");
    tt_pg_close(&pg);
    return !missing;
}
