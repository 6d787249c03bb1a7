/* A request's body as a Lua value. What it costs to read is the client's doing and not the
 * script's: it is bounded here and not charged to the script's time. */
#pragma once
#include "script/value.h"

/* The weight (tt_json_weigh) of what is built of a body: some 500,000 whole numbers, 100,000
 * objects or 60,000 fields. */
#define TT_BODY_WEIGHT_MAX ((size_t)512 << 10)

/* Levels of a body: fewer than can be written, since what comes from it is wrapped on its way to an
 * upstream. */
#define TT_BODY_DEPTH_MAX (TT_JSON_MAX_DEPTH - 8)

/* Decodes a body and pushes the value; an empty body is an empty object. `names` is the index of a
 * table whose keys are the fields of the outermost object that are wanted (nil: all); others are
 * checked, but not built. With `free` the time is not the script's; that is for the first time
 * only. Fails: -1, "invalid_json" or "too_many_values". May raise out of memory. */
int tt_request_json_push(lua_State *L, struct tt_str body, int names, bool free,
                         struct tt_err *err);
