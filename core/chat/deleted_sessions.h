/* What deleted sessions leave, removed beside everybody's turns. A delete takes a session's owner
 * and its id away in one commit (migrations/sqlite/0017), so no reader finds it and its id is free;
 * its files and messages, with what the search index has of them, follow in jobs of bounded size,
 * with pauses: another commit waits for at most one of them. What a stop or a crash leaves is found
 * at the next start. The bytes of files go when their rows are gone: a deleted row leaves its key
 * in the table removed_files, whoever deleted it. */
#pragma once
#include "db/db.h"
#include "files/job.h"

#define TT_DELETED_ROWS_READ 500

enum tt_deleted_step {
    TT_DELETED_LOOK,
    TT_DELETED_FILES, /* from here in this order for a session */
    TT_DELETED_MESSAGES,
    TT_DELETED_ROW,
    TT_DELETED_KEYS /* of files, after some sessions or the last one */
};

struct tt_deleted_sessions { /* embed and zero */
    struct tt_db *db;
    struct tt_loop *loop;
    struct tt_store *store;
    struct tt_aux *file_aux;
    struct tt_timer timer;
    struct tt_db_pending *pending;
    struct tt_file_job *file_job;
    uint64_t jobs_seen; /* of the database's jobs: more of them may have deleted something */
    uint64_t jobs;      /* as of the last look */
    uint64_t submitted_ms;
    size_t sessions; /* gone since the last keys */
    enum tt_deleted_step step;
    int64_t session_row; /* 0: none */
    /* Its next rows, newest first; those from `at` on are there. */
    int64_t ids[TT_DELETED_ROWS_READ], sizes[TT_DELETED_ROWS_READ];
    size_t count, at;
    struct tt_buf keys; /* of files whose bytes are being removed, each with a NUL */
    bool started, running, stopped;
};

/* Begins, with what the last run left. Thread: the loop's, or before it runs. */
void tt_deleted_sessions_start(struct tt_deleted_sessions *deleted, struct tt_db *db,
                               struct tt_loop *loop, struct tt_store *store,
                               struct tt_aux *file_aux);
/* Begins nothing more; a job that runs still needs the struct until its answer has been delivered.
 * Harmless when not started. Thread: as start, while the loop is attached. */
void tt_deleted_sessions_stop(struct tt_deleted_sessions *deleted);
