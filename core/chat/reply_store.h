/* The SQL that the streaming engine itself needs, because replies are stored while no script runs:
 * checkpoints of a running reply, and its end. What becomes of one whose server ended before is in
 * reply_repair.h. */
#pragma once
#include "db/db.h"

/* A turn of a node has a number, `turn_epoch` (node/node.h), and its reply is written to only while
 * the row of the message has it: another node that takes the reply over removes it. 0: the server
 * is alone, and nothing is asked. */

/* Adds to `job`: `bytes` as logged (see reply/reply.h) from `position` on; kind is 0 for content, 1
 * for reasoning, 2 for tool calls, 3 for steps (enum tt_reply_kind); one call a segment. A
 * statement that changes nothing: the reply is lost to this node, or deleted. */
void tt_chat_store_checkpoint(struct tt_db_job *job, int64_t message_id, int64_t turn_epoch,
                              int64_t position, int kind, struct tt_str bytes);

struct tt_chat_reply_end {
    int64_t message_id;
    int64_t session_row; /* chat_sessions.id */
    int64_t turn_epoch;  /* 0: alone */
    struct tt_str content;
    struct tt_str reasoning;
    struct tt_str tool_calls; /* lines as logged */
    struct tt_str steps;      /* likewise */
    struct tt_str runs;       /* the order in which they came, see reply/reply_stored.h */
    struct tt_str status;     /* complete, interrupted, stopped, error, waiting */
    struct tt_str finish_reason;
    struct tt_str usage;      /* JSON object, or data == NULL */
    struct tt_str error_code; /* or data == NULL */
    int64_t ended_us;         /* when it ended; 0 = now */
    bool delivered;           /* a client listened to the end */
    bool checkpointed;        /* reply_chunks has rows to remove */
};
/* Adds to `job`: final text, status, usage, updated_at, removal of chunks. A missing row (the
 * session was deleted) is not an error, nor a reply that was lost to another node: the job commits,
 * and the outcome of statement *row_statement says 0 changes. */
void tt_chat_store_end(struct tt_db_job *job, const struct tt_chat_reply_end *end,
                       size_t *row_statement);
