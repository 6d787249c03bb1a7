/* tide.db: reads, which return at once if the engine has the rows and otherwise wait; writes as one
 * atomic job, which wait for its commit. */
#include "script/schema.h"
#include "script/task.h"
#include "script/value.h"
#include "script/value_messages.h"
#include "script/value_raw.h"
#include "tide/modules.h"

#include <stdlib.h>

#define JSON_MAX (64u << 20) /* bytes of one answer, as of rows that wait in memory */

/* ---- rows ---- */

/* Pushes the names of the columns, once for all rows; returns the index of the first. */
static int push_names(lua_State *L, const struct tt_db_rows *rows)
{
    luaL_checkstack(L, rows->columns + 8, "too many columns");
    for (int column = 0; column < rows->columns; column++)
        lua_pushlstring(L, rows->names[column].data, rows->names[column].len);
    return lua_gettop(L) - rows->columns + 1;
}

/* Pushes the current row as a table. */
static void push_row(lua_State *L, const struct tt_db_rows *rows, int names)
{
    lua_createtable(L, 0, rows->columns);
    for (int column = 0; column < rows->columns; column++) {
        const struct tt_db_value *value = &rows->values[column];
        if (value->type == TT_DB_NULL)
            continue;
        lua_pushvalue(L, names + column);
        tt_value_push_db(L, value);
        lua_rawset(L, -3);
    }
}

void tt_tide_check_json(lua_State *L, const char *function, int index)
{
    tt_task_check(L, function);
    luaL_checktype(L, index, LUA_TTABLE);
    lua_settop(L, index + 1);
    if (!lua_isnil(L, index + 1))
        luaL_checktype(L, index + 1, LUA_TTABLE);
    luaL_argcheck(L, tt_schema_of(L, index)->type == TT_SCHEMA_OBJECT, index,
                  "must be the schema of an object");
}

/* Pushes the rows as JSON, by the schema and the changes at the top. */
static int push_json(lua_State *L, struct tt_db_rows *rows)
{
    int top = lua_gettop(L), schema = top - 1;
    int changes = lua_istable(L, top) ? top : 0;
    struct tt_err err = {0};

    luaL_checkstack(L, 16, "rows");
    bool own = tt_schema_of(L, schema)->maker_count > 0; /* these may use the scratch buffer */
    struct tt_buf *out = own ? tt_value_push_buf(L, JSON_MAX) : tt_value_scratch(L);
    int more = tt_schema_write_rows(L, schema, changes, rows, out, &err);
    if (more == TT_DB_FAILED)
        return tt_value_push_error(L, &err);
    if (more == TT_DB_AGAIN) {
        lua_settop(L, top);
        return TT_DB_AGAIN;
    }
    tt_value_raw_push(L, tt_buf_str(out));
    if (own)
        tt_buf_free(out); /* now: Lua does not see how large it is */
    return 1;
}

static int push_messages(lua_State *L, struct tt_db_rows *rows)
{
    struct tt_err err = {0};
    int end = tt_value_messages_push_rows(L, rows, &err);

    if (end == TT_DB_FAILED)
        return tt_value_push_error(L, &err);
    return end == TT_DB_AGAIN ? TT_DB_AGAIN : 1;
}

/* Pushes the call's results; returns their number, or TT_DB_AGAIN. */
static int push_rows(lua_State *L, struct tt_db_rows *rows, enum tt_tide_rows what)
{
    struct tt_err err = {0};
    lua_Integer count = 0;

    if (what == TT_ROWS_MESSAGES)
        return push_messages(L, rows);
    if (what == TT_ROWS_JSON)
        return push_json(L, rows);
    int more, names = push_names(L, rows);

    if (what == TT_ROWS_ALL)
        lua_createtable(L, 0, 0);
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW) {
        if (what == TT_ROWS_VALUE)
            tt_value_push_db(L, &rows->values[0]);
        else
            push_row(L, rows, names);
        if (what != TT_ROWS_ALL)
            return 1;
        lua_rawseti(L, -2, ++count);
    }
    if (more == TT_DB_FAILED)
        return tt_value_push_error(L, &err);
    return more == TT_DB_AGAIN ? TT_DB_AGAIN : what == TT_ROWS_ALL ? 1 : 0;
}

/* ---- rows that come later ---- */

struct late_read {
    struct tt_wait wait;
    struct tt_db_pending *pending; /* NULL: they have arrived */
    struct tt_db_rows *rows;
    enum tt_tide_rows what;
};

static void on_late_rows(struct tt_db_rows *rows, void *arg)
{
    struct late_read *read = arg;
    tt_db_rows_take(rows);
    read->rows = rows;
    read->pending = NULL;
    tt_wait_done(&read->wait);
}

static int late_push(struct tt_wait *wait, lua_State *L)
{
    struct late_read *read = TT_CONTAINER_OF(wait, struct late_read, wait);
    return push_rows(L, read->rows, read->what);
}

static void late_close(struct tt_wait *wait)
{
    struct late_read *read = TT_CONTAINER_OF(wait, struct late_read, wait);
    if (read->pending)
        tt_db_pending_cancel(read->pending);
    tt_db_rows_free(read->rows);
}

int tt_tide_wait_rows(lua_State *L, const char *function, struct tt_db_pending *pending,
                      enum tt_tide_rows what)
{
    static const struct tt_wait_type type = {.push = late_push, .close = late_close};

    if (!tt_task_can_wait(L))
        tt_db_pending_cancel(pending);
    tt_task_check_wait(L, function);
    struct late_read *read = tt_wait_new(sizeof(*read), &type);

    read->pending = pending;
    read->what = what;
    read->wait.arguments = what == TT_ROWS_JSON ? lua_gettop(L) : 0;
    tt_db_pending_pass(pending, on_late_rows, read);
    return tt_task_yield(L, &read->wait);
}

/* ---- reads ---- */

struct read {
    lua_State *L;
    enum tt_tide_rows what;
    int results;
};

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    struct read *read = arg;
    read->results = push_rows(read->L, rows, read->what);
}

/* A value that is known only when the job runs cannot be read. */
static void refuse_ids(lua_State *L, const struct tt_db_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].type == TT_DB_ID_OF)
            luaL_error(L, "argument %d of the statement: db.id_of is for db.write", (int)i + 1);
}

static int read_rows(lua_State *L, const char *function, enum tt_tide_rows what, bool in_background)
{
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_db_value values[TT_SQL_ARGS_MAX];
    struct tt_db_query query = {
        .values = values, .in_background = in_background, .owner = tt_task_owner(L)};
    struct read read = {.L = L, .what = what};
    struct tt_db_pending *pending;
    struct tt_err err = {0};

    tt_task_check(L, function);
    query.sql.data = luaL_checklstring(L, 1, &query.sql.len);
    query.count = tt_value_args(L, 2, values, TT_SQL_ARGS_MAX);
    refuse_ids(L, values, query.count);
    if (tt_db_read(tide->chat.db, tide->runtime.loop, &query, on_rows, &read, &pending, &err) != 0)
        return tt_value_push_error(L, &err);
    return pending ? tt_tide_wait_rows(L, function, pending, what) : read.results;
}

static int db_query(lua_State *L)
{
    return read_rows(L, "db.query", TT_ROWS_ALL, false);
}

static int db_one(lua_State *L)
{
    return read_rows(L, "db.one", TT_ROWS_FIRST, false);
}

static int db_messages(lua_State *L)
{
    return read_rows(L, "db.messages", TT_ROWS_MESSAGES, false);
}

/* For queries that are known to be slow (export). */
static int db_fetch(lua_State *L)
{
    return read_rows(L, "db.fetch", TT_ROWS_ALL, true);
}

static int db_json(lua_State *L)
{
    tt_tide_check_json(L, "db.json", 3);
    return read_rows(L, "db.json", TT_ROWS_JSON, false);
}

static int db_fetch_json(lua_State *L)
{
    tt_tide_check_json(L, "db.fetch_json", 3);
    return read_rows(L, "db.fetch_json", TT_ROWS_JSON, true);
}

/* ---- writes ---- */

struct write {
    struct tt_wait wait;
    struct tt_err error;
    int failed_statement;
    bool unknown;
    size_t count;
    struct tt_db_outcome *outcomes;
};

static void write_done(struct tt_db_job *job, void *arg)
{
    struct write *write = arg;
    const struct tt_err *err = tt_db_job_error(job);

    if (err) {
        write->error = *err;
        write->failed_statement = tt_db_job_failed_statement(job);
        write->unknown = tt_db_job_is_unknown(job);
    } else {
        write->count = tt_db_job_count(job);
        write->outcomes = tt_alloc((write->count + 1) * sizeof(struct tt_db_outcome));
        for (size_t i = 0; i < write->count; i++)
            write->outcomes[i] = tt_db_job_outcome(job, i);
    }
    tt_wait_done(&write->wait);
}

static int write_push(struct tt_wait *wait, lua_State *L)
{
    struct write *write = TT_CONTAINER_OF(wait, struct write, wait);

    if (write->error.status) {
        tt_value_push_error(L, &write->error);
        if (write->failed_statement >= 0) {
            lua_pushinteger(L, write->failed_statement + 1);
            lua_setfield(L, -2, "statement");
        }
        if (write->unknown) {
            lua_pushboolean(L, true);
            lua_setfield(L, -2, "unknown");
        }
        return 2;
    }
    lua_createtable(L, (int)write->count, 0);
    for (size_t i = 0; i < write->count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, write->outcomes[i].insert_id);
        lua_setfield(L, -2, "id");
        lua_pushinteger(L, write->outcomes[i].changes);
        lua_setfield(L, -2, "changes");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* A write that has begun is always completed: only the waiting ends. */
static void write_abandon(struct tt_wait *wait)
{
    (void)wait;
}

static void write_close(struct tt_wait *wait)
{
    free(TT_CONTAINER_OF(wait, struct write, wait)->outcomes);
}

/* Reads statement `i` of the list at 1 and adds it to the job. Raises on invalid input: a userdata
 * holds the job by then. */
static void add_statement(lua_State *L, lua_Integer i, struct tt_db_job *job)
{
    struct tt_db_value values[TT_SQL_ARGS_MAX];
    struct tt_str sql;

    if (lua_rawgeti(L, 1, i) != LUA_TTABLE)
        luaL_error(L, "db.write: statement %d is no table", (int)i);
    int statement = lua_gettop(L);
    if (lua_rawgeti(L, statement, 1) != LUA_TSTRING)
        luaL_error(L, "db.write: statement %d begins with a %s, not with its SQL", (int)i,
                   luaL_typename(L, -1));
    sql.data = lua_tolstring(L, -1, &sql.len);
    lua_rawgeti(L, statement, 2);
    size_t count = tt_value_args(L, lua_gettop(L), values, TT_SQL_ARGS_MAX);
    int64_t expect = tt_value_field_int(L, statement, "expect", -1);
    tt_db_job_add(job, sql, values, count, expect);
    lua_settop(L, statement - 1);
}

static int job_gc(lua_State *L)
{
    struct tt_db_job **anchor = lua_touserdata(L, 1);
    if (*anchor)
        tt_db_job_free(*anchor);
    *anchor = NULL;
    return 0;
}

static int db_write(lua_State *L)
{
    static const struct tt_wait_type type = {
        .push = write_push, .close = write_close, .abandon = write_abandon};
    tt_task_check_wait(L, "db.write");
    struct tt_tide *tide = tt_tide_of(L);

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    struct tt_db_job **anchor = lua_newuserdatauv(L, sizeof(*anchor), 0);
    *anchor = NULL;
    if (luaL_newmetatable(L, "tide.db.job")) {
        lua_pushcfunction(L, job_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *anchor = tt_db_job_new();
    if (lua_istable(L, 2) && lua_getfield(L, 2, "use_reserve") && lua_toboolean(L, -1))
        tt_db_job_use_reserve(*anchor);
    if (lua_istable(L, 2) && lua_getfield(L, 2, "independent") && lua_toboolean(L, -1))
        tt_db_job_be_independent(*anchor);
    if (lua_istable(L, 2))
        tt_db_job_lock(*anchor, tt_value_field_int(L, 2, "user", 0));
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    for (lua_Integer i = 1; i <= count; i++)
        add_statement(L, i, *anchor);

    struct write *write = tt_wait_new(sizeof(*write), &type);
    if (tt_db_submit(tide->chat.db, tide->runtime.loop, *anchor, write_done, write,
                     &write->wait.err) != 0)
        return tt_wait_refuse(L, &write->wait);
    *anchor = NULL;
    return tt_task_yield(L, &write->wait);
}

static int db_id_of(lua_State *L)
{
    lua_Integer statement = luaL_checkinteger(L, 1);
    luaL_argcheck(L, statement >= 1 && statement <= TT_VALUE_IDS_MAX, 1,
                  "must be the number of a statement, from 1");
    tt_value_push_id_of(L, (size_t)statement - 1);
    return 1;
}

static int db_engine(lua_State *L)
{
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_tide_setting url;

    if (tide->setting("database_url", &url, tide->setting_arg) != 0)
        url.text = TT_STR("");
    lua_pushstring(L, tt_db_dialect(url.text.data));
    return 1;
}

static const luaL_Reg functions[] = {
    {"query", db_query}, {"one", db_one},     {"messages", db_messages},
    {"fetch", db_fetch}, {"json", db_json},   {"fetch_json", db_fetch_json},
    {"write", db_write}, {"id_of", db_id_of}, {"engine", db_engine},
    {NULL, NULL},
};

int tt_tide_db(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
