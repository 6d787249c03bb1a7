/* What writes Lua values as JSON, for the files of core/script that write parts of a document in
 * another way. */
#pragma once
#include "script/value.h"

struct tt_value_encoder {
    struct tt_json_writer writer;
    bool files; /* bytes of files may go into the text: it is the body of a request */
};

/* Writes the value at index (an absolute one), which is `depth` containers deep. Raises as
 * tt_value_encode. */
void tt_value_encode_at(lua_State *L, int index, struct tt_value_encoder *encoder, int depth);

/* Which members of a table to write. */
struct tt_value_choice {
    bool (*wants)(void *arg, struct tt_str key); /* may be asked twice for a key */
    void *arg;
};

/* Writes the chosen members (NULL: all) of the table at index, sorted by the bytes of their names,
 * into an object that has been begun. */
void tt_value_encode_members(lua_State *L, int index, struct tt_value_encoder *encoder, int depth,
                             const struct tt_value_choice *choice);

/* Raises when a container must not be `depth` containers deep; makes room on Lua's stack. */
void tt_value_check_depth(lua_State *L, int depth);
