/* The schemas of routes as the core uses them (script/schema.h). */
#pragma once
#include "serve/dispatch.h"

/* Encodes the value at index as the answer of the request's route: by the schema of its `response`,
 * if it has one. In dev mode undeclared members are logged, each once. Raises as tt_value_encode.
 */
void tt_route_encode(lua_State *L, struct tt_request *request, int index, struct tt_buf *out);

/* Compiles the schemas of all routes of a state, so that no request does. Raises. */
int tt_route_compile_schemas(lua_State *L);
