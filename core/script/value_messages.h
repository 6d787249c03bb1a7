/* A conversation as a value of Lua (tide.Messages) whose texts stay in the core: they go from the
 * database into a request's body without becoming Lua strings, unless a script asks for them. */
#pragma once
#include "db/db.h"
#include "script/vm.h"

/* Pushes one with the rows of a query: see tt_messages_read, whose results it returns. Only
 * TT_DB_END pushes something. */
int tt_value_messages_push_rows(lua_State *L, struct tt_db_rows *rows, struct tt_err *err);

/* A C function for scripts: the same from a list of tables; nil = an empty one. */
int tt_value_messages_new(lua_State *L);

/* Writes it as a list of messages in OpenAI's form; false when the value at index is no such
 * value. Raises as tt_value_encode. */
struct tt_value_encoder;
bool tt_value_messages_encode(lua_State *L, int index, struct tt_value_encoder *encoder, int depth);

void tt_value_messages_setup(lua_State *L);
