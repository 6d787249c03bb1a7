/* Tools of a response that a chat completion knows only in another form: functions in a namespace,
 * and custom tools, whose input is a text. To the model they are functions
 * (lua/doors/response_tools.lua); a call of one becomes what the client has declared. */
#pragma once
#include "base/json.h"

struct tt_responses_tool {
    struct tt_str space; /* its namespace; data == NULL: it has none */
    struct tt_str name;  /* in the namespace */
    bool custom;
};

/* The tool that a model calls by the name `called`, as the `tools` in a response's head (a JSON
 * object) declare it: slices of the head and of `called`. A name that no such tool has is a
 * function's. Thread: any. */
struct tt_responses_tool tt_responses_tool_of(struct tt_str head, struct tt_str called);

/* Appends the text that is a custom tool's input: what its function was called with, or all of the
 * arguments where the model has not kept to that. */
void tt_responses_put_input(struct tt_str arguments, struct tt_buf *out);
