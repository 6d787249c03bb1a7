/* The inside of a job: built by job.c on a loop, run by the engine on its writer. Private to db. A
 * job has one owner at any time: caller, queue and writer, mailbox, on_done. */
#pragma once
#include "base/arena.h"
#include "base/list.h"
#include "db/db.h"
#include "loop/loop.h"

struct tt_job_statement {
    struct tt_str sql;
    struct tt_db_value *values;
    size_t count;
    int64_t expect;   /* rows that must change; < 0: not checked */
    bool must_insert; /* the engine counts on its row: its id is used before it is known */
    struct tt_db_outcome outcome;
};

struct tt_db_job {
    struct tt_mail mail; /* posts it back to its loop */
    struct tt_list node; /* in the writer's queue */
    struct tt_loop *loop;
    struct tt_arena arena; /* statements, SQL, values */
    struct tt_job_statement *statements;
    size_t count, capacity;
    int64_t lock;      /* tt_db_job_lock; 0: none */
    bool uses_reserve; /* tt_db_job_use_reserve */
    bool independent;  /* tt_db_job_be_independent */
    bool unknown;      /* a COMMIT with it ended so: tt_db_job_is_unknown */
    void (*on_done)(struct tt_db_job *job, void *arg);
    void *arg;
    struct tt_err error;  /* status 0: committed */
    int failed_statement; /* from 0; -1 none */
};
