/* The output of a response, in the form of OpenAI's Responses: each run of reasoning or of text is
 * an item, and each tool call, the client's and the server's own, and behind them each image that
 * came with the reply. But for these they follow from a reply's log alone, so every reader sees the
 * same items under the same ids, at any time and after a restart. Shared by the files of responses.
 */
#pragma once
#include "chat/responses_tools.h"
#include "reply/reply.h"

struct tt_responses_item {
    enum tt_reply_kind kind;                   /* TT_REPLY_KINDS: an image */
    uint64_t from, to;                         /* of a text: its place in the log */
    int64_t call;                              /* of a call: its index */
    struct tt_buf call_id, name, extra, input; /* of a call; extra is JSON, input its arguments */
    struct tt_responses_tool tool;             /* that is called: slices of `name` and the head */
    struct tt_buf output;                      /* of a call of the server's own tool */
    bool ended, failed;                        /* likewise: it has a result */
    struct tt_str image;                       /* its base64, in what the reply carries */
};

struct tt_responses_items { /* zero it */
    struct tt_str head;     /* the response's, which declares the tools; the caller's */
    struct tt_responses_item *list;
    size_t count, room;
};

void tt_responses_items_free(struct tt_responses_items *items);

/* Adds an item. Owns: the list. */
struct tt_responses_item *tt_responses_items_add(struct tt_responses_items *items,
                                                 enum tt_reply_kind kind);

/* The item that a text at `from` belongs to: the last one, if it goes on there, or a new one. */
struct tt_responses_item *tt_responses_items_text(struct tt_responses_items *items,
                                                  enum tt_reply_kind kind, uint64_t from);

/* The item of a call's delta (a member of an entry in the log), which is added to it. `*begins`: it
 * is a new one. `*input` is what the delta adds to the arguments, within the item. */
struct tt_responses_item *tt_responses_items_call(struct tt_responses_items *items,
                                                  const struct tt_json_value *delta, bool *begins,
                                                  struct tt_str *input);

/* Adds the images of a reply that is PRODUCED. Returns how many items there were before. */
size_t tt_responses_items_images(struct tt_responses_items *items, const struct tt_reply *reply);

/* Takes up all of a reply that is PRODUCED. */
void tt_responses_items_read(struct tt_responses_items *items, const struct tt_reply *reply);

/* Whether an item is the call of a custom tool. */
bool tt_responses_item_is_custom(const struct tt_responses_item *item);

/* "msg_<suffix>_<number>"; the suffix is the response's id behind "resp_". */
void tt_responses_put_item_id(struct tt_buf *out, struct tt_str suffix,
                              const struct tt_responses_items *items, size_t number);

/* The part of a message's content or of reasoning's summary that is its text. Open Responses and
 * the clients of OpenAI's API have no other common form of reasoning than its summary. */
void tt_responses_put_part(struct tt_json_writer *w, enum tt_reply_kind kind, struct tt_str text);

/* An item: `reply` NULL = as it begins, without text. */
void tt_responses_put_item(struct tt_json_writer *w, struct tt_str suffix,
                           const struct tt_responses_items *items, size_t number,
                           const struct tt_reply *reply, struct tt_str status);

/* Appends an item's text from the log. */
void tt_responses_item_text(const struct tt_responses_item *item, const struct tt_reply *reply,
                            struct tt_buf *out);
