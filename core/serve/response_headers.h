/* The headers of a response or an error of a script, its cookies among them. */
#pragma once
#include "serve/dispatch.h"

/* Pushes them as pairs of strings; returns how many there are. Raises when one is not allowed. */
int tt_response_gather_headers(lua_State *L, struct tt_request *request, int response);

/* Whether such pairs on top of the stack have this name. */
bool tt_response_has_header(lua_State *L, int count, struct tt_str name);

/* Adds the pairs on top of the stack; cannot raise. */
void tt_response_add_headers(lua_State *L, struct tt_request *request, int count);

/* Answers {redirect = address}, if there is one. */
bool tt_response_redirect(lua_State *L, struct tt_request *request, int response);
