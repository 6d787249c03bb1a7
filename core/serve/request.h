/* The request as Lua sees it, and a handler's result as an HTTP answer. */
#pragma once
#include "serve/dispatch.h"

/* The request at 1; raises when it is none, or has ended. */
struct tt_request *tt_request_check(lua_State *L);

/* Pushes the request (tide.Request) of a request. */
void tt_request_push(lua_State *L, struct tt_request *request);

/* Pushes the metatable of requests; the first request of a state creates it. */
void tt_request_push_metatable(lua_State *L);

/* Reads (response | nil, err) at the two topmost places and answers. True: the answer is to be
 * written by the function that is at the top of the stack now (chunks.h). Raises on values that
 * cannot be rendered: nothing was answered then. */
bool tt_request_render(lua_State *L, struct tt_request *request);

/* "zh" is preferred over everything else (RFC 9110, 12.5.4). */
bool tt_request_prefers_chinese(struct tt_str accept_language);
