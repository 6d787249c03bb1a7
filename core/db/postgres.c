/* See postgres.h. Parameters and their types: whole numbers are BIGINT, texts TEXT and bytes BYTEA,
 * all in binary form, so that nothing is copied to be ended with a NUL; of NULL PostgreSQL finds
 * the type itself. So a statement is prepared once for each combination of types that it meets. */
#include "db/postgres.h"

#include "base/mem.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENTS_MAX 400 /* prepared ones; others are sent anew each time */
#define VALUES_MAX     999
#define VERSION_MIN    140000 /* functions of the migrations */

/* Types of pg_type.dat. */
#define BYTEA  17
#define INT8   20
#define TEXT   25
#define FLOAT8 701

/* ---- opening ---- */

void tt_pg_url(const char *place, char *out, size_t size)
{
    snprintf(out, size, "postgres:%s", place);
}

/* Appends what the URL has for a setting of libpq. */
static void put_setting(const char *url, const char *name, struct tt_buf *out)
{
    PQconninfoOption *all = PQconninfoParse(url, NULL);
    for (PQconninfoOption *option = all; option && option->keyword; option++)
        if (option->val && strcmp(option->keyword, name) == 0)
            tt_buf_append_z(out, option->val);
    PQconninfoFree(all);
}

/* Which of several hosts is taken. Connections that read are read-only themselves, so for libpq
 * none of them would be read-write. */
static void put_target(const char *url, enum tt_pg_mode mode, struct tt_buf *out)
{
    put_setting(url, "target_session_attrs", out);
    if (mode != TT_PG_WRITE && tt_str_eq(tt_buf_str(out), TT_STR("read-write"))) {
        tt_buf_clear(out);
        tt_buf_append_z(out, "primary");
    }
}

/* What the URL has for the server's own options stays. */
static void put_options(const char *url, enum tt_pg_mode mode, struct tt_buf *out)
{
    put_setting(url, "options", out);
    tt_buf_putc(out, ' ');
    tt_buf_printf(out,
                  "-c statement_timeout=%d -c bytea_output=hex -c extra_float_digits=1 -c jit=off",
                  mode == TT_PG_READ ? TT_PG_QUICK_MS : TT_PG_SLOW_MS);
    /* A process that was stopped in the middle of a transaction keeps its locks; they are taken
     * from it before others give up waiting for them. */
    if (mode == TT_PG_WRITE)
        tt_buf_append_z(out, " -c lock_timeout=5000 -c idle_in_transaction_session_timeout=3000");
    else
        tt_buf_append_z(out, " -c default_transaction_read_only=on");
}

static void be_quiet(void *arg, const PGresult *notice)
{
    (void)arg, (void)notice;
}

typedef PGconn *connect_fn(const char *const *names, const char *const *values, int expand);

static int connect_by(connect_fn *function, struct tt_pg *pg, const char *url, enum tt_pg_mode mode,
                      struct tt_err *err)
{
    struct tt_buf options = {0}, target = {0};
    *pg = (struct tt_pg){.mode = mode, .statements = tt_map_new(), .keys = tt_map_new()};
    put_options(url, mode, &options);
    put_target(url, mode, &target);
    /* Later ones win over earlier ones, so the URL's own over the first three. */
    const char *const names[] = {"application_name",
                                 "connect_timeout",
                                 "tcp_user_timeout",
                                 "dbname",
                                 "client_encoding",
                                 "options",
                                 target.len ? "target_session_attrs" : NULL,
                                 NULL};
    const char *const values[] = {"tidetalk", "5",          "15000",     url,
                                  "UTF8",     options.data, target.data, NULL};
    pg->conn = function(names, values, 1);
    tt_buf_free(&options);
    tt_buf_free(&target);
    if (!pg->conn || PQstatus(pg->conn) == CONNECTION_BAD)
        return tt_pg_error(pg, NULL, err);
    PQsetNoticeReceiver(pg->conn, be_quiet, NULL);
    return 0;
}

int tt_pg_begin(struct tt_pg *pg, const char *url, enum tt_pg_mode mode, struct tt_err *err)
{
    return connect_by(PQconnectStartParams, pg, url, mode, err);
}

int tt_pg_check(struct tt_pg *pg, struct tt_err *err)
{
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    if (PQserverVersion(pg->conn) < VERSION_MIN)
        return tt_err_set(err, 503, "database_unavailable",
                          "PostgreSQL %d is too old: 14 or newer is needed",
                          PQserverVersion(pg->conn) / 10000);
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return tt_err_set(err, 503, "database_unavailable",
                          "the database has the encoding %s, and must have UTF8",
                          encoding ? encoding : "");
    return 0;
}

int tt_pg_open(struct tt_pg *pg, const char *url, enum tt_pg_mode mode, struct tt_err *err)
{
    if (connect_by(PQconnectdbParams, pg, url, mode, err) != 0)
        return -1;
    return tt_pg_check(pg, err);
}

static void free_statement(struct tt_pg_statement *statement)
{
    tt_buf_free(&statement->text.sql);
    free(statement->sequence);
    free((char *)statement->key.data);
    free(statement);
}

void tt_pg_close(struct tt_pg *pg)
{
    size_t position = 0;
    struct tt_str key;
    void *value;

    while (pg->statements && tt_map_next(pg->statements, &position, &key, &value))
        free_statement(value);
    position = 0;
    while (pg->keys && tt_map_next(pg->keys, &position, &key, &value))
        free(value);
    tt_map_free(pg->statements);
    tt_map_free(pg->keys);
    PQfinish(pg->conn);
    *pg = (struct tt_pg){0};
}

/* ---- statements ---- */

/* The key of a statement is its SQL behind one letter for the type of each value. */
static const char letters[] = {[TT_DB_NULL] = 'n', [TT_DB_INT] = 'i',  [TT_DB_REAL] = 'r',
                               [TT_DB_TEXT] = 't', [TT_DB_BLOB] = 'b', [TT_DB_ID_OF] = 's'};
static const Oid types[] = {[TT_DB_NULL] = 0,    [TT_DB_INT] = INT8,   [TT_DB_REAL] = FLOAT8,
                            [TT_DB_TEXT] = TEXT, [TT_DB_BLOB] = BYTEA, [TT_DB_ID_OF] = 0};

static void put_key(struct tt_buf *key, struct tt_str sql, const struct tt_db_value *values,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        tt_buf_putc(key, letters[values[i].type]);
    for (size_t i = 0; i < count; i++)
        if (values[i].type == TT_DB_ID_OF)
            tt_buf_printf(key, " %.*s", TT_STR_ARG(values[i].text));
    tt_buf_putc(key, ' ');
    tt_buf_append_str(key, sql);
}

/* ---- what an INSERT gives back ---- */

static bool names_column(struct tt_str columns, const char *column)
{
    size_t at = 0;
    struct tt_str token;
    while ((token = tt_pg_take(columns, &at)).len) {
        if (token.len >= 2 && token.data[0] == '"')
            token = tt_str_of(token.data + 1, token.len - 2);
        if (tt_str_eq_nocase(token, tt_str_from(column)))
            return true;
    }
    return false;
}

/* Lets the statement give the key of the row that it inserts, if that is one whole number: "id" is
 * to be known like SQLite's last_insert_rowid(). False: as
 * tt_pg_find_key. */
static bool let_give_id(struct tt_pg *pg, struct tt_pg_statement *statement)
{
    const struct tt_pg_key *key;
    struct tt_str columns;
    if (pg->mode != TT_PG_WRITE || statement->text.returns)
        return true;
    if (!tt_pg_find_key(pg, tt_buf_str(&statement->text.sql), &key))
        return false;
    if (!key || !key->column[0])
        return true;
    if (tt_pg_inserts_one(tt_buf_str(&statement->text.sql), &columns) &&
        !names_column(columns, key->column))
        statement->sequence = key->sequence[0] ? strdup(key->sequence) : NULL;
    /* On a line of its own: a comment may end the statement. */
    tt_buf_printf(&statement->text.sql, "\nRETURNING \"%s\"", key->column);
    statement->gives_id = true;
    return true;
}

/* ---- statements: finding and sending them ---- */

/* Fails: NULL, and it is freed. */
static struct tt_pg_statement *add_statement(struct tt_pg *pg, struct tt_pg_statement *statement,
                                             struct tt_str key, struct tt_err *err)
{
    if (!let_give_id(pg, statement)) {
        free_statement(statement);
        pg->wants_keys = true;
        tt_err_set(err, 503, "busy", "a table is new");
        return NULL;
    }
    if (tt_map_count(pg->statements) < STATEMENTS_MAX) {
        statement->key = tt_str_of(tt_strndup(key.data, key.len), key.len);
        snprintf(statement->name, sizeof(statement->name), "s%u", pg->named++);
        tt_map_put(pg->statements, statement->key, statement);
    }
    return statement;
}

static void use_sequences(struct tt_pg_statement *statement, const struct tt_db_value *values,
                          size_t count)
{
    const char **sequences = tt_alloc(count * sizeof(*sequences) + 1);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        sequences[i] = values[i].type == TT_DB_ID_OF ? values[i].text.data : NULL;
        used += sequences[i] != NULL;
    }
    if (used)
        tt_pg_use_sequences(&statement->text.sql, sequences, count);
    free(sequences);
}

static struct tt_pg_statement *new_statement(struct tt_pg *pg, struct tt_str sql, struct tt_str key,
                                             const struct tt_db_value *values, size_t count,
                                             struct tt_err *err)
{
    struct tt_pg_statement *statement = TT_NEW(struct tt_pg_statement);
    if (tt_pg_translate(sql, &statement->text, err) != 0) {
        free_statement(statement);
        return NULL;
    }
    if (statement->text.parameters != count) {
        tt_err_set(err, 500, "sql_error", "%zu values for %zu parameters: %.120s", count,
                   statement->text.parameters, statement->text.sql.data);
        free_statement(statement);
        return NULL;
    }
    use_sequences(statement, values, count);
    return add_statement(pg, statement, key, err);
}

static struct tt_pg_statement *find_statement(struct tt_pg *pg, struct tt_str sql,
                                              const struct tt_db_value *values, size_t count,
                                              struct tt_err *err)
{
    struct tt_buf key = {0};
    put_key(&key, sql, values, count);
    struct tt_pg_statement *statement = tt_map_get(pg->statements, tt_buf_str(&key));
    if (!statement)
        statement = new_statement(pg, sql, tt_buf_str(&key), values, count, err);
    tt_buf_free(&key);
    return statement;
}

void tt_pg_release(struct tt_pg *pg, struct tt_pg_statement *statement, bool failed)
{
    if (!statement)
        return;
    statement->uses--;
    if (failed && statement->key.data && !statement->forgotten) {
        tt_map_remove(pg->statements, statement->key);
        statement->forgotten = true;
    }
    if (statement->uses == 0 && (statement->forgotten || !statement->key.data))
        free_statement(statement);
}

/* Values in the form in which they are sent. */
struct parameters {
    Oid types[VALUES_MAX];
    const char *values[VALUES_MAX];
    int lengths[VALUES_MAX];
    int formats[VALUES_MAX];
    uint64_t numbers[VALUES_MAX]; /* with the highest byte first */
};

static void put_parameter(struct parameters *all, size_t i, const struct tt_db_value *value)
{
    uint64_t bits;

    all->types[i] = types[value->type];
    all->values[i] = NULL;
    all->lengths[i] = sizeof(bits);
    all->formats[i] = 1;
    switch (value->type) {
    case TT_DB_INT:
        all->numbers[i] = htobe64((uint64_t)value->integer);
        all->values[i] = (const char *)&all->numbers[i];
        break;
    case TT_DB_REAL:
        memcpy(&bits, &value->real, sizeof(bits));
        all->numbers[i] = htobe64(bits);
        all->values[i] = (const char *)&all->numbers[i];
        break;
    case TT_DB_TEXT:
    case TT_DB_BLOB:
        all->values[i] = value->text.data ? value->text.data : "";
        all->lengths[i] = (int)value->text.len;
        break;
    case TT_DB_NULL:
    case TT_DB_ID_OF:
        break;
    }
}

static int send_all(struct tt_pg *pg, struct tt_pg_statement *statement,
                    const struct parameters *all, int count)
{
    const char *sql = statement->text.sql.data;
    bool prepares = statement->name[0] && !statement->prepared;

    if (!statement->name[0])
        return PQsendQueryParams(pg->conn, sql, count, all->types, all->values, all->lengths,
                                 all->formats, 0)
                   ? 1
                   : -1;
    if (prepares && !PQsendPrepare(pg->conn, statement->name, sql, count, all->types))
        return -1;
    statement->prepared = true;
    if (!PQsendQueryPrepared(pg->conn, statement->name, count, all->values, all->lengths,
                             all->formats, 0))
        return -1;
    return prepares ? 2 : 1;
}

int tt_pg_send(struct tt_pg *pg, struct tt_str sql, const struct tt_db_value *values, size_t count,
               struct tt_pg_statement **out, struct tt_err *err)
{
    static _Thread_local struct parameters all;

    if (count > VALUES_MAX)
        return tt_err_set(err, 500, "sql_error", "more than %d values", VALUES_MAX);
    *out = find_statement(pg, sql, values, count, err);
    if (!*out)
        return -1;
    (*out)->uses++;
    for (size_t i = 0; i < count; i++)
        put_parameter(&all, i, &values[i]);
    int sent = send_all(pg, *out, &all, (int)count);
    return sent < 0 ? tt_pg_error(pg, NULL, err) : sent;
}

int tt_pg_send_binary(struct tt_pg *pg, struct tt_str sql, const Oid *own_types,
                      const struct tt_buf *values, size_t count, struct tt_pg_statement **out,
                      struct tt_err *err)
{
    static _Thread_local struct parameters all;

    *out = tt_map_get(pg->statements, sql);
    if (!*out) {
        struct tt_pg_statement *statement = TT_NEW(struct tt_pg_statement);
        tt_buf_append_str(&statement->text.sql, sql);
        *out = add_statement(pg, statement, sql, err);
    }
    if (!*out)
        return -1;
    (*out)->uses++;
    for (size_t i = 0; i < count; i++) {
        all.types[i] = own_types[i];
        all.values[i] = values[i].data;
        all.lengths[i] = (int)values[i].len;
        all.formats[i] = 1;
    }
    int sent = send_all(pg, *out, &all, (int)count);
    return sent < 0 ? tt_pg_error(pg, NULL, err) : sent;
}

/* ---- our own statements ---- */

PGresult *tt_pg_run(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                    struct tt_err *err)
{
    PGresult *result = PQexecParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    tt_pg_error(pg, result, err);
    PQclear(result);
    return NULL;
}

int tt_pg_run_once(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                   struct tt_err *err)
{
    PGresult *result = tt_pg_run(pg, sql, values, count, err);
    PQclear(result);
    return result ? 0 : -1;
}

int tt_pg_run_int(struct tt_pg *pg, const char *sql, const char *const *values, int count,
                  int64_t *out, struct tt_err *err)
{
    PGresult *result = tt_pg_run(pg, sql, values, count, err);
    if (!result)
        return -1;
    *out = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return 0;
}

/* The line of a script's error, 0 = unknown. */
static int line_of(const PGresult *result, const char *sql)
{
    const char *at = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    long position = at ? strtol(at, NULL, 10) : 0;
    int line = at != NULL;
    for (const char *p = sql; *p && position > 1; p++) {
        position -= ((unsigned char)*p & 0xC0) != 0x80; /* in characters */
        line += *p == '\n';
    }
    return line;
}

static int take_script(struct tt_pg *pg, PGresult *result, const char *sql, int *line,
                       struct tt_err *err)
{
    ExecStatusType status = PQresultStatus(result);
    int failed = 0;
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
        *line = line_of(result, sql);
        failed = tt_pg_error(pg, result, err);
    }
    PQclear(result);
    return failed;
}

int tt_pg_run_script(struct tt_pg *pg, const char *sql, int *line, struct tt_err *err)
{
    return take_script(pg, PQexec(pg->conn, sql), sql, line, err);
}

int tt_pg_run_statement(struct tt_pg *pg, const char *sql, int *line, struct tt_err *err)
{
    PGresult *result = PQexecParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
    return take_script(pg, result, sql, line, err);
}

int tt_pg_is_replicated(struct tt_pg *pg, bool *out, struct tt_err *err)
{
    int64_t is_so = 0;
    int failed = tt_pg_run_int(pg,
                               "SELECT count(*) WHERE current_setting('synchronous_standby_names')"
                               " <> '' AND current_setting('synchronous_commit')"
                               " NOT IN ('off', 'local')",
                               NULL, 0, &is_so, err);
    *out = is_so > 0;
    return failed;
}
