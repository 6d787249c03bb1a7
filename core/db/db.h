/* The database as the rest of the core sees it: jobs that are written completely or not at all, and
 * reads that may answer at once or later. SQL is text with bound values; nothing here knows what
 * the tables mean. The database's URL selects the engine ("sqlite:PATH", "postgres://…"); engine.h
 * says what an engine must provide. */
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
/* The id of the row that an earlier statement (from 0) of the same job has inserted; NULL if it
 * changed nothing. */
static inline struct tt_db_value tt_db_id_of(size_t statement)
{
    return (struct tt_db_value){.type = TT_DB_ID_OF, .integer = (int64_t)statement};
}

struct tt_db;

/* Who else may use the database meanwhile. Of SQLite's the lock of the data folder says that. */
enum tt_db_use {
    TT_DB_USE_TOOL,  /* anybody */
    TT_DB_USE_ALONE, /* a server: no other one */
    TT_DB_USE_NODE   /* a server: others of this kind */
};

struct tt_db_settings {
    const char *url;
    int batch_max;              /* jobs per transaction; default 512 */
    int queue_max;              /* waiting jobs until "busy"; default 4096 */
    uint64_t wal_truncate_size; /* bytes; default 64 MiB */
    int64_t step_budget;        /* virtual-machine steps that a read may take on its loop; default
                                 * 100,000: 1 ms of arithmetic, 10 ms of pages */
    enum tt_db_use use;
    bool replicated; /* a warning in the log if commits wait for no other machine */
};

/* Whether an engine accepts such a URL. Fails: -1; the message lists the existing forms. */
int tt_db_check_url(struct tt_str url, struct tt_err *err);

/* "sqlite" or "postgres", for whoever must know which SQL is understood; of an empty URL the
 * database that a data folder has. Thread: any. */
const char *tt_db_dialect(const char *url);

/* The URL of a data folder's database if none is configured. */
void tt_db_default_url(const char *data_dir, char *out, size_t size);

/* The database of a URL for messages: a file's path, or the URL without password and settings.
 * Valid until this thread's next call. */
const char *tt_db_place(const char *url);

/* Whether a database exists at this URL, migrated or not. Thread: any, blocking. */
bool tt_db_exists(const char *url);

/* Opens a database that exists and is migrated (see migrate.h) and starts what the engine needs; a
 * setting of 0 means its default. `aux` runs slow reads; without it (NULL) they are refused. Owns:
 * the caller, tt_db_close. Fails: NULL with code "database_unavailable". Thread: main. */
struct tt_db *tt_db_open(const struct tt_db_settings *settings, struct tt_aux *aux,
                         struct tt_err *err);

/* Commits all queued jobs and ends running reads. Call it after every loop is detached and before
 * tt_loop_free of the loops that submitted jobs: their answers are still posted there. A loop that
 * has stopped gets them in one more tick (tt_loop_tick(loop, 0)); without it the jobs, already
 * committed, leak with the loop. May come before or after tt_aux_free. */
void tt_db_close(struct tt_db *db);

/* Copies the database `from`, as it is at one moment, to `to`, which must be new and of the same
 * kind; a server may be writing to `from` meanwhile. Fails: "database_unavailable". Thread: any,
 * blocking. */
int tt_db_copy(const char *from_url, const char *to_url, struct tt_err *err);

/* Whether the database is sound: its structure, and every reference between rows. `quick` leaves
 * out whether indexes agree with their tables. Reads all of it. Fails: "database_damaged" (500),
 * "database_unavailable". Thread: any, blocking; best when no server uses it. */
int tt_db_verify(const char *url, bool quick, struct tt_err *err);

/* Writes the database as it is at one moment to a new file, also while a server writes to it. The
 * file is verified and on disk before it gets its name. Fails: "file_exists" (409),
 * "database_damaged", "database_unavailable"; no file is left then. Thread: any, blocking. */
int tt_db_backup(const char *url, const char *file, struct tt_err *err);
/* Makes the database, which must not exist, from such a file, in the same manner. Fails: like
 * above. Thread: any, blocking; no server may be using it. */
int tt_db_restore(const char *url, const char *file, struct tt_err *err);

struct tt_db_stats {
    uint64_t jobs, commits, failed_jobs, largest_batch; /* jobs: completed, including failed ones */
    int waiting;       /* in the queue, without the current batch */
    uint64_t wal_size; /* bytes of the write-ahead log, if there is one */
};
void tt_db_stats(struct tt_db *db, struct tt_db_stats *out); /* any thread */

/* Whether jobs cannot be written now, and why: another process or machine is in the way. Codes:
 * "database_unavailable", "database_read_only". Thread: any. */
bool tt_db_trouble(struct tt_db *db, struct tt_err *err);

/* ---- loops ---- */

/* Gives a loop its own link to the database; it can read from then on. Fails: -1. Thread: the
 * loop's, or before it runs. */
int tt_db_attach(struct tt_db *db, struct tt_loop *loop, struct tt_err *err);
/* Removes the link. Pending reads of the loop are cancelled. Harmless on a loop that is not
 * attached. Thread: as attach. */
void tt_db_detach(struct tt_db *db, struct tt_loop *loop);

/* ---- reading ---- */

/* One statement that changes nothing, otherwise code "sql_error". There must be as many values as
 * parameters. */
struct tt_db_query {
    struct tt_str sql;
    const struct tt_db_value *values;
    size_t count;
    bool in_background; /* known to be slow: neither on the loop nor in front of quick reads */
    uint64_t owner;     /* whose turn it takes when it is slow, see loop/aux.h */
    size_t rows_max;    /* of an answer that comes later, otherwise "too_many_rows"; 0 = 10,000 */
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

/* Moves to the next row: TT_DB_ROW, TT_DB_END, TT_DB_FAILED with `err`, or TT_DB_AGAIN: the read
 * takes too long here, so drop what you have; on_rows is called again, later, with all rows. */
enum { TT_DB_END = 0, TT_DB_ROW = 1, TT_DB_FAILED = -1, TT_DB_AGAIN = -2 };
static inline int tt_db_next(struct tt_db_rows *rows, struct tt_err *err)
{
    return rows->next(rows, err);
}

/* Receives the rows of a read. It may return before the end. Within tt_db_read it may also be left
 * by longjmp (a Lua error): the next read cleans up. */
typedef void tt_db_rows_fn(struct tt_db_rows *rows, void *arg);

/* A read whose rows come later. */
struct tt_db_pending;

/* Requests rows. Fails at once: -1, and on_rows is not called. Otherwise 0. If *pending is then
 * NULL, on_rows was called within this call; otherwise it is called once, later, from the loop, and
 * TT_DB_FAILED reports errors. A read sees every job whose on_done the loop has already had. Codes:
 * "sql_error" (500), "busy" (503), "too_many_rows" (400; also over 64 MiB), "query_too_slow" (503:
 * over 10 s), and those of jobs. SQL and values are copied where needed. Thread: the loop's,
 * attached. */
int tt_db_read(struct tt_db *db, struct tt_loop *loop, const struct tt_db_query *query,
               tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
               struct tt_err *err);

/* Changes the `arg` of on_rows, for a caller whose `arg` was on its stack. */
void tt_db_pending_pass(struct tt_db_pending *pending, tt_db_rows_fn *on_rows, void *arg);
/* on_rows is not called any more; *pending is not valid afterwards. */
void tt_db_pending_cancel(struct tt_db_pending *pending);

/* Passes the rows of a late answer to the caller: they stay valid after on_rows. Owns: the caller,
 * tt_db_rows_free. */
void tt_db_rows_take(struct tt_db_rows *rows);
void tt_db_rows_free(struct tt_db_rows *rows); /* NULL is fine */

/* Requests rows and waits for them by running the loop, which must have nothing else to do: at
 * start, in the builder, on a thread with its own loop. Owns: the caller, tt_db_rows_free; all rows
 * are in memory, so tt_db_next does not fail. Fails: NULL. */
struct tt_db_rows *tt_db_read_wait(struct tt_db *db, struct tt_loop *loop,
                                   const struct tt_db_query *query, struct tt_err *err);

/* ---- writing ---- */

/* A job is a list of statements that are applied completely or not at all, in one transaction,
 * possibly together with other jobs. Build it on the loop and submit it; on_done is called after
 * COMMIT has returned OK (or the job has failed). Jobs of one loop are applied and answered in the
 * order in which they were submitted. BEGIN, COMMIT, SAVEPOINT, PRAGMA and ATTACH are refused
 * ("sql_error"); rows that a statement returns are dropped; a job may take 10 s ("query_too_slow").
 * Names are in double quotes, texts in single quotes. */
struct tt_db_job;

struct tt_db_outcome { /* of one statement */
    int64_t insert_id; /* of the last row inserted by it or an earlier one; 0: none */
    int64_t changes;   /* changed rows, without triggers and cascades */
};

/* Owns: the caller until submit; afterwards the database, which frees it when on_done returns. */
struct tt_db_job *tt_db_job_new(void);
void tt_db_job_free(struct tt_db_job *job);

/* Adds a statement. SQL and values are copied into the job's arena. expect >= 0: the number of rows
 * that must change, otherwise the job fails with code "unexpected_changes" (409) and the
 * statement's number (from 1) in the message. There must be as many values as parameters. */
void tt_db_job_add(struct tt_db_job *job, struct tt_str sql, const struct tt_db_value *values,
                   size_t count, int64_t expect);

/* The job may use the disk reserve (base/disk_reserve.h): for what deletes, ends or revokes. */
void tt_db_job_use_reserve(struct tt_db_job *job);
/* It changes rows that jobs of other servers change too: those of a user, whose id is the number
 * (sums, counts), the queue of the search index, or the counts of logins. An engine that is shared
 * takes the locks of a whole batch at its beginning, in order; batches that met each other's rows
 * in the middle would stop each other until one of them is undone. */
void tt_db_job_lock(struct tt_db_job *job, int64_t number);
#define TT_DB_LOCK_SEARCH INT64_MAX
#define TT_DB_LOCK_LOGIN  (INT64_MAX - 1) /* lua/account/login_rows.lua */
/* It does not matter which of several jobs with the same statements comes first, nor whether jobs
 * beside them run between their statements: each changes rows of its own. An engine may run them
 * together. */
void tt_db_job_be_independent(struct tt_db_job *job);

/* Queues the job. Fails at once (-1, "busy", 503) if queue_max jobs or 256 MiB of them are waiting;
 * the caller then still owns the job. on_done is never called within this call. Thread: loop. */
int tt_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                 void (*on_done)(struct tt_db_job *job, void *arg), void *arg, struct tt_err *err);

/* Submits the job and waits for its end, as tt_db_read_wait. The job is freed in any case. */
int tt_db_submit_wait(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                      struct tt_err *err);

/* In on_done: NULL if committed. Codes: "duplicate" (409, UNIQUE), "foreign_key" (409),
 * "constraint" (400), "unexpected_changes" (409), "disk_full" (507), "busy" (503: another process
 * held the write lock for 5 s), "query_too_slow" (503), "database_error" (500), "sql_error" (500, a
 * mistake in the statement). */
const struct tt_err *tt_db_job_error(const struct tt_db_job *job);
/* Whether a job that failed may be found stored after the next start: the disk failed while it was
 * committed, or nobody could be asked what became of it. What it refers to must be left. */
bool tt_db_job_is_unknown(const struct tt_db_job *job);
int tt_db_job_failed_statement(const struct tt_db_job *job); /* from 0; -1 if none */
/* Whether the same job would fail again at any later time: a value that does not fit, a mistake in
 * a statement. Otherwise it may succeed once there is room, time or the lock. */
bool tt_db_error_is_lasting(const struct tt_err *err);
size_t tt_db_job_count(const struct tt_db_job *job);
/* Zeros unless committed. */
struct tt_db_outcome tt_db_job_outcome(const struct tt_db_job *job, size_t statement);

/* The version of the library, for `tidetalk version`. Thread: any. */
const char *tt_db_library_version(void);
