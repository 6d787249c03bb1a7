/* Tokens by user, day and model: one row each, added up in the transaction of what they were spent
 * on. So the sums are exact whoever ends at the same moment. Table usage_days. */
#pragma once
#include "base/clock.h"
#include "db/db.h"

struct tt_usage_entry {
    int64_t user_id;
    struct tt_str model_name;
    int64_t input_tokens, output_tokens;
    bool estimated;     /* the upstream did not tell all of it */
    bool charged_twice; /* perhaps: an earlier try may have been charged as well */
};

/* Adds to `job`: one request more on today's row (UTC). A user who is gone is no error: the
 * statement changes nothing then. Thread: any. */
void tt_usage_store_add(struct tt_db_job *job, const struct tt_usage_entry *entry);

/* The same statement and its values, for a job that somebody else builds; `day` keeps a text of
 * theirs. */
#define TT_USAGE_STORE_VALUES 7
extern const char tt_usage_store_sql[];
void tt_usage_store_values(const struct tt_usage_entry *entry, char day[TT_RFC3339_SIZE],
                           struct tt_db_value values[TT_USAGE_STORE_VALUES]);
