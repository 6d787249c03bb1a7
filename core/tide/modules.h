/* The tide.* modules: each bind_<module>.c has one luaL_Reg table and one function here, which
 * pushes the module's table. */
#pragma once
#include "tide/tide.h"

int tt_tide_json(lua_State *L);
int tt_tide_schema(lua_State *L);
int tt_tide_db(lua_State *L);
int tt_tide_search(lua_State *L);
int tt_tide_crypto(lua_State *L);
int tt_tide_time(lua_State *L);
int tt_tide_log(lua_State *L);
int tt_tide_config(lua_State *L);
int tt_tide_text(lua_State *L);
int tt_tide_personas(lua_State *L);
int tt_tide_llm(lua_State *L);
int tt_tide_cache(lua_State *L); /* tide.cache: strings by key and row version */
int tt_tide_files(lua_State *L);
int tt_tide_http(lua_State *L);
int tt_tide_shared(lua_State *L);
int tt_tide_scripts(lua_State *L);
int tt_tide_task(lua_State *L);
int tt_tide_timer(lua_State *L);

int tt_tide_test(lua_State *L);           /* tide.test, of these three files: */
void tt_tide_test_upstream(lua_State *L); /* adds its functions to the table on top */
void tt_tide_test_check(lua_State *L);    /* likewise */

struct tt_db_pending;
enum tt_tide_rows { TT_ROWS_ALL, TT_ROWS_FIRST, TT_ROWS_VALUE /* the first row's first */ };
/* Ends a C function of this name that has begun a read: `return tt_tide_wait_rows(…)`. Raises, with
 * the read cancelled, where Lua cannot wait. */
int tt_tide_wait_rows(lua_State *L, const char *function, struct tt_db_pending *pending,
                      enum tt_tide_rows what);

/* Adds to tide.crypto's table, on top of the stack: bytes as text, a script's own keys. */
void tt_tide_encode(lua_State *L);

/* The metatable of replies, see bind_reply.c. */
void tt_tide_reply_setup(lua_State *L);

struct tt_reply;
/* A reply as a value: pushes one that holds nothing yet (it may raise, so it comes before the
 * reply); the caller puts a reference into it, which the outermost task gives back at
 * its end. Reading gives NULL when it is none. */
struct tt_reply **tt_tide_push_reply(lua_State *L);
struct tt_reply *tt_tide_reply(lua_State *L, int index);
void tt_tide_push_result(lua_State *L, const struct tt_reply *reply); /* tide.Result */
