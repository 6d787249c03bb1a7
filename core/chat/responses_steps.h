/* Calls of the server's own tools in a response. OpenAI's form has a type for calls that its server
 * makes itself and whose results the client need not bring: mcp_call. Shared by the files of
 * responses. */
#pragma once
#include "chat/responses_items.h"

enum tt_responses_step { TT_RESPONSES_CALL, TT_RESPONSES_RESULT, TT_RESPONSES_OTHER_STEP };

/* Takes up a step of a reply (a line of its log, lua/chat/tool_steps.lua). `*number` is its item's,
 * unless it is another step than those two. */
enum tt_responses_step tt_responses_items_step(struct tt_responses_items *items, struct tt_str line,
                                               size_t *number);

/* The members of such an item behind its status; `whole`: not as it begins. */
void tt_responses_put_step(struct tt_json_writer *w, const struct tt_responses_item *item,
                           bool whole);
