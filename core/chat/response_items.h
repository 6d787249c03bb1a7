/* The output of a response, in the form of OpenAI's Responses: each run of reasoning or of text is
 * an item, and each tool call. They follow from a reply's log alone, so every reader sees the same
 * items under the same ids, at any time and after a restart. Shared by the files of responses. */
#pragma once
#include "base/json.h"
#include "reply/reply.h"

struct tt_response_item {
    enum tt_reply_kind kind;
    uint64_t from, to;                         /* of a text: its place in the log */
    int64_t call;                              /* of a call: its index */
    struct tt_buf call_id, name, extra, input; /* of a call; extra is JSON, input its arguments */
};

struct tt_response_items { /* zero it */
    struct tt_response_item *list;
    size_t count, room;
};

void tt_response_items_free(struct tt_response_items *items);

/* The item that a text at `from` belongs to: the last one, if it goes on there, or a new one. */
struct tt_response_item *tt_response_items_text(struct tt_response_items *items,
                                                enum tt_reply_kind kind, uint64_t from);

/* The item of a call's delta (a member of an entry in the log), which is added to it. `*begins`: it
 * is a new one. `*input` is what the delta adds to the arguments, within the item. */
struct tt_response_item *tt_response_items_call(struct tt_response_items *items,
                                                const struct tt_json_value *delta, bool *begins,
                                                struct tt_str *input);

/* Takes up all of a reply's log. */
void tt_response_items_read(struct tt_response_items *items, const struct tt_reply *reply);

/* What a response's items have in common. */
struct tt_response_naming {
    struct tt_str suffix; /* of their ids: the response's id behind "resp_" */
    bool summary;         /* reasoning is told as its summary */
};

/* "msg_<suffix>_<number>" */
void tt_response_put_item_id(struct tt_buf *out, const struct tt_response_naming *naming,
                             const struct tt_response_items *items, size_t number);

/* A text's part of content, or of a summary. */
void tt_response_put_part(struct tt_json_writer *w, const struct tt_response_naming *naming,
                          enum tt_reply_kind kind, struct tt_str text);

/* An item: `reply` NULL = as it begins, without text. */
void tt_response_put_item(struct tt_json_writer *w, const struct tt_response_naming *naming,
                          const struct tt_response_items *items, size_t number,
                          const struct tt_reply *reply, struct tt_str status);

/* Appends an item's text from the log. */
void tt_response_item_text(const struct tt_response_item *item, const struct tt_reply *reply,
                           struct tt_buf *out);
