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

/* Reads a body by the schema at index (nil: all of it); an empty one is an empty object. Pushes
 * what was read, or nil and the reason; returns how many values. With `free` the time is not the
 * script's: for the first time only. May raise out of memory. */
int tt_request_json_read(lua_State *L, struct tt_str body, int schema, bool free);
