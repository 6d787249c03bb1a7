/* A batch of jobs on its way: what postgres_batch.c and postgres_batch_sets.c share. */
#pragma once
#include "db/job.h"
#include "db/postgres.h"

/* A command that was sent and has not been answered yet. */
struct tt_pg_sent {
    struct tt_db_job *job;      /* NULL: our own, or of `members` */
    size_t number;              /* of the job's statement */
    struct tt_db_job **members; /* whose statements were sent as one; NULL: there are none */
    size_t member_count;
    enum tt_pg_set set;
    struct tt_pg_statement *statement;
    bool prepares;
};

struct tt_pg_batch {
    struct tt_pg *pg;
    struct tt_pg_sent *sent;
    size_t count, capacity, read; /* of `sent` */
    bool lost;                    /* the connection */
    bool conflict;                /* with another transaction */
    size_t lock;                  /* the place of tidetalk_lock in `sent`; 0: none is taken */
    bool busy;                    /* a lock could not be had in time */
    struct tt_err error;          /* status 0: none so far */
    struct tt_db_job *failed_job; /* whose error that is; NULL: nobody's */
    size_t failed_number;
};

/* The connection is lost. Returns -1. */
int tt_pg_batch_lose(struct tt_pg_batch *batch, const char *why);
void tt_pg_batch_add(struct tt_pg_batch *batch, struct tt_pg_sent sent);
/* The values of a statement, with the ids of rows that earlier statements of its job have inserted:
 * it waits for them, unless `sequences` lets a sequence stand for them. Fails: NULL. */
struct tt_db_value *tt_pg_batch_values(struct tt_pg_batch *batch, struct tt_db_job *job,
                                       size_t number, bool sequences);
/* Fails: -1, batch->error or batch->lost. */
int tt_pg_batch_send(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number);
/* The outcome of a statement; one that is not as expected becomes the batch's error. */
void tt_pg_batch_note(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number,
                      int64_t changes, int64_t id);

/* Sends one statement of all jobs of a group. (postgres_batch_sets.c) */
void tt_pg_batch_send_set(struct tt_pg_batch *batch, const struct tt_pg_group *group,
                          size_t number);
/* Its answer. */
void tt_pg_batch_note_set(struct tt_pg_batch *batch, PGresult *result,
                          const struct tt_pg_sent *sent);
int64_t tt_pg_batch_changes(PGresult *result); /* rows that it inserted, changed or deleted */
