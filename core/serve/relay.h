/* A request that another node answers: req:relay(node) of scripts. The request goes to that node's
 * private listener, and its answer to the client as it comes: events at once and whole, never
 * faster than the client reads. When the client leaves, the call ends, so the other node's client
 * has left too. When the other node is gone before its answer, or in the middle of its events, the
 * script is told, and goes on here: a stream that has begun (request->opened) is what its reply is
 * then written to. */
#pragma once
#include "serve/dispatch.h"

/* What lua/web/relay.lua calls: req:relay(node, target). */
int tt_request_relay(lua_State *L);

/* Completes an answer that another node has begun, with a response that is no stream (status 204:
 * nothing is missing; any other: the client is cut off, and comes back). Harmless if there is none.
 */
void tt_request_close_opened(struct tt_request *request, int status);
