/* tide.db: reads on the worker's own connection, at once; writes as one atomic job, waiting for its
 * commit. A read that exceeds the step budget is asked again off the loop. */
#include "db/search_index.h"
#include "script/task.h"
#include "script/value.h"
#include "tide/modules.h"

#include <stdlib.h>

#define SLOW_ROWS_MAX 10000

/* ---- slow reads ---- */

struct slow_read {
    struct tt_wait wait;
    struct tt_db_fetch *fetch;
    bool only_first;
};

static void slow_done(struct tt_db_fetch *fetch, void *arg)
{
    struct slow_read *read = arg;
    read->fetch = fetch;
    read->wait.err = fetch->error;
    tt_wait_done(&read->wait);
}

static int slow_push(struct tt_wait *wait, lua_State *L)
{
    struct slow_read *read = TT_CONTAINER_OF(wait, struct slow_read, wait);
    struct tt_db_fetch *fetch = read->fetch;
    size_t rows = read->only_first && fetch->rows > 1 ? 1 : fetch->rows;

    if (read->only_first && rows == 0)
        return 0;
    lua_createtable(L, (int)rows, 0);
    for (size_t row = 0; row < rows; row++) {
        lua_createtable(L, 0, fetch->columns);
        for (int column = 0; column < fetch->columns; column++) {
            struct tt_str name = fetch->names[column];
            lua_pushlstring(L, name.data, name.len);
            tt_value_push_db(L, &fetch->values[row * (size_t)fetch->columns + (size_t)column]);
            lua_rawset(L, -3);
        }
        lua_rawseti(L, -2, (lua_Integer)row + 1);
    }
    if (read->only_first)
        lua_rawgeti(L, -1, 1);
    return 1;
}

static void slow_abandon(struct tt_wait *wait)
{
    TT_CONTAINER_OF(wait, struct slow_read, wait)->fetch->cancelled = true;
}

static void slow_close(struct tt_wait *wait)
{
    tt_db_fetch_free(TT_CONTAINER_OF(wait, struct slow_read, wait)->fetch);
}

static int start_slow(lua_State *L, struct tt_tide *tide, struct tt_str sql,
                      const struct tt_db_value *values, size_t count, bool only_first)
{
    static const struct tt_wait_type type = {
        .push = slow_push, .close = slow_close, .abandon = slow_abandon};
    tt_task_check_wait(L, "db.query (of a slow query)");
    struct slow_read *read = tt_wait_new(sizeof(*read), &type);

    read->only_first = only_first;
    read->fetch = tt_db_fetch(tide->chat.db, tide->runtime.loop, sql, values, count, SLOW_ROWS_MAX,
                              slow_done, read, &read->wait.err);
    return read->fetch ? tt_task_yield(L, &read->wait) : tt_wait_refuse(L, &read->wait);
}

/* ---- reads ---- */

/* Pushes the names of the columns, once for all rows; returns the index of the first. */
static int push_names(lua_State *L, struct tt_db_reader *reader, int columns)
{
    luaL_checkstack(L, columns + 8, "too many columns");
    for (int column = 0; column < columns; column++) {
        struct tt_str name = tt_db_column_name(reader, column);
        lua_pushlstring(L, name.data, name.len);
    }
    return lua_gettop(L) - columns + 1;
}

/* Pushes the current row as a table. */
static void push_row(lua_State *L, struct tt_db_reader *reader, int names, int columns)
{
    lua_createtable(L, 0, columns);
    for (int column = 0; column < columns; column++) {
        struct tt_db_value value = tt_db_column(reader, column);
        if (value.type == TT_DB_NULL)
            continue;
        lua_pushvalue(L, names + column);
        tt_value_push_db(L, &value);
        lua_rawset(L, -3);
    }
}

/* A Lua memory error in here leaves the query open: the reader ends it with the next one. */
static int read_rows(lua_State *L, bool only_first)
{
    tt_task_check(L, only_first ? "db.one" : "db.query");
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_db_value values[TT_SQL_ARGS_MAX];
    struct tt_err err = {0};
    struct tt_str sql;
    lua_Integer rows = 0;
    int more;

    sql.data = luaL_checklstring(L, 1, &sql.len);
    size_t count = tt_value_args(L, 2, values, TT_SQL_ARGS_MAX);
    if (tt_db_query(tide->reader, sql, values, count, &err) != 0)
        return tt_value_push_error(L, &err);
    int columns = tt_db_columns(tide->reader);
    int names = push_names(L, tide->reader, columns);
    if (!only_first)
        lua_createtable(L, 0, 0);
    while ((more = tt_db_step(tide->reader, &err)) == 1) {
        push_row(L, tide->reader, names, columns);
        if (only_first) {
            tt_db_query_end(tide->reader);
            return 1;
        }
        lua_rawseti(L, -2, ++rows);
    }
    if (more < 0 && strcmp(err.code, "query_too_slow") == 0)
        return start_slow(L, tide, sql, values, count, only_first);
    if (more < 0)
        return tt_value_push_error(L, &err);
    return only_first ? 0 : 1;
}

static int db_query(lua_State *L)
{
    return read_rows(L, false);
}

static int db_one(lua_State *L)
{
    return read_rows(L, true);
}

/* The same off the loop from the start, for what is known to be long (search, export). */
static int db_fetch(lua_State *L)
{
    tt_task_check_wait(L, "db.fetch");
    struct tt_db_value values[TT_SQL_ARGS_MAX];
    struct tt_str sql;

    sql.data = luaL_checklstring(L, 1, &sql.len);
    size_t count = tt_value_args(L, 2, values, TT_SQL_ARGS_MAX);
    return start_slow(L, tt_tide_of(L), sql, values, count, false);
}

/* ---- writes ---- */

struct write {
    struct tt_wait wait;
    struct tt_err error;
    int failed_statement;
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

/* A write that was begun is always carried through: only the waiting ends. */
static void write_abandon(struct tt_wait *wait)
{
    (void)wait;
}

static void write_close(struct tt_wait *wait)
{
    free(TT_CONTAINER_OF(wait, struct write, wait)->outcomes);
}

/* Reads statement `i` of the list at 1 and adds it to the job. Raises on unfit input: the job is
 * anchored in a userdata by then. */
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
    struct tt_db_job **anchor = lua_newuserdatauv(L, sizeof(*anchor), 0);
    *anchor = NULL;
    if (luaL_newmetatable(L, "tide.db.job")) {
        lua_pushcfunction(L, job_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *anchor = tt_db_job_new();
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

/* ---- the search index ---- */

struct indexing {
    struct tt_wait wait;
    struct tt_search_catch_up catch_up;
};

static void indexing_done(struct tt_search_catch_up *catch_up, const struct tt_err *err)
{
    struct indexing *indexing = TT_CONTAINER_OF(catch_up, struct indexing, catch_up);
    if (err)
        indexing->wait.err = *err;
    tt_wait_done(&indexing->wait);
}

static int indexing_push(struct tt_wait *wait, lua_State *L)
{
    (void)wait;
    lua_pushboolean(L, true);
    return 1;
}

static void indexing_abandon(struct tt_wait *wait)
{
    TT_CONTAINER_OF(wait, struct indexing, wait)->catch_up.cancelled = true;
}

static int db_index_for_search(lua_State *L)
{
    static const struct tt_wait_type type = {.push = indexing_push, .abandon = indexing_abandon};
    tt_task_check_wait(L, "db.index_for_search");
    struct tt_tide *tide = tt_tide_of(L);
    lua_Integer user_id = luaL_checkinteger(L, 1);
    struct tt_err err = {0};

    int behind = tt_search_is_behind(tide->reader, user_id, &err);
    if (behind < 0)
        return tt_value_push_error(L, &err);
    if (behind == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    struct indexing *indexing = tt_wait_new(sizeof(*indexing), &type);
    if (tt_search_catch_up(&indexing->catch_up, tide->chat.db, tide->runtime.loop, user_id,
                           indexing_done, &indexing->wait.err) != 0)
        return tt_wait_refuse(L, &indexing->wait);
    return tt_task_yield(L, &indexing->wait);
}

static const luaL_Reg functions[] = {
    {"query", db_query},
    {"one", db_one},
    {"fetch", db_fetch},
    {"write", db_write},
    {"index_for_search", db_index_for_search},
    {NULL, NULL},
};

int tt_tide_db(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
