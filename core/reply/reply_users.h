/* How many replies of each user run, and the most that may: nobody takes all of a server. Not
 * locked: the registry does that. */
#pragma once
#include "base/err.h"

#include <stdint.h>

struct tt_map;

struct tt_reply_users {
    struct tt_map *counts; /* user id -> struct count, while something of theirs runs */
    int max;               /* 0 = any number */
};

void tt_reply_users_create(struct tt_reply_users *users, int max);
void tt_reply_users_destroy(struct tt_reply_users *users);

/* Counts one more. Fails: "too_many_replies" (429). Thread: any, under the registry's lock. */
int tt_reply_users_add(struct tt_reply_users *users, int64_t user_id, struct tt_err *err);
void tt_reply_users_remove(struct tt_reply_users *users, int64_t user_id);
