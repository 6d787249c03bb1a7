/* Bytes of a file as a Lua value whose bytes Lua never holds: they are in the core's memory and
 * only go into a request's body. Scripts pass it on like a secret. */
#pragma once
#include "base/buf.h"
#include "script/vm.h"

/* Pushes a table {media_type=, base64=, data_url=} for the data URL in `url`, which is taken over.
 * May raise for lack of memory in Lua; until then `url` must be reachable for cleanup by the
 * caller. */
void tt_value_file_push_image(lua_State *L, struct tt_buf *url);

/* The text that the value at index stands for in a body; false when it is not such a value. */
bool tt_value_file_text(lua_State *L, int index, struct tt_str *out);

/* The bytes of all such values within the value at index, so that a body's memory can be allocated
 * at once. Raises on tables that are nested deeper than JSON may be. */
size_t tt_value_file_sum(lua_State *L, int index);

/* Bytes that such values of the whole process hold; beyond TT_FILE_DATA_MAX no more are created.
 * Thread: any. */
#define TT_FILE_DATA_MAX ((size_t)256 << 20)
size_t tt_value_file_used(void);

void tt_value_file_setup(lua_State *L);
