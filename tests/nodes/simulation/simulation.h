/* The host of a simulation of nodes: the scheduler and what may go wrong are in Lua (main.lua); the
 * statements of leases and replies, and the repair of replies, are those of the server's sources,
 * on a database in memory. */
#pragma once
#include "db/db.h"

#include <lua.h>

/* Functions of Lua, described where they are. */
int sim_write(lua_State *L);
int sim_query(lua_State *L);
int sim_script(lua_State *L);
int sim_set_now(lua_State *L);
int sim_repair(lua_State *L);
int sim_cancel(lua_State *L);
int sim_fire(lua_State *L);
int sim_answer_read(lua_State *L);
int sim_answer_job(lua_State *L);

void sim_database_open(void);
void sim_database_close(void);

/* Pushes the statements of a job as sim_write takes them. */
void sim_push_job(lua_State *L, const struct tt_db_job *job);
void sim_push_value(lua_State *L, const struct tt_db_value *value);
