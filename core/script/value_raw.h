/* JSON as it came: a value of Lua (tide.Raw) that holds a document's bytes, which were checked. It
 * is opaque until a script decodes it, and is written into other documents byte for byte. */
#pragma once
#include "base/json.h"
#include "script/vm.h"

/* Pushes one for a valid document. The bytes count as received (tt_task_take). */
void tt_value_raw_push(lua_State *L, struct tt_str json);

/* The same for a part of the string at `text`, which is kept as long as the value is. */
void tt_value_raw_push_part(lua_State *L, int text, struct tt_str part);

/* Where a member of an object is: its key with the quotes, and its value. */
struct tt_raw_member {
    struct tt_str key, value;
};

/* The same for a whole document that is an object, and whose members are known from reading it. */
void tt_value_raw_push_noted(lua_State *L, int text, struct tt_str whole,
                             const struct tt_raw_member *members, size_t count);

/* The time of the first decoding of the value on top is not the script's: it is a part of a
 * client's body, whose weight is bounded. */
void tt_value_raw_let_free(lua_State *L);
/* Whether the value at index is such a one that was not decoded yet; from now on it was. */
bool tt_value_raw_take_free(lua_State *L, int index);

/* The document of the value at index, which keeps it until its `set` is called; false when it is
 * no such value. */
bool tt_value_raw(lua_State *L, int index, struct tt_str *json);

/* Appends the document of the value at index, without making one piece of it. False when it is no
 * such value; nothing is appended when the buffer has no room. */
bool tt_value_raw_append(lua_State *L, int index, struct tt_buf *out);

void tt_value_raw_setup(lua_State *L);
