/* The usage object of a reply: which members it has and when. The one place that decides this, for
 * answers, end frames, the stored row and Lua. */
#pragma once
#include "base/json.h"
#include "reply/reply.h"

struct tt_usage_member {
    const char *name;
    bool is_flag; /* true, else a number */
    int64_t number;
};

#define TT_USAGE_MEMBERS_MAX 8

/* Fills in the members, returns how many; 0 = nothing is known. */
int tt_usage_members(const struct tt_reply_outcome *outcome,
                     struct tt_usage_member members[TT_USAGE_MEMBERS_MAX]);

/* Appends the object; false: nothing is known and nothing was written. */
bool tt_usage_put_json(struct tt_json_writer *w, const struct tt_reply_outcome *outcome);
