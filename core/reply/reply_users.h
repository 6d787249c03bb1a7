/* How many replies of each user run, and the most that may: nobody takes all of a server. Of
 * several nodes each tells the others with its heartbeat what runs on it. Thread: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#include <pthread.h>
#include <stdint.h>

struct tt_map;

struct tt_reply_users {
    pthread_mutex_t lock;
    struct tt_map *counts;    /* user id -> struct count, while something of theirs runs */
    struct tt_map *elsewhere; /* the same on other nodes, as they told */
    int max;                  /* 0 = any number */
    int nodes;                /* that are alive, this one too */
};

void tt_reply_users_create(struct tt_reply_users *users, int max);
void tt_reply_users_destroy(struct tt_reply_users *users);

/* Counts one more. *beyond_share: the user has more here than this node may grant without asking
 * the database, or as much as may be with what the others told, which may be outdated; what all
 * other nodes may grant at the same moment is a tenth of the limit. NULL: nobody will ask it, and
 * what they told counts. Fails: -1, "too_many_replies" (429). */
int tt_reply_users_add(struct tt_reply_users *users, int64_t user_id, bool *beyond_share,
                       struct tt_err *err);
void tt_reply_users_remove(struct tt_reply_users *users, int64_t user_id);

/* Appends "USER:COUNT USER:COUNT", nothing without a limit. */
void tt_reply_users_put(struct tt_reply_users *users, struct tt_buf *out);
/* What the other living nodes have told in this form. */
void tt_reply_users_set_elsewhere(struct tt_reply_users *users, const struct tt_str *told,
                                  size_t count);
