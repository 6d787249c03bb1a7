/* JSON as it came: a value of Lua (tide.Raw) that holds a document's bytes, which were checked. It
 * is opaque until a script decodes it, and is written into other documents byte for byte. */
#pragma once
#include "base/json.h"
#include "script/vm.h"

/* Pushes one for a valid document. The bytes count as received (tt_task_take). */
void tt_value_raw_push(lua_State *L, struct tt_str json);

/* The document of the value at index, which keeps it until its `set` is called; false when it is
 * no such value. */
bool tt_value_raw(lua_State *L, int index, struct tt_str *json);

void tt_value_raw_setup(lua_State *L);
