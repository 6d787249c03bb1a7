/* The SQL that the streaming engine itself needs, because replies are stored while no script runs:
 * checkpoints of a running reply, its end, and the repair at start. The only place in C that knows
 * these table names (chat_messages, reply_chunks, chat_sessions). */
#pragma once
#include "db/db.h"

/* Adds to `job`: `bytes` as logged (see reply/reply.h) from `position` on; kind is 0 for content, 1
 * for reasoning, 2 for tool calls, 3 for steps (enum tt_reply_kind); one call a segment. */
void tt_chat_store_checkpoint(struct tt_db_job *job, int64_t message_id, int64_t position, int kind,
                              struct tt_str bytes);

struct tt_chat_reply_end {
    int64_t message_id;
    int64_t session_row; /* chat_sessions.id */
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
 * session was deleted) is not an error: the job commits, and the outcome of statement
 * *row_statement says 0 changes. */
void tt_chat_store_end(struct tt_db_job *job, const struct tt_chat_reply_end *end,
                       size_t *row_statement);

/* At start, before anything is served: every message still "streaming" becomes "interrupted" with
 * the text of its chunks, up to the first hole in them; if the database is `shared`, only those of
 * nodes that do not live. Returns how many, -1 on error. Waits, turning the loop (attached).
 * Thread: the loop's. */
int tt_chat_store_repair(struct tt_db *db, struct tt_loop *loop, bool shared, struct tt_err *err);
