/* The shared database of a simulation: SQLite in memory, whose tidetalk_now() is virtual time. A
 * job is run whole at one moment, as PostgreSQL's writer does; what PostgreSQL alone understands
 * (row locks) is left out of the statements, because nothing runs beside a job here. */
#include "simulation.h"

#include <lauxlib.h>
#include <sqlite3.h>

#define OUTCOMES_MAX 16

static sqlite3 *database;
static int64_t now_us;

static void sql_now(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count, (void)values;
    sqlite3_result_int64(context, now_us);
}

static void sql_search_text(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count, (void)values;
    sqlite3_result_null(context);
}

static int fail(lua_State *L, const char *sql)
{
    return luaL_error(L, "%s: %s", sqlite3_errmsg(database), sql);
}

/* The prepared statement of a text; the registry keeps it under the text. */
static sqlite3_stmt *prepare(lua_State *L, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (lua_getfield(L, LUA_REGISTRYINDEX, sql) == LUA_TLIGHTUSERDATA) {
        statement = lua_touserdata(L, -1);
        lua_pop(L, 1);
        return statement;
    }
    lua_pop(L, 1);
    if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK)
        fail(L, sql);
    lua_pushlightuserdata(L, statement);
    lua_setfield(L, LUA_REGISTRYINDEX, sql);
    return statement;
}

static void bind_one(lua_State *L, sqlite3_stmt *statement, int at, const int64_t *ids)
{
    size_t len;
    const char *text;

    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
        sqlite3_bind_int(statement, at, lua_toboolean(L, -1));
        break;
    case LUA_TNUMBER:
        sqlite3_bind_int64(statement, at, luaL_checkinteger(L, -1));
        break;
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &len);
        sqlite3_bind_text(statement, at, text, (int)len, SQLITE_TRANSIENT);
        break;
    case LUA_TTABLE: /* db.id_of(n) */
        lua_getfield(L, -1, "id_of");
        sqlite3_bind_int64(statement, at, ids[lua_tointeger(L, -1)]);
        lua_pop(L, 1);
        break;
    default:
        sqlite3_bind_null(statement, at);
        break;
    }
}

/* The list of values at the top of the stack; a broken rule may need fewer. */
static void bind(lua_State *L, sqlite3_stmt *statement, const int64_t *ids)
{
    int count = sqlite3_bind_parameter_count(statement);

    sqlite3_reset(statement);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        bind_one(L, statement, i, ids);
        lua_pop(L, 1);
    }
}

static void run(lua_State *L, const char *sql)
{
    sqlite3_stmt *statement = prepare(L, sql);
    sqlite3_step(statement);
    if (sqlite3_reset(statement) != SQLITE_OK)
        fail(L, sql);
}

/* Runs the statement at the top of the stack: NULL, or the code of why it fails. */
static const char *run_statement(lua_State *L, int number, int64_t *ids, int64_t *changes)
{
    lua_rawgeti(L, -1, 1);
    const char *sql = lua_tostring(L, -1);
    lua_rawgeti(L, -2, 2);
    sqlite3_stmt *statement = prepare(L, sql);
    bind(L, statement, ids);
    int64_t before = sqlite3_total_changes64(database);
    int step = sqlite3_step(statement);
    changes[number] = sqlite3_total_changes64(database) - before;
    ids[number] = changes[number] ? sqlite3_last_insert_rowid(database) : 0;
    bool duplicate = sqlite3_extended_errcode(database) == SQLITE_CONSTRAINT_UNIQUE;
    sqlite3_reset(statement);
    lua_getfield(L, -3, "expect");
    bool expects = lua_isinteger(L, -1);
    int64_t expected = lua_tointeger(L, -1);
    lua_pop(L, 3);
    if (step != SQLITE_DONE && duplicate)
        return "duplicate";
    if (step != SQLITE_DONE && step != SQLITE_ROW)
        fail(L, sql);
    return expects && changes[number] != expected ? "unexpected_changes" : NULL;
}

static int failed(lua_State *L, const char *code, int number)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushinteger(L, number);
    lua_setfield(L, -2, "statement");
    return 2;
}

/* write(statements): {id, changes} of each; or nil and {code, statement} */
int sim_write(lua_State *L)
{
    int64_t ids[OUTCOMES_MAX] = {0}, changes[OUTCOMES_MAX] = {0};
    int count = (int)lua_rawlen(L, 1);

    luaL_argcheck(L, count < OUTCOMES_MAX, 1, "too many statements");
    lua_settop(L, 1);
    run(L, "BEGIN");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        const char *code = run_statement(L, i, ids, changes);
        lua_pop(L, 1);
        if (!code)
            continue;
        run(L, "ROLLBACK");
        return failed(L, code, i);
    }
    run(L, "COMMIT");
    lua_createtable(L, count, 0);
    for (int i = 1; i <= count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, ids[i]);
        lua_setfield(L, -2, "id");
        lua_pushinteger(L, changes[i]);
        lua_setfield(L, -2, "changes");
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static void push_column(lua_State *L, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        lua_pushinteger(L, sqlite3_column_int64(statement, column));
        break;
    case SQLITE_NULL:
        lua_pushnil(L);
        break;
    default: {
        const char *text = sqlite3_column_blob(statement, column); /* asked before the length */
        lua_pushlstring(L, text ? text : "", (size_t)sqlite3_column_bytes(statement, column));
        break;
    }
    }
}

/* query(sql, values): rows, with their values by name and by number */
int sim_query(lua_State *L)
{
    const char *sql = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    sqlite3_stmt *statement = prepare(L, sql);
    int columns = sqlite3_column_count(statement), step;

    bind(L, statement, NULL);
    lua_createtable(L, 0, 0);
    for (int row = 1; (step = sqlite3_step(statement)) == SQLITE_ROW; row++) {
        lua_createtable(L, columns, columns);
        for (int i = 0; i < columns; i++) {
            push_column(L, statement, i);
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, sqlite3_column_name(statement, i));
            lua_rawseti(L, -2, i + 1);
        }
        lua_rawseti(L, -2, row);
    }
    sqlite3_reset(statement);
    return step == SQLITE_DONE ? 1 : fail(L, sql);
}

/* script(sql): runs statements one after the other */
int sim_script(lua_State *L)
{
    const char *sql = luaL_checkstring(L, 1);
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(L, sql);
}

/* set_now(us): virtual time */
int sim_set_now(lua_State *L)
{
    now_us = luaL_checkinteger(L, 1);
    return 0;
}

void sim_database_open(void)
{
    sqlite3_open(":memory:", &database);
    sqlite3_create_function(database, "tidetalk_now", 0, SQLITE_UTF8, NULL, sql_now, NULL, NULL);
    sqlite3_create_function(database, "tidetalk_search_text", 2, SQLITE_UTF8, NULL, sql_search_text,
                            NULL, NULL);
}

void sim_database_close(void)
{
    sqlite3_stmt *statement;
    while ((statement = sqlite3_next_stmt(database, NULL)))
        sqlite3_finalize(statement);
    sqlite3_close(database);
}
