/* Brings the search index of messages up to date, beside the turns that write them: triggers queue
 * finished messages (migrations/0007), and this job indexes what is queued, many in one statement.
 * A search indexes what its own user has in the queue first, so nobody sees the delay. */
#pragma once
#include "db/db.h"
#include "loop/loop.h"

struct tt_search_index { /* embed and zero */
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_timer timer;
    uint64_t jobs_seen; /* of the database's jobs: more of them may have queued something */
    size_t indexed_statement;
    bool started, running, stopped;
};

/* Begins, with what the last run left in the queue. Thread: the loop's, or before it runs. */
void tt_search_index_start(struct tt_search_index *index, struct tt_db *db, struct tt_loop *loop);
/* No job is submitted any more; one that runs still needs the struct until its answer has been
 * delivered. Harmless when not started. Thread: as start. */
void tt_search_index_stop(struct tt_search_index *index);
