/* A batch of jobs in one transaction, each in a savepoint, so that one sync pays for all of them
 * and a job that fails does not affect the others.
 *
 *
 * The trap: a full disk, an I/O error, no memory, an interrupt or an OR ROLLBACK clause end the
 * *whole* transaction, including the savepoints already released. Continuing as if nothing had
 * happened would run the next job outside BEGIN and commit it by itself. So
 * sqlite3_get_autocommit() is called after each failure. A lost transaction is lost for all its
 * jobs; each of them then runs once more in its own transaction, so that only the one that caused
 * the loss fails. This second run is omitted if the fault is in the file (I/O error, damage, locked
 * by another process), because each job would only meet it again. */
#include "base/clock.h"
#include "base/disk_reserve.h"
#include "base/log.h"
#include "db/sqlite_writer.h"

#define PAGES_FOR_ALL 256 /* unused pages of the file; a job that needs more finds a full disk */

enum verdict {
    JOB_DONE,   /* its statements are applied */
    JOB_FAILED, /* the job's own error; the transaction continues */
    JOB_LOST    /* the transaction cannot continue */
};

static void fail_all(struct tt_db_job **jobs, size_t count, const struct tt_err *err)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i]->error = *err;
        jobs[i]->failed_statement = -1;
    }
}

/* SQLite recommends ROLLBACK after these even if the transaction survived. */
static bool ends_transaction(struct tt_sqlite *conn, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_BUSY:
        return true;
    default:
        return sqlite3_get_autocommit(conn->handle) != 0;
    }
}

/* Faults that the next job would meet too. SQLite's FULL is not one: a smaller job may fit. */
static bool is_file_fault(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_IOERR:
        return rc != SQLITE_IOERR_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_BUSY:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return true;
    default:
        return false;
    }
}

/* The ids of rows that earlier statements of the job have inserted. */
static int bind_ids(struct tt_sqlite *conn, const struct tt_db_job *job, size_t number,
                    struct tt_statement *statement, struct tt_err *err)
{
    const struct tt_job_statement *own = &job->statements[number];
    for (size_t i = 0; i < own->count; i++) {
        if (own->values[i].type != TT_DB_ID_OF)
            continue;
        size_t earlier = (size_t)own->values[i].integer;
        if (earlier >= number) {
            tt_err_set(err, 500, "sql_error",
                       "statement %zu uses the id of statement %zu, which does not come before it",
                       number + 1, earlier + 1);
            return SQLITE_RANGE;
        }
        const struct tt_db_outcome *outcome = &job->statements[earlier].outcome;
        int rc = outcome->changes > 0
                     ? sqlite3_bind_int64(statement->handle, (int)i + 1, outcome->insert_id)
                     : SQLITE_OK; /* NULL is bound */
        if (rc != SQLITE_OK)
            return tt_sqlite_error(conn, rc, err);
    }
    return SQLITE_OK;
}

static int run_statement(struct tt_sqlite *conn, struct tt_db_job *job, size_t number)
{
    struct tt_job_statement *job_statement = &job->statements[number];
    struct tt_err *err = &job->error;
    struct tt_statement *statement;
    int rc = tt_sqlite_prepare(conn, job_statement->sql, &statement, err);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_int64 before = sqlite3_total_changes64(conn->handle);
    rc = tt_sqlite_bind(conn, statement, job_statement->values, job_statement->count, err);
    if (rc == SQLITE_OK)
        rc = bind_ids(conn, job, number, statement, err);
    if (rc == SQLITE_OK) {
        do
            rc = tt_sqlite_step(statement);
        while (rc == SQLITE_ROW);
        rc = rc == SQLITE_DONE ? SQLITE_OK : tt_sqlite_error(conn, rc, err);
    }
    if (rc == SQLITE_OK) {
        /* changes() still has an older statement's number if this one is not an INSERT, UPDATE or
         * DELETE; the total shows it. */
        bool changed = sqlite3_total_changes64(conn->handle) != before;
        job_statement->outcome.changes = changed ? sqlite3_changes64(conn->handle) : 0;
        job_statement->outcome.insert_id = sqlite3_last_insert_rowid(conn->handle);
    }
    tt_sqlite_release(statement);
    return rc;
}

static int run_statements(struct tt_sqlite *conn, struct tt_db_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct tt_job_statement *statement = &job->statements[i];
        int rc = run_statement(conn, job, i);
        if (rc == SQLITE_OK && statement->expect >= 0 &&
            statement->outcome.changes != statement->expect) {
            tt_err_set(&job->error, 409, "unexpected_changes",
                       "statement %zu changed %lld row%s, expected %lld", i + 1,
                       (long long)statement->outcome.changes, tt_plural(statement->outcome.changes),
                       (long long)statement->expect);
            rc = SQLITE_ABORT;
        }
        if (rc != SQLITE_OK) {
            job->failed_statement = (int)i;
            return rc;
        }
    }
    return SQLITE_OK;
}

/* On a full disk: what takes pages that the database has does not need the reserve. */
static bool must_wait_for_room(struct tt_writer *writer, const struct tt_db_job *job)
{
    int64_t unused = 0;
    if (job->uses_reserve || !tt_disk_is_full())
        return false;
    tt_sqlite_run_values(&writer->conn, "PRAGMA freelist_count", NULL, 0, &unused, NULL);
    return unused < PAGES_FOR_ALL;
}

/* Runs one job inside the open transaction. For JOB_LOST *rc is the reason. */
static enum verdict run_job(struct tt_writer *writer, struct tt_db_job *job, bool savepoint,
                            int *rc)
{
    struct tt_sqlite *conn = &writer->conn;
    if (must_wait_for_room(writer, job)) {
        tt_err_set(&job->error, 507, "disk_full", "the disk is full");
        return JOB_FAILED;
    }
    if (savepoint && (*rc = tt_sqlite_run(conn, "SAVEPOINT job", &job->error)) != SQLITE_OK)
        return JOB_LOST;
    /* Otherwise an INSERT that did nothing would show the job the id of another user's row. */
    sqlite3_set_last_insert_rowid(conn->handle, 0);
    writer->job_deadline_ms = tt_clock_mono_ms() + TT_WRITER_JOB_MS;
    conn->guarded = true;
    *rc = run_statements(conn, job);
    conn->guarded = false;
    writer->job_deadline_ms = 0;
    if (*rc != SQLITE_OK && ends_transaction(conn, *rc))
        return JOB_LOST;
    if (!savepoint)
        return *rc == SQLITE_OK ? JOB_DONE : JOB_FAILED;
    enum verdict verdict = *rc == SQLITE_OK ? JOB_DONE : JOB_FAILED;
    struct tt_err err = {0};
    if (verdict == JOB_FAILED)
        *rc = tt_sqlite_run(conn, "ROLLBACK TO job", &err);
    if (verdict == JOB_DONE || *rc == SQLITE_OK)
        *rc = tt_sqlite_run(conn, "RELEASE job", &err);
    if (*rc == SQLITE_OK)
        return verdict;
    job->error = err;
    return JOB_LOST;
}

static void roll_back(struct tt_writer *writer)
{
    struct tt_err err = {0};
    if (!sqlite3_get_autocommit(writer->conn.handle) &&
        tt_sqlite_run(&writer->conn, "ROLLBACK", &err) != SQLITE_OK)
        tt_log(TT_LOG_ERROR, "database: rollback failed", TT_F_Z("error", err.message));
}

/* The write-ahead log may have the whole transaction, and a start that finds it there applies it.
 * The next commit overwrites it, but whether there will be one is unknown as well. */
static void note_unknown(struct tt_db_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        jobs[i]->unknown = true;
}

/* One transaction. SQLITE_OK: every job has its outcome or its own error, and the successful ones
 * are on disk. Otherwise none is; *err is the reason, and *guilty is the job that caused it (count:
 * none). */
static int run_transaction(struct tt_writer *writer, struct tt_db_job **jobs, size_t count,
                           size_t *guilty, struct tt_err *err)
{
    size_t done = 0;
    *guilty = count;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->error = (struct tt_err){0};
        jobs[i]->failed_statement = -1;
    }
    int rc = tt_sqlite_run(&writer->conn, "BEGIN IMMEDIATE", err);
    if (rc != SQLITE_OK)
        return rc;
    for (size_t i = 0; i < count; i++) {
        enum verdict verdict = run_job(writer, jobs[i], count > 1, &rc);
        if (verdict == JOB_LOST) {
            *err = jobs[i]->error;
            *guilty = i;
            roll_back(writer);
            return rc;
        }
        done += verdict == JOB_DONE;
    }
    if (done == 0) {
        roll_back(writer);
        return SQLITE_OK;
    }
    rc = tt_sqlite_run(&writer->conn, "COMMIT", err);
    if (rc != SQLITE_OK) {
        if ((rc & 0xff) == SQLITE_IOERR)
            note_unknown(jobs, count);
        roll_back(writer);
        return rc;
    }
    writer->commits++;
    return SQLITE_OK;
}

void tt_batch_run(struct tt_writer *writer, struct tt_db_job **jobs, size_t count)
{
    struct tt_err err = {0}, first;
    size_t guilty, none;
    int rc = run_transaction(writer, jobs, count, &guilty, &err);
    if (rc == SQLITE_OK)
        return;
    tt_log(TT_LOG_WARN, "database: transaction lost", TT_F_INT("jobs", (int64_t)count),
           TT_F_Z("code", err.code), TT_F_Z("error", err.message));
    bool has_room = strcmp(err.code, "disk_full") == 0 && tt_disk_reserve_give_back();
    if (count == 1 && !has_room) {
        jobs[0]->error = err; /* failed_statement, if it was one, stays */
        return;
    }
    bool too_slow = (rc & 0xff) == SQLITE_INTERRUPT;
    first = err;
    for (size_t i = 0; i < count; i++) {
        if (is_file_fault(rc) && !has_room) {
            fail_all(jobs + i, count - i, &err);
            return;
        }
        if (i == guilty && too_slow) { /* the others have waited for it once */
            jobs[i]->error = first;
            continue;
        }
        has_room = false;
        rc = run_transaction(writer, jobs + i, 1, &none, &err);
        if (rc != SQLITE_OK)
            jobs[i]->error = err;
    }
}
