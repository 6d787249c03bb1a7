/* Reading {file = …} of a response, see answer_file.h. */
#pragma once
#include "serve/dispatch.h"

/* Answers with the response's file, if it has one. */
bool tt_response_file(lua_State *L, struct tt_request *request, int response);
