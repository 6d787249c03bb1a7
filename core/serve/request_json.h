/* A request's body as a Lua value. The client decides the cost of reading it, not the script: it is
 * bounded here and not charged to the script's time. */
#pragma once
#include "script/value.h"

/* The weight (tt_json_weigh) of the values built from a body: some 500,000 whole numbers, 100,000
 * objects or 60,000 fields. */
#define TT_BODY_WEIGHT_MAX ((size_t)512 << 10)

/* Levels of a body: fewer than can be written, since its values are wrapped before they are sent to
 * an upstream. */
#define TT_BODY_DEPTH_MAX (TT_JSON_MAX_DEPTH - 8)

struct tt_request_json_wish {
    bool free;         /* the time is not the script's; for the first time only */
    bool once;         /* a wanted field must not be there twice */
    const char *whole; /* the name for the whole object as it came; NULL: it is not wanted. With it
                        * all fields count for the weight */
};

/* Decodes a body and pushes the value; an empty body is an empty object. `names` is the index of a
 * table whose keys are the wanted fields of the outermost object (nil: all); others are checked,
 * but not built. A field whose value there is "json" stays as it came (script/value_raw.h). Fails:
 * -1, "invalid_json", "too_many_values" or "invalid_field" (one that is there twice: the message is
 * its name). May raise out of memory. */
int tt_request_json_push(lua_State *L, struct tt_str body, int names,
                         const struct tt_request_json_wish *wish, struct tt_err *err);
