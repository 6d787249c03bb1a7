/* The database as the rest of the core sees it: jobs that are written whole or not at all, and
 * reads that may answer at once or later. SQL goes in as text with bound values; nothing here knows
 * what the tables mean. Which engine answers is in the database's URL ("sqlite:PATH"); what an
 * engine has to offer is in engine.h. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "loop/aux.h"

enum tt_db_type {
    TT_DB_NULL,
    TT_DB_INT,
    TT_DB_REAL,
    TT_DB_TEXT,
    TT_DB_BLOB,
    TT_DB_ID_OF /* in jobs only, see tt_db_id_of */
};

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
static inline struct tt_db_value tt_db_blob(struct tt_str s)
{
    return (struct tt_db_value){.type = TT_DB_BLOB, .text = s};
}
static inline struct tt_db_value tt_db_null(void)
{
    return (struct tt_db_value){.type = TT_DB_NULL};
}
/* The id of the row that an earlier statement (from 0) of the same job has inserted; NULL when it
 * changed nothing. */
static inline struct tt_db_value tt_db_id_of(size_t statement)
{
    return (struct tt_db_value){.type = TT_DB_ID_OF, .integer = (int64_t)statement};
}

struct tt_db;

struct tt_db_settings {
    const char *url;            /* "sqlite:PATH" */
    int batch_max;              /* jobs a transaction; default 512 */
    int queue_max;              /* waiting jobs before "busy"; default 4096 */
    uint64_t wal_truncate_size; /* bytes; default 64 MiB */
    int64_t step_budget;        /* virtual-machine steps that a read may take on its loop; default
                                 * 100,000: 1 ms of arithmetic, 10 ms of pages */
};

/* Whether some engine takes such a URL. Fails: -1, the message says which ones there are. */
int tt_db_check_url(struct tt_str url, struct tt_err *err);

/* The URL of the database that a data folder has when none is configured. */
void tt_db_default_url(const char *data_dir, char *out, size_t size);

/* The URL without its scheme, for people: a file's path. */
const char *tt_db_place(const char *url);

/* Whether there is a database under this URL, migrated or not. Thread: any, blocking. */
bool tt_db_exists(const char *url);

/* Opens a database that exists and is migrated (see migrate.h) and starts what the engine needs; 0
 * in a setting is its default. `aux` takes slow reads; without it (NULL) they are refused. Owns:
 * the caller, tt_db_close. Fails: NULL with code "database_unavailable". Thread: main. */
struct tt_db *tt_db_open(const struct tt_db_settings *settings, struct tt_aux *aux,
                         struct tt_err *err);

/* Commits what is queued and ends what runs. Comes after every loop is detached and before
 * tt_loop_free of those that submitted: their answers are still posted there. A loop that has
 * stopped gets them when it is turned once more (tt_loop_tick(loop, 0)); without that the jobs,
 * already committed, leak with the loop. Before or after tt_aux_free. */
void tt_db_close(struct tt_db *db);

/* Copies the database `from`, as it is at one moment, to `to`, which must be new and of the same
 * kind; a server may be writing to the first. Fails: "database_unavailable". Thread: any, blocking.
 */
int tt_db_copy(const char *from_url, const char *to_url, struct tt_err *err);

struct tt_db_stats {
    uint64_t jobs, commits, failed_jobs, largest_batch; /* jobs: done, failed ones among them */
    int waiting;       /* in the queue; a batch under way is not counted */
    uint64_t wal_size; /* bytes of the write-ahead log, where there is one */
};
void tt_db_stats(struct tt_db *db, struct tt_db_stats *out); /* any thread */

/* ---- loops ---- */

/* Gives a loop its own way to the database; it can read from then on. Fails: -1. Thread: the
 * loop's, or before it runs. */
int tt_db_attach(struct tt_db *db, struct tt_loop *loop, struct tt_err *err);
/* Takes it away. Reads of the loop that are still to answer are cancelled. Harmless on a loop that
 * is not attached. Thread: as attach. */
void tt_db_detach(struct tt_db *db, struct tt_loop *loop);

/* ---- reading ---- */

/* One statement that changes nothing: else code "sql_error". The number of values must be the
 * number of parameters. */
struct tt_db_query {
    struct tt_str sql;
    const struct tt_db_value *values;
    size_t count;
    bool in_background; /* known to be slow: never on the loop, nor in front of quick ones */
    uint64_t owner;     /* whose turn it takes when it is slow, see loop/aux.h */
    size_t rows_max;    /* of an answer that comes later, else "too_many_rows"; 0 = 10,000 */
};

/* Rows, one after the other. */
struct tt_db_rows {
    int columns;
    const struct tt_str *names;       /* [columns]; until the end */
    const struct tt_db_value *values; /* [columns] of the current row; until the next step */
    int (*next)(struct tt_db_rows *rows, struct tt_err *err);
    void (*free)(struct tt_db_rows *rows); /* NULL: they cannot be taken */
    bool taken;
};

/* Moves to the next row: TT_DB_ROW, TT_DB_END, TT_DB_FAILED with `err`, or TT_DB_AGAIN: this takes
 * too long here, drop what you have; on_rows comes again, later, with all rows. */
enum { TT_DB_END = 0, TT_DB_ROW = 1, TT_DB_FAILED = -1, TT_DB_AGAIN = -2 };
static inline int tt_db_next(struct tt_db_rows *rows, struct tt_err *err)
{
    return rows->next(rows, err);
}

/* Takes the rows of a read. It may return before the end. Within tt_db_read it may also leave by
 * longjmp (a Lua error): the next read clears up. */
typedef void tt_db_rows_fn(struct tt_db_rows *rows, void *arg);

/* A read whose rows come later. */
struct tt_db_pending;

/* Asks for rows. Fails at once: -1, on_rows does not come. Else 0, and when *pending is NULL,
 * on_rows has come and gone within this call; otherwise it comes later, from the loop, once, and
 * tells by TT_DB_FAILED what went wrong. What the loop was told by an on_done is seen. Codes:
 * "sql_error" (500), "busy" (503), "too_many_rows" (400; also over 64 MiB), "query_too_slow" (503:
 * over 10 s), those of jobs. SQL and values are copied where needed. Thread: the loop's, attached.
 */
int tt_db_read(struct tt_db *db, struct tt_loop *loop, const struct tt_db_query *query,
               tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
               struct tt_err *err);

/* Who gets the rows instead: for a caller whose `arg` was on its stack. */
void tt_db_pending_pass(struct tt_db_pending *pending, tt_db_rows_fn *on_rows, void *arg);
/* on_rows does not come any more; *pending is not valid afterwards. */
void tt_db_pending_cancel(struct tt_db_pending *pending);

/* Makes the rows of a late answer the caller's: they stay valid after on_rows. Owns: the caller,
 * tt_db_rows_free. */
void tt_db_rows_take(struct tt_db_rows *rows);
void tt_db_rows_free(struct tt_db_rows *rows); /* NULL is fine */

/* Asks for rows and waits for them, turning the loop, which must have nothing else to do: at start,
 * in the builder, on a thread with a loop of its own. Owns: the caller, tt_db_rows_free; the rows
 * are all there, tt_db_next does not fail. Fails: NULL. */
struct tt_db_rows *tt_db_read_wait(struct tt_db *db, struct tt_loop *loop,
                                   const struct tt_db_query *query, struct tt_err *err);

/* ---- writing ---- */

/* A job is a list of statements that is applied whole or not at all, in one transaction, perhaps
 * together with other jobs. Build it on the loop, submit it, get on_done after COMMIT returned OK
 * (or the job failed). Jobs of one loop are applied, and answered, in the order of submitting.
 * BEGIN, COMMIT, SAVEPOINT, PRAGMA and ATTACH are refused ("sql_error"); rows that a statement
 * returns are dropped; 10 s are the limit for one job ("query_too_slow"). Names go in double
 * quotes, texts in single ones. */
struct tt_db_job;

struct tt_db_outcome { /* of one statement */
    int64_t insert_id; /* of the row that it, or one before it, has inserted last; 0: none */
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

/* Submits it and waits for the end, as tt_db_read_wait. The job is gone in any case. */
int tt_db_submit_wait(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                      struct tt_err *err);

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

/* The version of the library behind it, for `tidetalk version`. Thread: any. */
const char *tt_db_library_version(void);
