/* Tokens by user, day and model: one row each, added up in the transaction of what they were spent
 * on. So the sums are exact whoever ends at the same moment. Table usage_days. */
#pragma once
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
