/* PostgreSQL's errors as those of db.h. The five letters of an SQLSTATE:
 * https://www.postgresql.org/docs/15/errcodes-appendix.html */
#include "db/postgres.h"

struct meaning {
    const char *state; /* or its beginning; the first that fits counts */
    int status;
    const char *code;
};

static const struct meaning meanings[] = {
    {"23505", 409, "duplicate"},
    {"23503", 409, "foreign_key"},
    {"23", 400, "constraint"},
    {"22", 400, "constraint"}, /* a value that a column cannot hold */
    {"54", 400, "constraint"}, /* too large */
    {"53100", 507, "disk_full"},
    {"53200", 503, "no_memory"},
    {"57014", 503, "query_too_slow"},
    {"55P03", 503, "busy"},
    {"40", 503, "busy"},
    {"25006", 503, "database_read_only"},
    {"25P03", 503, "database_unavailable"}, /* idle in a transaction for too long */
    {"3D000", 503, "database_unavailable"},
    {"53", 503, "database_unavailable"}, /* too many connections */
    {"57P", 503, "database_unavailable"},
    {"08", 503, "database_unavailable"},
    {"28", 503, "database_unavailable"},
    {"42501", 503, "database_unavailable"}, /* no right */
    {"42", 500, "sql_error"},
    {"0A", 500, "sql_error"},
    {"26", 500, "sql_error"},
    {"21", 500, "sql_error"},
};

/* Without the lines that follow, which guess at causes. */
static struct tt_str first_line(const char *message)
{
    struct tt_str line = tt_str_from(message ? message : "");
    ptrdiff_t end = tt_str_find(line, '\n');
    return end >= 0 ? tt_str_of(line.data, (size_t)end) : line;
}

int tt_pg_error(const struct tt_pg *pg, const PGresult *result, struct tt_err *err)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (!state) {
        const char *own = result ? PQresultErrorMessage(result) : "";
        struct tt_str line = first_line(*own       ? own
                                        : pg->conn ? PQerrorMessage(pg->conn)
                                                   : "out of memory");
        if (line.len > 0 && memmem(line.data, line.len, "out of memory", 13))
            return tt_err_set(err, 503, "no_memory", "libpq: %.*s", TT_STR_ARG(line));
        return tt_err_set(err, 503, "database_unavailable", "PostgreSQL: %.*s", TT_STR_ARG(line));
    }
    if (pg->mode != TT_PG_WRITE && strcmp(state, "25006") == 0)
        return tt_err_set(err, 500, "sql_error", "not a query: %s", message);
    for (size_t i = 0; i < TT_COUNT(meanings); i++)
        if (strncmp(state, meanings[i].state, strlen(meanings[i].state)) == 0)
            return tt_err_set(err, meanings[i].status, meanings[i].code, "%s (%s)",
                              message ? message : "", state);
    return tt_err_set(err, 500, "database_error", "%s (%s)", message ? message : "", state);
}

bool tt_pg_is_state(const PGresult *result, const char *state)
{
    const char *own = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    return own && strcmp(own, state) == 0;
}

bool tt_pg_is_conflict(const PGresult *result)
{
    return tt_pg_is_state(result, "40001") || tt_pg_is_state(result, "40P01");
}
