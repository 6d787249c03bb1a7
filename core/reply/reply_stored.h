/* A reply that has ended, converted to its stored form and back. A row contains the text by kind. A
 * reader's position also needs the order in which the kinds came; that is stored beside them as
 * runs, a letter and a length in bytes each: "r3c120s40r5c80t40" is 3 bytes of reasoning, 120 of
 * content, 40 of steps, 5 of reasoning, 80 of content, 40 of tool calls. Most replies have each
 * kind once, in the order reasoning, content, tool calls, steps: they need no runs, and "" stands
 * for that. */
#pragma once
#include "reply/reply.h"

/* Appends the runs of all published text. */
void tt_reply_runs(const struct tt_reply *reply, struct tt_buf *out);

struct tt_reply_stored {
    int64_t message_id, user_message_id, user_id;
    struct tt_str text[TT_REPLY_KINDS];
    struct tt_str runs;
    struct tt_str files;  /* see tt_reply_add_files */
    struct tt_str images; /* see tt_reply_add_images */
    struct tt_reply_outcome outcome;
};

/* Appends a stored text to a reply that is to be continued, so that every position means the same
 * as before. Fails: as tt_reply_append. Thread: the reply's. */
int tt_reply_refill(struct tt_reply *reply, const struct tt_reply_stored *stored,
                    struct tt_err *err);

/* A finished reply with the log that it had: every position means the same as before. Texts that do
 * not fit their runs (somebody has changed the row) are still returned, in some order. Owns: the
 * caller, one reference. Fails: NULL with "busy" (503) as tt_reply_new. Thread: loop. */
struct tt_reply *tt_reply_restore(struct tt_loop *loop, const struct tt_reply_stored *stored,
                                  struct tt_err *err);
