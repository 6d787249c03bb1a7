/* Values between Lua and the core: JSON text, database values, errors. */
#pragma once
#include "base/json.h"
#include "db/db.h"
#include "script/vm.h"

/* Encodes the value at index into out; raises a Lua error on functions, cycles (depth), secrets and
 * invalid keys. `out` must be reachable for cleanup by the caller (a pooled buffer): the error is a
 * longjmp. */
void tt_value_encode(lua_State *L, int index, struct tt_buf *out);

/* The same for the body of a request, into which the bytes of files may go. */
void tt_value_encode_body(lua_State *L, int index, struct tt_buf *out);

/* Decodes strictly (base/json first, then lua-cjson) and pushes the value; -1 pushes nothing. May
 * raise out of memory. */
int tt_value_decode(lua_State *L, struct tt_str text, struct tt_err *err);

/* lua_pcall of what decodes a client's bytes, whose bound is elsewhere. What is called may stop
 * Lua's collector when it builds much: nothing of it is garbage yet, and scanning it again and
 * again would take most of the time. With `free` the time is not the script's: for what it can ask
 * for only once. */
#define TT_VALUE_MUCH                                                                              \
    ((size_t)32 << 10) /* of weight (tt_json_weigh). Starting the collector again                  \
                        * makes it work at once: not for less */
int tt_value_call_uncharged(lua_State *L, int arguments, int results, bool free);

/* Decodes JSON that is known to be valid. May raise out of memory. */
void tt_value_decode_valid(lua_State *L, struct tt_str text);

/* Pushes the text of a JSON string (with its quotes), and a JSON number as it is decoded: whole
 * ones are integers. */
void tt_value_push_json_text(lua_State *L, struct tt_str raw);
void tt_value_push_json_number(lua_State *L, const struct tt_json_value *value);

/* Pushes nil and the error as a table {code=, message=, status=}; returns 2. */
int tt_value_push_error(lua_State *L, const struct tt_err *err);

/* Reads arguments for a statement from the array at index (nil or absent = none), converting them
 * into values[max]; strings are borrowed from Lua. U+0000 becomes U+FFFD, also in the array.
 * Returns how many; raises on unsuitable types. tt_db_id_of may be among them. */
size_t tt_value_args(lua_State *L, int index, struct tt_db_value *values, size_t max);

/* Pushes what tt_value_args reads as tt_db_id_of(statement); statement < TT_VALUE_IDS_MAX. */
#define TT_VALUE_IDS_MAX 1000
void tt_value_push_id_of(lua_State *L, size_t statement);
void tt_value_push_db(lua_State *L, const struct tt_db_value *value);

/* A secret userdata: [secret] for everybody but the core. */
void tt_value_push_secret(lua_State *L, struct tt_str bytes);
bool tt_value_secret(lua_State *L, int index, struct tt_str *out);

/* Pushes a userdata that owns an arena: memory for one C function that may be left by a longjmp. */
struct tt_arena *tt_value_push_arena(lua_State *L);

/* Pushes a userdata that owns a buffer of at most `max` bytes, for the same purpose. */
struct tt_buf *tt_value_push_buf(lua_State *L, size_t max);

/* The scratch buffer of a state: cleared, reused; it grows as needed, to at most 64 MiB. Code that
 * may call a script's metamethod (lua_getfield) may use it too: use raw access while it is filled.
 */
struct tt_buf *tt_value_scratch(lua_State *L);

void tt_value_setup(lua_State *L);

#define TT_SQL_ARGS_MAX 64
#define TT_CJSON_DECODE "tide.cjson.decode" /* registry: lua-cjson's decode function */

/* Marks the table on top of the stack as an array, so that an empty one encodes as []. */
void tt_value_mark_array(lua_State *L);
bool tt_value_is_array(lua_State *L, int index);

/* Marks the empty arrays within the value on top, which lua-cjson made from `text` and which look
 * like empty objects; `text` is valid JSON. */
void tt_value_mark_empty_arrays(lua_State *L, struct tt_str text);

/* Hides the metatable on top of the stack from scripts: its functions trust their first argument,
 * and its fields must not change. */
void tt_value_hide_metatable(lua_State *L);

/* A class of userdata, for luaL_setmetatable and luaL_checkudata: its methods and, unless NULL,
 * what collects a value. `name` is the one in lua/types ("tide.Task"). */
void tt_value_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc);

/* JSON null and SQL NULL in Lua: the light userdata NULL, as in lua-cjson. */
void tt_value_push_null(lua_State *L);
bool tt_value_is_null(lua_State *L, int index);

/* A string field of the table at index, data == NULL when absent; raises when it is not a string.
 * The table itself keeps it alive, so __index is not used: these tables must be plain ones. */
struct tt_str tt_value_field(lua_State *L, int index, const char *key);
int64_t tt_value_field_int(lua_State *L, int index, const char *key, int64_t fallback);
