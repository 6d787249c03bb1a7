/* The database as the rest of the core sees it: one writer thread with group commit, one read-only
 * connection per worker, and slow reads on aux threads. SQL goes in as text with bound values;
 * nothing here knows what the tables mean, save reply_store.h. SQLite only, behind this interface.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "loop/aux.h"

#include <stdatomic.h>

enum tt_db_type { TT_DB_NULL, TT_DB_INT, TT_DB_REAL, TT_DB_TEXT, TT_DB_BLOB };

struct tt_db_value {
    enum tt_db_type type;
    int64_t integer;
    double real;
    struct tt_str text; /* TEXT and BLOB; borrowed */
};

static inline struct tt_db_value tt_db_int(int64_t n)
{
    return (struct tt_db_value){.type = TT_DB_INT, .integer = n};
}
static inline struct tt_db_value tt_db_text(struct tt_str s)
{
    return (struct tt_db_value){.type = TT_DB_TEXT, .text = s};
}
static inline struct tt_db_value tt_db_null(void)
{
    return (struct tt_db_value){.type = TT_DB_NULL};
}

struct tt_db;

struct tt_db_settings {
    const char *path;           /* the SQLite file */
    int batch_max;              /* jobs a transaction; default 512 */
    int queue_max;              /* waiting jobs before "busy"; default 4096 */
    uint64_t wal_truncate_size; /* bytes; default 64 MiB */
    int64_t step_budget;        /* virtual-machine steps a worker's query may take; default 100,000:
                                 * 1 ms of arithmetic, 10 ms of pages. Checked every 1,000 */
};

/* Opens the file (it must exist and be migrated, see migrate.h), starts the writer; 0 in a setting
 * is its default. `aux` may be NULL: then tt_db_fetch refuses. Owns: the caller, tt_db_close.
 * Fails: NULL with code "database_unavailable". Thread: main. */
struct tt_db *tt_db_open(const struct tt_db_settings *settings, struct tt_aux *aux,
                         struct tt_err *err);

/* Commits what is queued, checkpoints, joins the writer; ends running fetches. Comes after the
 * readers are freed and before tt_loop_free of every loop that submitted: their answers are still
 * posted there. A loop that has stopped gets them when it is turned once more (tt_loop_tick(loop,
 * 0)); without that the jobs, already committed, leak with the loop. Before or after tt_aux_free.
 */
void tt_db_close(struct tt_db *db);

/* Copies the database file `from`, as it is at one moment, into the new file `to`; a server may be
 * writing to it. Fails: "database_unavailable". Thread: any, blocking. */
int tt_db_copy(const char *from, const char *to, struct tt_err *err);

struct tt_db_stats {
    uint64_t jobs, commits, failed_jobs, largest_batch; /* jobs: done, failed ones among them */
    int waiting;       /* in the queue; a batch under way is not counted */
    uint64_t wal_size; /* bytes of the file */
};
void tt_db_stats(struct tt_db *db, struct tt_db_stats *out); /* any thread */

/* ---- writing ---- */

/* A job is a list of statements that is applied whole or not at all, in one transaction together
 * with other jobs (a savepoint each). Build it on the loop, submit it, get on_done after COMMIT
 * returned OK (or the job failed). Jobs of one loop are applied, and answered, in the order of
 * submitting. BEGIN, COMMIT, SAVEPOINT, PRAGMA and ATTACH are refused ("sql_error"); rows that a
 * statement returns are dropped; 10 s are the limit for one job ("query_too_slow"). Names go in
 * double quotes, texts in single ones (SQLite's leniency is off). */
struct tt_db_job;

struct tt_db_outcome { /* of one statement */
    int64_t insert_id; /* last_insert_rowid() after it; 0 while the job has inserted nothing */
    int64_t changes;   /* rows that it changed, without triggers and cascades */
};

/* Owns: the caller until submit; afterwards the database, which frees it when on_done returns. */
struct tt_db_job *tt_db_job_new(void);
void tt_db_job_free(struct tt_db_job *job);
struct tt_arena *tt_db_job_arena(struct tt_db_job *job);

/* Adds a statement. SQL and values are copied into the job's arena. expect >= 0: the number of rows
 * that must change, else the job fails with code "unexpected_changes" (409) and the statement's
 * number (from 1) in the message. The number of values must be the number of parameters. */
void tt_db_job_add(struct tt_db_job *job, struct tt_str sql, const struct tt_db_value *values,
                   size_t count, int64_t expect);

/* Queues it. Fails at once (-1, "busy", 503) when queue_max jobs or 256 MiB of them wait; the job
 * is still the caller's then. on_done never comes from inside. Thread: loop. */
int tt_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                 void (*on_done)(struct tt_db_job *job, void *arg), void *arg, struct tt_err *err);

/* In on_done: NULL when committed. Codes: "duplicate" (409, UNIQUE), "foreign_key" (409),
 * "constraint" (400), "unexpected_changes" (409), "disk_full" (507), "busy" (503: another process
 * held the write lock for 5 s), "query_too_slow" (503), "database_error" (500), "sql_error" (500, a
 * bug in the statement). */
const struct tt_err *tt_db_job_error(const struct tt_db_job *job);
int tt_db_job_failed_statement(const struct tt_db_job *job); /* from 0; -1 when none */
/* Whether the same job would fail again however long one waits: a value that does not fit, a bug in
 * a statement. Else it may succeed once there is room, time or the lock. */
bool tt_db_error_is_lasting(const struct tt_err *err);
size_t tt_db_job_count(const struct tt_db_job *job);
/* Zeros unless committed. */
struct tt_db_outcome tt_db_job_outcome(const struct tt_db_job *job, size_t statement);

/* ---- reading on the worker ---- */

/* A read-only connection with its statement cache; sees what was committed when its query took the
 * first step, so also everything that on_done has told. Owns: the caller. Thread: one at a time. */
struct tt_db_reader;
struct tt_db_reader *tt_db_reader_new(struct tt_db *db, struct tt_err *err);
void tt_db_reader_free(struct tt_db_reader *reader);

/* Begins a query; at most one is open a reader, a new one ends an older. The statement must be
 * read-only and single: else code "sql_error". Values are copied. End it before yielding: an open
 * query keeps the WAL from being cut. */
int tt_db_query(struct tt_db_reader *reader, struct tt_str sql, const struct tt_db_value *values,
                size_t count, struct tt_err *err);
/* 1 = a row, 0 = the end, -1 = error; "query_too_slow" when the step budget is used up: ask again
 * through tt_db_fetch. After 0 or -1 the query is closed. */
int tt_db_step(struct tt_db_reader *reader, struct tt_err *err);
int tt_db_columns(struct tt_db_reader *reader);
struct tt_str tt_db_column_name(struct tt_db_reader *reader, int column); /* until the end */
struct tt_db_value tt_db_column(struct tt_db_reader *reader, int column); /* until the next step */
void tt_db_query_end(struct tt_db_reader *reader);

/* ---- reading off the loop ---- */

/* Runs a query on an aux thread with its own reader and a time limit; the rows are copied. */
struct tt_db_fetch {
    struct tt_arena arena; /* holds everything below; tt_db_fetch_free */
    struct tt_err error;   /* error.status != 0: failed */
    int columns;
    size_t rows;
    struct tt_str *names;       /* [columns] */
    struct tt_db_value *values; /* [rows * columns] */
    atomic_bool cancelled;      /* set by whoever no longer waits; on_done comes all the same */
    void *internal;
};
/* on_done on the loop, always, unless NULL ("busy") was returned; it frees the fetch with
 * tt_db_fetch_free. At most rows_max rows and 64 MiB (else "too_many_rows", 400), 10 s (else
 * "query_too_slow", 503). SQL and values are copied. The fetch is on_done's: do not look at it, but
 * for `cancelled`, before. */
struct tt_db_fetch *tt_db_fetch(struct tt_db *db, struct tt_loop *loop, struct tt_str sql,
                                const struct tt_db_value *values, size_t count, size_t rows_max,
                                void (*on_done)(struct tt_db_fetch *fetch, void *arg), void *arg,
                                struct tt_err *err);
void tt_db_fetch_free(struct tt_db_fetch *fetch);

/* The version of the library behind it, for `tidetalk version`. Thread: any. */
const char *tt_db_library_version(void);
