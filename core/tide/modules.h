/* The tide.* modules: each file core/tide/<module>.c has one luaL_Reg table and one function here,
 * which pushes the module's table. */
#pragma once
#include "tide/tide.h"

int tt_tide_json(lua_State *L);
int tt_tide_schema(lua_State *L);
int tt_tide_db(lua_State *L);
int tt_tide_search(lua_State *L);
int tt_tide_crypto(lua_State *L);
int tt_tide_time(lua_State *L);
void tt_tide_time_zone(lua_State *L);  /* adds its functions to the table on top */
int tt_tide_time_format(lua_State *L); /* tide.time.format */
int tt_tide_log(lua_State *L);
int tt_tide_config(lua_State *L);
int tt_tide_text(lua_State *L);
int tt_tide_template(lua_State *L);
int tt_tide_messages(lua_State *L);
int tt_tide_message_tokens(lua_State *L); /* a function of tide.text */
int tt_tide_plugin_settings(lua_State *L);
/* Pushes the value of a setting "plugins.NAME.KEY" and returns true, or pushes nothing. */
bool tt_tide_push_plugin_setting(lua_State *L, const char *key);
int tt_tide_personas(lua_State *L);
int tt_tide_llm(lua_State *L);
int tt_tide_nodes(lua_State *L);
int tt_tide_cache(lua_State *L); /* tide.cache: strings by key and row version */
int tt_tide_file_store(lua_State *L);
int tt_tide_http(lua_State *L);
int tt_tide_http_stream(lua_State *L); /* http.stream */
void tt_tide_http_stream_setup(lua_State *L);
int tt_tide_shared(lua_State *L);
int tt_tide_scripts(lua_State *L);
int tt_tide_task(lua_State *L);
int tt_tide_timer(lua_State *L);

void tt_tide_time_restart(void); /* time.now may go back once: for tests */
int tt_tide_test(lua_State *L);  /* tide.test, in these six files: */
int tt_tide_test_request(lua_State *L);
void tt_tide_test_user(lua_State *L);     /* adds its functions to the table on top */
void tt_tide_test_upstream(lua_State *L); /* likewise */
void tt_tide_test_http(lua_State *L);     /* likewise */
void tt_tide_test_world(lua_State *L);    /* likewise */
void tt_tide_test_check(lua_State *L);    /* likewise */

struct tt_db_pending;
enum tt_tide_rows {
    TT_ROWS_ALL,
    TT_ROWS_FIRST,
    TT_ROWS_VALUE,   /* the first row's first */
    TT_ROWS_JSON,    /* all, as a tide.Raw, see tt_tide_check_json */
    TT_ROWS_MESSAGES /* a conversation: script/value_messages.h */
};
/* Checks that a task runs, and the last two arguments of a function that returns rows as JSON: the
 * schema, at index, and the changes, which may be absent. They are at the top of the stack then,
 * and stay there. */
void tt_tide_check_json(lua_State *L, const char *function, int index);
/* Ends a C function of this name that has started a read: `return tt_tide_wait_rows(…)`. If Lua
 * cannot wait here, it cancels the read and raises. */
int tt_tide_wait_rows(lua_State *L, const char *function, struct tt_db_pending *pending,
                      enum tt_tide_rows what);

/* Adds to tide.crypto's table, on top of the stack: encodings of bytes, hashes with a script's own
 * key. */
void tt_tide_encode(lua_State *L);

/* The metatable of replies, see reply.c. */
void tt_tide_reply_setup(lua_State *L);

struct tt_reply;
/* A reply as a Lua value: pushes one that is empty (this may raise, so it comes before the reply);
 * the caller stores a reference in it, which the outermost task releases at its end. Reading
 * returns NULL if it is empty. */
struct tt_reply **tt_tide_push_reply(lua_State *L);
struct tt_reply *tt_tide_reply(lua_State *L, int index);
void tt_tide_push_result(lua_State *L, const struct tt_reply *reply); /* tide.Result */
struct tt_reply_outcome;
/* The part of a reply that has ended: tide.Part. */
void tt_tide_push_part(lua_State *L, struct tt_reply *reply,
                       const struct tt_reply_outcome *outcome);
