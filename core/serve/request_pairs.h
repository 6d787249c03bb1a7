/* Names and values as addresses and forms carry them: "a=1&b=2"
 * (application/x-www-form-urlencoded).
 */
#pragma once
#include "base/str.h"

#include <lua.h>

#define TT_FORM_FIELDS_MAX 1000

/* Pushes a table of texts by name, of several values the last one, and a table of lists of texts
 * for the names that came more than once; nil when there is no such name. An escape that cannot be
 * decoded stays as it is. */
void tt_request_pairs_push(lua_State *L, struct tt_str text);

/* How many there are at most. */
size_t tt_request_pairs_count(struct tt_str text);
