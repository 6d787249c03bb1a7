/* A reply as OpenAI's response object, for answers that are not streamed and for the events that
 * carry it. https://platform.openai.com/docs/api-reference/responses/object */
#pragma once
#include "chat/responses_items.h"

/* The part of a response that its reply does not decide. */
struct tt_responses_object {
    struct tt_str suffix; /* of its id and those of its items */
    struct tt_str head;   /* a JSON object with the members that never change */
};

/* What follows "resp_" in a response's id. */
struct tt_str tt_responses_id_suffix(struct tt_str id);

/* completed, incomplete, cancelled or failed; in_progress before the reply has FINISHED. */
struct tt_str tt_responses_status(const struct tt_reply *reply);

/* The status of an item of a FINISHED reply: the last one of a response that was cut off is not
 * whole. */
struct tt_str tt_responses_item_status(const struct tt_reply *reply,
                                       const struct tt_responses_items *items, size_t number);

/* The error with which a reply ended, as its client is told it. */
struct tt_responses_error {
    struct tt_str code; /* empty: the reply's own */
    struct tt_str text;
};

/* Appends the object. Of a running reply it has neither output nor usage. `items`: those of a
 * FINISHED reply; `error`: the one with which it ended. */
void tt_responses_put(struct tt_buf *out, const struct tt_responses_object *response,
                      const struct tt_reply *reply, const struct tt_responses_items *items,
                      struct tt_responses_error error);

/* The same before the reply has ended, for the events at its beginning. */
void tt_responses_put_begun(struct tt_buf *out, const struct tt_responses_object *response);
