/* An answer that a script writes piece by piece: {chunks = function(write) … end}. The head leaves
 * first; then the function runs in the request's task. write(bytes) waits until the client has
 * taken what came before, so an answer of any size needs memory for two pieces, and others run
 * between two of them. The answer ends with the function. When the function fails (raises, or
 * returns nil and an error), the connection is cut, so that a part is not taken for the whole; when
 * the client leaves, the task ends. */
#pragma once
#include "serve/request.h"

/* Opens the answer; status and headers are set. The request's function is to be run with
 * tt_chunks_run, if this returns true: for HEAD, and for a client that has left, all is done. */
bool tt_chunks_open(struct tt_request *request, int status);

/* Runs the function at the top of the stack; ends a C function, as lua_callk does: `return
 * tt_chunks_run(L, request)`. */
int tt_chunks_run(lua_State *L, struct tt_request *request);

/* The task has failed: cuts the connection. */
void tt_chunks_fail(struct tt_request *request);
/* The client has left, or the exchange is over: ends the task. */
void tt_chunks_abandon(struct tt_request *request);
/* The task has ended; `write` does nothing any more. */
void tt_chunks_close(struct tt_request *request);
