/* The writer thread of PostgreSQL: one connection, batches of everything that is queued
 * (postgres_batch.c), and what to do when one does not go through.
 *
 * A connection that is lost before COMMIT was sent has changed nothing: the batch runs again. After
 * COMMIT was sent nobody knows. So each batch also writes its number into this writer's row of
 * database_writers; on a new connection that row says whether it was committed. The row is read
 * with a lock, so the answer waits for a COMMIT that the server is still working on. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "db/job_queue.h"
#include "db/postgres.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS        10000 /* without a database, until jobs are refused */
#define RESOLVE_MS      60000 /* until a job's fate stays unknown */
#define PAUSE_MS        100
#define CONFLICTS_MAX   5
#define LOCK_MS         5000                       /* for the server that had the database before */
#define FORGET_AFTER_US (86400 * INT64_C(1000000)) /* a writer that has ended without a word */

struct tt_pg_writer {
    struct tt_job_queue queue;
    pthread_t thread;
    char *url;
    enum tt_db_use use;
    bool replicated;
    char id[33];

    struct tt_pg_trouble *trouble; /* borrowed */

    /* only for the writer thread: */
    struct tt_pg pg;
    struct tt_db_job **batch; /* [batch_max] */
    int64_t number;           /* of the last batch */
    uint64_t commits;
    uint64_t down_since_ms; /* 0: it can be reached */
    bool in_trouble;
};

/* ---- the connection ---- */

static int prepare(struct tt_pg *pg, const char *name, const char *sql, struct tt_err *err)
{
    PGresult *result = PQprepare(pg->conn, name, sql, 0, NULL);
    int failed = PQresultStatus(result) == PGRES_COMMAND_OK ? 0 : tt_pg_error(pg, result, err);
    PQclear(result);
    return failed;
}

static int prepare_own(struct tt_pg *pg, struct tt_err *err)
{
    return prepare(pg, "tidetalk_begin", "BEGIN", err) ||
                   prepare(pg, "tidetalk_commit", "COMMIT", err) ||
                   prepare(pg, "tidetalk_rollback", "ROLLBACK", err) ||
                   prepare(pg, "tidetalk_mark",
                           "UPDATE database_writers SET batch = $1 WHERE id = $2", err) ||
                   prepare(pg, "tidetalk_lock", TT_PG_LOCK, err)
               ? -1
               : 0;
}

/* One server for a database (or a schema of it), or several that are nodes, for as long as the
 * connection lasts. */
static int take_lock(struct tt_pg *pg, bool alone, struct tt_err *err)
{
    const char *sql = alone ? "SELECT CASE WHEN pg_try_advisory_lock(1953064293,"
                              " hashtext(current_schema())) THEN 1 ELSE 0 END"
                            : "SELECT CASE WHEN pg_try_advisory_lock_shared(1953064293,"
                              " hashtext(current_schema())) THEN 1 ELSE 0 END";
    uint64_t deadline = tt_clock_mono_ms() + LOCK_MS;
    int64_t taken = 0;
    for (;;) {
        if (tt_pg_run_int(pg, sql, NULL, 0, &taken, err) != 0)
            return -1;
        if (taken)
            return 0;
        if (tt_clock_mono_ms() >= deadline)
            return tt_err_set(err, 503, "database_unavailable",
                              alone ? "another server uses this database: to run several as nodes, "
                                      "set nodes.listen for each of them"
                                    : "a server that is no node uses this database: set "
                                      "nodes.listen for it too, and restart it");
        poll(NULL, 0, PAUSE_MS);
    }
}

static int put_row(struct tt_pg_writer *writer, struct tt_err *err)
{
    char now[TT_RFC3339_SIZE], old[TT_RFC3339_SIZE];
    int64_t at = tt_clock_wall_us();
    tt_clock_format(at, now);
    tt_clock_format(at - FORGET_AFTER_US, old);
    const char *const values[] = {writer->id, now}, *const others[] = {writer->id, old};
    /* Only with the lock, when no server is at work whose row, too, is as old as its connection. */
    if (writer->use == TT_DB_USE_ALONE &&
        tt_pg_run_once(&writer->pg, "DELETE FROM database_writers WHERE id <> $1 AND seen_at < $2",
                       others, 2, err) != 0)
        return -1;
    return tt_pg_run_once(&writer->pg,
                          "INSERT INTO database_writers (id, batch, seen_at) VALUES ($1, 0, $2)"
                          " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
                          values, 2, err);
}

/* After each connection: a standby that was promoted may have no standby itself. */
static int look_at_durability(struct tt_pg_writer *writer, struct tt_err *err)
{
    bool is_replicated = true;
    if (writer->replicated && tt_pg_is_replicated(&writer->pg, &is_replicated, err) != 0)
        return -1;
    if (!is_replicated)
        tt_log(TT_LOG_WARN,
               "database: durability is replicated, but synchronous_standby_names is empty or "
               "synchronous_commit is off or local: a failover may lose acknowledged rows");
    return 0;
}

static int connect_writer(struct tt_pg_writer *writer, struct tt_err *err)
{
    struct tt_pg *pg = &writer->pg;
    if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
        return 0;
    tt_pg_close(pg);
    if (tt_pg_open(pg, writer->url, TT_PG_WRITE, err) == 0 &&
        (writer->use == TT_DB_USE_TOOL ||
         take_lock(pg, writer->use == TT_DB_USE_ALONE, err) == 0) &&
        put_row(writer, err) == 0 && look_at_durability(writer, err) == 0 &&
        prepare_own(pg, err) == 0 && tt_pg_load_keys(pg, err) == 0) {
        PQsetnonblocking(pg->conn, 1);
        return 0;
    }
    tt_pg_close(pg);
    return -1;
}

/* ---- being without a database ---- */

static void set_trouble(struct tt_pg_writer *writer, const struct tt_err *err)
{
    if (!tt_pg_trouble_note(writer->trouble, &writer->in_trouble, err))
        return;
    if (err)
        tt_log(TT_LOG_ERROR, "database: it cannot be written to", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    else
        tt_log(TT_LOG_INFO, "database: it can be written to again");
}

/* Whether to try again, after a pause. The time is counted from the first failure on, so that the
 * jobs of the next batch do not wait as long again. */
static bool try_again(struct tt_pg_writer *writer, uint64_t limit_ms, const struct tt_err *err)
{
    uint64_t now = tt_clock_mono_ms();
    if (writer->down_since_ms == 0) {
        writer->down_since_ms = now;
        tt_log(TT_LOG_WARN, "database: the writer's connection is lost, it tries again",
               TT_F_Z("code", err->code), TT_F_Z("error", err->message));
    } else if (now - writer->down_since_ms >= TT_PG_TROUBLE_MS) {
        set_trouble(writer, err);
    }
    if (now - writer->down_since_ms >= limit_ms || tt_job_queue_stopping(&writer->queue))
        return false;
    poll(NULL, 0, PAUSE_MS);
    return true;
}

static void fail_all(struct tt_db_job **jobs, size_t count, const struct tt_err *err)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i]->error = *err;
        jobs[i]->failed_statement = -1;
    }
}

/* ---- batches ---- */

/* 1: the last batch was committed. 0: it was not, and never will be. -1: nobody knows. */
static int look_up(struct tt_pg_writer *writer, struct tt_err *err)
{
    const char *const values[] = {writer->id};
    int64_t number = 0;
    if (connect_writer(writer, err) != 0 ||
        tt_pg_run_int(&writer->pg, "SELECT batch FROM database_writers WHERE id = $1 FOR UPDATE",
                      values, 1, &number, err) != 0) {
        tt_pg_close(&writer->pg);
        return -1;
    }
    return number == writer->number;
}

static int resolve(struct tt_pg_writer *writer, struct tt_err *err)
{
    int committed;
    tt_pg_close(&writer->pg);
    while ((committed = look_up(writer, err)) < 0)
        if (!try_again(writer, RESOLVE_MS, err))
            return -1;
    tt_log(TT_LOG_WARN, "database: the connection was lost during a commit",
           TT_F_BOOL("committed", committed));
    return committed;
}

static bool is_reachable(struct tt_pg_writer *writer, struct tt_err *err)
{
    while (connect_writer(writer, err) != 0)
        if (!try_again(writer, RETRY_MS, err))
            return false;
    return !writer->pg.wants_keys || tt_pg_load_keys(&writer->pg, err) == 0;
}

/* Whether it runs once more; otherwise *end is what became of it. */
static bool goes_on(struct tt_pg_writer *writer, enum tt_pg_end *end, int *conflicts,
                    struct tt_err *err)
{
    int committed = 0;
    switch (*end) {
    case TT_PG_AGAIN:
        return writer->pg.wants_keys || ++*conflicts < CONFLICTS_MAX;
    case TT_PG_LOST:
        tt_pg_close(&writer->pg);
        break;
    case TT_PG_UNKNOWN:
        committed = resolve(writer, err);
        break;
    case TT_PG_DONE:
    case TT_PG_BROKEN:
    case TT_PG_BUSY:
        return false;
    }
    if (committed == 1)
        *end = TT_PG_DONE; /* the outcomes were known before COMMIT was sent */
    return committed == 0 && try_again(writer, RETRY_MS, err);
}

static enum tt_pg_end run_transaction(struct tt_pg_writer *writer, struct tt_db_job **jobs,
                                      size_t count, bool sets)
{
    struct tt_err err = {0};
    enum tt_pg_end end = TT_PG_LOST;
    int conflicts = 0;

    do {
        if (!is_reachable(writer, &err))
            break;
        end = tt_pg_batch(&writer->pg,
                          &(struct tt_pg_transaction){.writer = writer->id,
                                                      .number = ++writer->number,
                                                      .jobs = jobs,
                                                      .count = count,
                                                      .sets = sets,
                                                      .shared = writer->use == TT_DB_USE_NODE},
                          &err);
        if (end == TT_PG_AGAIN && count > 1 && !writer->pg.wants_keys)
            return TT_PG_BROKEN; /* one by one they meet less */
    } while (goes_on(writer, &end, &conflicts, &err));
    if (end != TT_PG_DONE && end != TT_PG_BROKEN && end != TT_PG_BUSY) {
        fail_all(jobs, count, &err);
        for (size_t i = 0; i < count; i++)
            jobs[i]->unknown = end == TT_PG_UNKNOWN;
        return end;
    }
    writer->commits += end == TT_PG_DONE;
    writer->down_since_ms = 0;
    set_trouble(writer, NULL);
    return end;
}

static void run_batch(struct tt_pg_writer *writer, struct tt_db_job **jobs, size_t count)
{
    enum tt_pg_end end = TT_PG_BROKEN;
    if (count >= TT_PG_GROUP_MIN)
        end = run_transaction(writer, jobs, count, true);
    if (end == TT_PG_BROKEN)
        end = run_transaction(writer, jobs, count, false);
    for (size_t i = 0; i < count && (end == TT_PG_BROKEN || end == TT_PG_BUSY); i++)
        run_transaction(writer, jobs + i, 1, false);
}

static void *writer_main(void *arg)
{
    struct tt_pg_writer *writer = arg;
    size_t count;
    pthread_setname_np(pthread_self(), "tt-db-writer");
    while ((count = tt_job_queue_take(&writer->queue, writer->batch)) > 0) {
        run_batch(writer, writer->batch, count);
        tt_job_queue_answer(&writer->queue, writer->batch, count, writer->commits);
        writer->commits = 0;
    }
    return NULL;
}

/* ---- open and close ---- */

static void release(struct tt_pg_writer *writer)
{
    tt_pg_close(&writer->pg);
    tt_job_queue_destroy(&writer->queue);
    free(writer->batch);
    free(writer->url);
    free(writer);
}

struct tt_pg_writer *tt_pg_writer_new(const char *url, const struct tt_db_settings *settings,
                                      struct tt_pg_trouble *trouble, struct tt_err *err)
{
    struct tt_pg_writer *writer = TT_NEW(struct tt_pg_writer);
    tt_job_queue_create(&writer->queue, settings->batch_max, settings->queue_max);
    writer->trouble = trouble;
    writer->url = tt_strndup(url, strlen(url));
    writer->use = settings->use;
    writer->replicated = settings->replicated;
    writer->batch = tt_alloc((size_t)settings->batch_max * sizeof(*writer->batch));
    tt_random_hex(writer->id, sizeof(writer->id) - 1);
    if (connect_writer(writer, err) == 0 &&
        tt_db_start_thread(&writer->thread, writer_main, writer, err) == 0)
        return writer;
    release(writer);
    return NULL;
}

void tt_pg_writer_free(struct tt_pg_writer *writer)
{
    if (!writer)
        return;
    tt_job_queue_stop(&writer->queue);
    pthread_join(writer->thread, NULL);
    const char *const values[] = {writer->id};
    if (writer->pg.conn)
        tt_pg_run_once(&writer->pg, "DELETE FROM database_writers WHERE id = $1", values, 1, NULL);
    release(writer);
}

struct tt_job_queue *tt_pg_writer_queue(struct tt_pg_writer *writer)
{
    return &writer->queue;
}
