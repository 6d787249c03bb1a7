/* Brings the search index of messages up to date, beside the turns that write them: triggers queue
 * finished messages (migrations/0016), and jobs of bounded size index what is queued. A search
 * indexes what its own user has in the queue first, so nobody sees the delay. */
#pragma once
#include "db/db.h"
#include "loop/loop.h"

struct tt_search_index { /* embed and zero */
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_timer timer;
    uint64_t jobs_seen; /* of the database's jobs: more of them may have queued something */
    bool started, running, stopped;
};

/* Begins, with what the last run left in the queue. Thread: the loop's, or before it runs. */
void tt_search_index_start(struct tt_search_index *index, struct tt_db *db, struct tt_loop *loop);
/* No job is submitted any more; one that runs still needs the struct until its answer has been
 * delivered. Harmless when not started. Thread: as start. */
void tt_search_index_stop(struct tt_search_index *index);

/* What one user has in the queue, indexed at once. */
struct tt_search_catch_up { /* must live until on_done */
    struct tt_db *db;
    struct tt_loop *loop;
    int64_t user_id;
    struct tt_db_pending *pending; /* whether there is something */
    int behind;
    bool cancelled;
    void (*on_done)(struct tt_search_catch_up *catch_up, const struct tt_err *err);
};

/* Indexes what the user has in the queue, in as many jobs as that takes. 0: there is nothing. 1:
 * on_done comes, never from inside, with err = NULL when nothing is left. Fails: -1. Thread: loop,
 * attached. */
int tt_search_catch_up(struct tt_search_catch_up *catch_up, struct tt_db *db, struct tt_loop *loop,
                       int64_t user_id,
                       void (*on_done)(struct tt_search_catch_up *catch_up,
                                       const struct tt_err *err),
                       struct tt_err *err);
/* Nobody waits any more. True: nothing comes. False: on_done comes all the same, for a job that was
 * begun. */
bool tt_search_catch_up_cancel(struct tt_search_catch_up *catch_up);
