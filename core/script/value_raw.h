/* JSON as it came: a value of Lua (tide.Raw) that holds a document's bytes, which were checked. It
 * is opaque until a script decodes it, and is written into other documents byte for byte. */
#pragma once
#include "base/json.h"
#include "script/vm.h"

/* Pushes one for a valid document. The bytes count as received (tt_task_take). */
void tt_value_raw_push(lua_State *L, struct tt_str json);

/* The same for a part of a request's body, whose weight is bounded (serve/request_json.h): the time
 * of its first decoding is not the script's. */
void tt_value_raw_push_client(lua_State *L, struct tt_str json);
/* Whether the value at index is such a one that was not decoded yet; from now on it was. */
bool tt_value_raw_take_free(lua_State *L, int index);

/* The document of the value at index, which keeps it until its `set` is called; false when it is
 * no such value. */
bool tt_value_raw(lua_State *L, int index, struct tt_str *json);

void tt_value_raw_setup(lua_State *L);
