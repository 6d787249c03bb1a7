/* Updates the search index of messages, apart from the turns that write them: triggers queue
 * finished messages (migrations/sqlite/0016), and jobs of bounded size index what is queued.
 * Between them, and when there is nothing else, such jobs merge what was indexed, so that nobody
 * who writes meets a merge (migrations/sqlite/0023). A search first indexes its own user's part of
 * the queue, so nobody sees the delay. */
#pragma once
#include "db/db.h"
#include "loop/loop.h"

struct tt_search_index { /* embed and zero */
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_timer timer;
    bool (*is_mine)(void *arg); /* whether this server does it, of several; NULL: it is alone */
    void *arg;
    uint64_t jobs_seen; /* of the database's jobs: later ones may have queued messages */
    int merges;         /* that are still to come */
    bool merges_next;
    bool started, running, stopped;
};

/* Begins with what the last run left in the queue. Thread: the loop's, or before it runs. */
void tt_search_index_start(struct tt_search_index *index, struct tt_db *db, struct tt_loop *loop);
/* No further job is submitted. A job in progress needs the struct until its answer has been
 * delivered. Harmless if not started. Thread: as start. */
void tt_search_index_stop(struct tt_search_index *index);

/* Indexes one user's part of the queue at once. */
struct tt_search_catch_up { /* must live until on_done */
    struct tt_db *db;
    struct tt_loop *loop;
    int64_t user_id;
    struct tt_db_pending *pending; /* reads whether there is something */
    int behind;
    bool cancelled;
    void (*on_done)(struct tt_search_catch_up *catch_up, const struct tt_err *err);
};

/* Indexes the user's part of the queue, in as many jobs as that takes. 0: there is nothing. 1:
 * on_done follows, never within this call, with err = NULL if nothing is left. Fails: -1. Thread:
 * loop, attached. */
int tt_search_catch_up(struct tt_search_catch_up *catch_up, struct tt_db *db, struct tt_loop *loop,
                       int64_t user_id,
                       void (*on_done)(struct tt_search_catch_up *catch_up,
                                       const struct tt_err *err),
                       struct tt_err *err);
/* Nobody waits any more. True: on_done is not called. False: on_done is called all the same, for a
 * job in progress. */
bool tt_search_catch_up_cancel(struct tt_search_catch_up *catch_up);
