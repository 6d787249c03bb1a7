/* Errors of scripts, nil and {code, args, retry_after, …}, as errors of the request. */
#pragma once
#include "serve/dispatch.h"

/* Reads the error table at index; its texts live on the stack, so it may grow, and in the state's
 * scratch buffer. Raises when it is none. */
void tt_response_error_read(lua_State *L, struct tt_request *request, int index,
                            struct tt_request_error *error);
