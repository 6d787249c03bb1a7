/* Tokens by user, day and model: one row each, added up in the transaction of the reply that spent
 * them. So the sums are exact even when replies end at the same moment. Table usage_days. */
#pragma once
#include "base/clock.h"
#include "db/db.h"
#include "reply/reply.h"

struct tt_usage_entry {
    int64_t user_id;
    struct tt_str model_name;
    int64_t input_tokens, output_tokens;
    bool estimated;     /* the upstream did not report all of it */
    bool charged_twice; /* perhaps: an earlier attempt may have been charged as well */
    /* Counted only while the message is that turn's (chat/reply_store.h); 0: in any case. */
    int64_t message_id, turn_epoch;
};

/* Adds to `job`: one more request on today's row (UTC). A missing user is not an error: the
 * statement changes nothing then. Thread: any. */
void tt_usage_store_add(struct tt_db_job *job, const struct tt_usage_entry *entry);

/* Adds the tokens of a reply, when any are known, without those of earlier parts of it that are
 * counted already ({0}: none). `whose`: user, model and turn. Thread: any. */
void tt_usage_store_add_reply(struct tt_db_job *job, const struct tt_usage_entry *whose,
                              const struct tt_reply_outcome *outcome,
                              const struct tt_reply_usage *counted);

/* The same statement and its values, for a job that somebody else builds; `day` keeps a text of
 * theirs. */
#define TT_USAGE_STORE_VALUES 7
extern const char tt_usage_store_sql[];
void tt_usage_store_values(const struct tt_usage_entry *entry, char day[TT_RFC3339_SIZE],
                           struct tt_db_value values[TT_USAGE_STORE_VALUES]);
