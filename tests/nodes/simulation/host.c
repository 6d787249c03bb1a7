/* Runs simulations of nodes that share a database: see main.lua, which gets the arguments.
 *
 * usage, in the root of the checkout: node_simulation [ARGUMENT...] */
#include "base/clock.h"
#include "chat/reply_store.h"
#include "db/job.h"
#include "node/members.h"
#include "node/node.h"
#include "simulation.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#define MAIN "tests/nodes/simulation/main.lua"

void sim_push_value(lua_State *L, const struct tt_db_value *value)
{
    switch (value->type) {
    case TT_DB_INT:
        lua_pushinteger(L, value->integer);
        break;
    case TT_DB_TEXT:
    case TT_DB_BLOB:
        lua_pushlstring(L, value->text.data ? value->text.data : "", value->text.len);
        break;
    default:
        lua_pushlightuserdata(L, NULL);
        break;
    }
}

void sim_push_job(lua_State *L, const struct tt_db_job *job)
{
    lua_createtable(L, (int)job->count, 0);
    for (size_t i = 0; i < job->count; i++) {
        const struct tt_job_statement *statement = &job->statements[i];
        lua_createtable(L, 2, 1);
        lua_pushlstring(L, statement->sql.data, statement->sql.len);
        lua_rawseti(L, -2, 1);
        lua_createtable(L, (int)statement->count, 0);
        for (size_t k = 0; k < statement->count; k++) {
            sim_push_value(L, &statement->values[k]);
            lua_rawseti(L, -2, (lua_Integer)k + 1);
        }
        lua_rawseti(L, -2, 2);
        if (statement->expect >= 0) {
            lua_pushinteger(L, statement->expect);
            lua_setfield(L, -2, "expect");
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static int push_and_free(lua_State *L, struct tt_db_job *job)
{
    sim_push_job(L, job);
    tt_db_job_free(job);
    return 1;
}

/* join(lease_ms), heartbeat(node, lease_ms): statements */
static struct tt_node_settings settings_of(lua_Integer lease_ms)
{
    return (struct tt_node_settings){.name = TT_STR("n"),
                                     .address = TT_STR("a"),
                                     .files_place = TT_STR("f"),
                                     .version = "1",
                                     .lease_ms = (uint64_t)lease_ms};
}

static int host_join(lua_State *L)
{
    struct tt_node_settings settings = settings_of(luaL_checkinteger(L, 1));
    struct tt_db_job *job = tt_db_job_new();

    tt_members_add_row(job, &settings);
    return push_and_free(L, job);
}

static int host_heartbeat(lua_State *L)
{
    struct tt_node_settings settings = settings_of(luaL_checkinteger(L, 2));
    struct tt_db_job *job = tt_db_job_new();

    tt_members_add_heartbeat(job, &(struct tt_members_report){.id = luaL_checkinteger(L, 1),
                                                              .settings = &settings,
                                                              .generation = "g",
                                                              .replies = TT_STR("")});
    return push_and_free(L, job);
}

/* checkpoint(message_id, epoch, position, bytes): statements */
static int host_checkpoint(lua_State *L)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_str bytes;

    bytes.data = luaL_checklstring(L, 4, &bytes.len);
    tt_chat_store_checkpoint(job, luaL_checkinteger(L, 1), luaL_checkinteger(L, 2),
                             luaL_checkinteger(L, 3), 0, bytes);
    return push_and_free(L, job);
}

/* ending(message_id, epoch, session_row, status, content): statements */
static int host_ending(lua_State *L)
{
    struct tt_db_job *job = tt_db_job_new();
    size_t row;
    struct tt_chat_reply_end end = {.message_id = luaL_checkinteger(L, 1),
                                    .turn_epoch = luaL_checkinteger(L, 2),
                                    .session_row = luaL_checkinteger(L, 3),
                                    .status = tt_str_from(luaL_checkstring(L, 4)),
                                    .content = tt_str_from(luaL_checkstring(L, 5)),
                                    .reasoning = TT_STR(""),
                                    .tool_calls = TT_STR(""),
                                    .steps = TT_STR(""),
                                    .runs = TT_STR(""),
                                    .checkpointed = true};

    tt_chat_store_end(job, &end, &row);
    return push_and_free(L, job);
}

/* seconds(): of the real clock */
static int host_seconds(lua_State *L)
{
    lua_pushnumber(L, (double)tt_clock_mono_ms() / 1000);
    return 1;
}

static const luaL_Reg functions[] = {{"write", sim_write},
                                     {"query", sim_query},
                                     {"script", sim_script},
                                     {"set_now", sim_set_now},
                                     {"repair", sim_repair},
                                     {"cancel", sim_cancel},
                                     {"fire", sim_fire},
                                     {"answer_read", sim_answer_read},
                                     {"answer_job", sim_answer_job},
                                     {"join", host_join},
                                     {"heartbeat", host_heartbeat},
                                     {"checkpoint", host_checkpoint},
                                     {"ending", host_ending},
                                     {"seconds", host_seconds},
                                     {NULL, NULL}};

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();

    sim_database_open();
    luaL_openlibs(L);
    luaL_newlib(L, functions);
    lua_pushstring(L, tt_members_sql_owner);
    lua_setfield(L, -2, "SQL_OWNER");
    lua_pushinteger(L, TT_NODE_EPOCH_BITS);
    lua_setfield(L, -2, "EPOCH_BITS");
    lua_setglobal(L, "sim");
    lua_pushcfunction(L, traceback);
    int failed = luaL_loadfile(L, MAIN);
    for (int i = 1; i < argc && !failed; i++)
        lua_pushstring(L, argv[i]);
    failed = failed || lua_pcall(L, argc - 1, 1, 1);
    if (failed)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    int code = failed ? 2 : (int)lua_tointeger(L, -1);
    sim_database_close();
    lua_close(L);
    return code;
}
