/* The inside of tide.Raw, for the two files that it is written in: value_raw.c looks into values,
 * value_raw_change.c changes them. */
#pragma once
#include "script/value_raw.h"

struct tt_raw {
    struct tt_str part; /* of the string that is the user value */
    bool free;          /* its first decoding */
};

/* Pushes one without a document. */
struct tt_raw *tt_raw_push_empty(lua_State *L);

/* Makes the string on top the whole document of the value at index. */
void tt_raw_set_text(lua_State *L, int index);

/* The document of the value at index; raises when it is no such value. */
struct tt_json_value tt_raw_check(lua_State *L, int index);

/* Walks all steps of a path but the last one, which it leaves in `path`. */
struct tt_json_value tt_raw_walk(lua_State *L, struct tt_json_value value, struct tt_str *path);
struct tt_str tt_raw_check_path(lua_State *L, int index);

/* The methods that change. */
int tt_raw_set(lua_State *L);
int tt_raw_with(lua_State *L);
