/* The single writer: its connection, its queue and the thread. Private to db; tests use the struct
 * to break the connection on purpose. sqlite_writer.c has the thread, sqlite_batch.c the
 * transactions, sqlite_checkpoint.c what copies the log beside them, job_queue.c the queue. */
#pragma once
#include "db/job_queue.h"
#include "db/sqlite.h"
#include "db/sqlite_checkpoint.h"

#define TT_WRITER_JOB_MS 10000 /* the longest time that one job may take */

struct tt_writer {
    struct tt_sqlite conn; /* only for the writer thread */
    struct tt_checkpointer *checkpointer;
    char *wal_path;
    uint64_t wal_truncate_size;
    pthread_t thread;
    struct tt_job_queue queue;

    /* only for the writer thread: */
    struct tt_db_job **batch; /* [batch_max] */
    uint64_t job_deadline_ms; /* 0: none runs */
    uint64_t commits;         /* since the last check */
    int wal_pages;            /* in the WAL after the last commit */
    uint64_t truncate_at_ms;  /* not before: a long reader was in the way */
};

struct tt_writer *tt_writer_new(const char *path, const struct tt_db_settings *settings,
                                struct tt_err *err);
void tt_writer_free(struct tt_writer *writer); /* commits what is queued; NULL is fine */

int tt_writer_submit(struct tt_writer *writer, struct tt_db_job *job, struct tt_err *err);
void tt_writer_stats(struct tt_writer *writer, struct tt_db_stats *out);

/* Runs jobs in one transaction (at most two per job, see sqlite_batch.c) and leaves each with its
 * outcome or error. Thread: writer. */
void tt_batch_run(struct tt_writer *writer, struct tt_db_job **jobs, size_t count);
