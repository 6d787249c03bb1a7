/* The end of a running reply as its row in the database. Part of a running reply, see
 * running_reply.c; nothing else uses it. */
#pragma once
#include "db/db.h"
#include "reply/reply.h"

struct tt_running_end {
    const struct tt_reply *reply;
    int64_t session_row, turn_epoch;
    const struct tt_reply_outcome *outcome;
    bool checkpointed; /* there are chunks of it */
};

/* Adds to `job` all that a reply has become; see tt_chat_store_end. */
void tt_running_end_add(struct tt_db_job *job, const struct tt_running_end *end,
                        size_t *row_statement);

/* The same for a reply without a text: the row says why, instead of looking as if it still ran. */
void tt_running_end_add_failed(struct tt_db_job *job, int64_t message_id, int64_t session_row,
                               int64_t turn_epoch, const struct tt_err *error,
                               size_t *row_statement);
