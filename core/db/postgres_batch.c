/* A batch of jobs in one transaction, without savepoints, which would cost a fifth of the rate: all
 * statements are sent without waiting for answers (libpq's pipeline mode), and COMMIT once every
 * answer is as its job expects. One that is not undoes the batch; the writer then runs its jobs one
 * by one. Only a statement that needs the id of a row that was just inserted waits for it. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/job.h"
#include "db/postgres.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define SILENCE_MS 15000 /* longer than any statement may take */
#define MARK       1     /* the place of the statement that changes the writer's row */

/* A command that was sent and has not been answered yet. */
struct sent {
    struct tt_db_job *job; /* NULL: our own */
    size_t number;         /* of the job's statement */
    struct tt_pg_statement *statement;
    bool prepares;
};

struct batch {
    struct tt_pg *pg;
    struct sent *sent;
    size_t count, capacity, read; /* of `sent` */
    bool lost;                    /* the connection */
    bool conflict;                /* with another transaction */
    struct tt_err error;          /* status 0: none so far */
    struct tt_db_job *failed_job; /* whose error that is; NULL: nobody's */
    size_t failed_number;
};

/* ---- waiting ---- */

static int lose(struct batch *batch, const char *why)
{
    batch->lost = true;
    if (!batch->error.status || batch->failed_job)
        tt_err_set(&batch->error, 503, "database_unavailable", "PostgreSQL: %.*s",
                   (int)strcspn(why, "\n"), why);
    batch->failed_job = NULL;
    return -1;
}

/* Waits until the connection has something, or (`events`) can take something. */
static int wait_for(struct batch *batch, short events)
{
    struct pollfd fd = {.fd = PQsocket(batch->pg->conn), .events = events};
    uint64_t deadline = tt_clock_mono_ms() + SILENCE_MS;
    for (;;) {
        uint64_t now = tt_clock_mono_ms();
        if (fd.fd < 0 || now >= deadline)
            return lose(batch, "no answer");
        if (poll(&fd, 1, (int)(deadline - now)) > 0)
            break;
    }
    if (fd.revents & (POLLIN | POLLERR | POLLHUP) && !PQconsumeInput(batch->pg->conn))
        return lose(batch, PQerrorMessage(batch->pg->conn));
    return 0;
}

static int flush(struct batch *batch)
{
    int rest;
    while ((rest = PQflush(batch->pg->conn)) > 0)
        if (wait_for(batch, POLLIN | POLLOUT) != 0)
            return -1;
    return rest < 0 ? lose(batch, PQerrorMessage(batch->pg->conn)) : 0;
}

/* ---- answers ---- */

static void note_error(struct batch *batch, const PGresult *result, const struct sent *sent)
{
    if (batch->error.status)
        return;
    tt_pg_error(batch->pg, result, &batch->error);
    batch->conflict = tt_pg_is_conflict(result);
    batch->lost = strcmp(batch->error.code, "database_unavailable") == 0 ||
                  strcmp(batch->error.code, "database_read_only") == 0;
    if (!batch->lost && sent) {
        batch->failed_job = sent->job;
        batch->failed_number = sent->number;
    }
}

static int64_t last_id(const PGresult *result)
{
    int rows = PQntuples(result);
    return rows > 0 ? strtoll(PQgetvalue(result, rows - 1, 0), NULL, 10) : 0;
}

/* Of rows that were inserted, changed or deleted: a query's number of rows is none of these. */
static int64_t changes_of(PGresult *result)
{
    const char *status = PQcmdStatus(result);
    return strncmp(status, "SELECT", 6) == 0 ? 0 : strtoll(PQcmdTuples(result), NULL, 10);
}

static void note_outcome(struct batch *batch, PGresult *result, const struct sent *sent)
{
    struct tt_job_statement *own = &sent->job->statements[sent->number];
    int64_t id = sent->statement->gives_id ? last_id(result) : 0;

    if (!id && sent->number > 0)
        id = own[-1].outcome.insert_id;
    own->outcome = (struct tt_db_outcome){.insert_id = id, .changes = changes_of(result)};
    int64_t expect = own->expect >= 0 || !own->must_insert ? own->expect : 1;
    if (expect < 0 || own->outcome.changes == expect || batch->error.status)
        return;
    tt_err_set(&batch->error, 409, "unexpected_changes",
               "statement %zu changed %lld row%s, expected %lld", sent->number + 1,
               (long long)own->outcome.changes, tt_plural(own->outcome.changes), (long long)expect);
    batch->failed_job = sent->job;
    batch->failed_number = sent->number;
}

static void take_result(struct batch *batch, PGresult *result)
{
    const struct sent *sent = &batch->sent[batch->read];
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (good && sent->job && !sent->prepares)
        note_outcome(batch, result, sent);
    else if (good && batch->read == MARK && batch->count > MARK && changes_of(result) != 1)
        lose(batch, "the writer's row is gone");
    else if (status == PGRES_FATAL_ERROR)
        note_error(batch, result, sent);
    bool outdated = tt_pg_is_state(result, "26000") || tt_pg_is_state(result, "0A000");
    if (sent->prepares && !good)
        sent->statement->prepared = false; /* the next answer is that of its use, and fails too */
    else if (!sent->prepares)
        tt_pg_release(batch->pg, sent->statement,
                      outdated || (sent->statement && !sent->statement->prepared));
    PQclear(result);
}

/* Reads answers until that of command `stop`, or to the end of the pipeline. */
static int read_until(struct batch *batch, size_t stop, bool to_end)
{
    int silent = 0;
    while (to_end || batch->read < stop) {
        while (PQisBusy(batch->pg->conn))
            if (wait_for(batch, POLLIN) != 0)
                return -1;
        PGresult *result = PQgetResult(batch->pg->conn);
        if (!result) {
            if (PQstatus(batch->pg->conn) == CONNECTION_BAD || ++silent > 2)
                return lose(batch, PQerrorMessage(batch->pg->conn));
            if (silent == 1 && batch->read < batch->count)
                batch->read++;
            continue;
        }
        silent = 0;
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return 0;
        }
        if (batch->read < batch->count)
            take_result(batch, result);
        else
            PQclear(result);
    }
    return 0;
}

/* ---- sending ---- */

static void add_sent(struct batch *batch, struct sent sent)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity ? 2 * batch->capacity : 64;
        batch->sent = tt_realloc(batch->sent, batch->capacity * sizeof(*batch->sent));
    }
    batch->sent[batch->count++] = sent;
}

/* One of the statements that postgres_writer.c prepares. */
static int send_own(struct batch *batch, const char *name, const char *const *values, int count)
{
    if (!PQsendQueryPrepared(batch->pg->conn, name, count, values, NULL, NULL, 0))
        return lose(batch, PQerrorMessage(batch->pg->conn));
    add_sent(batch, (struct sent){0});
    return 0;
}

static int finish(struct batch *batch)
{
    if (!PQpipelineSync(batch->pg->conn))
        return lose(batch, PQerrorMessage(batch->pg->conn));
    return flush(batch) != 0 ? -1 : read_until(batch, 0, true);
}

/* The id of the row that an earlier statement has inserted; waits for its answer. */
static int fill_id(struct batch *batch, struct tt_db_job *job, size_t number,
                   struct tt_db_value *value)
{
    size_t earlier = (size_t)value->integer;
    if (earlier >= number) {
        tt_err_set(&batch->error, 500, "sql_error",
                   "statement %zu uses the id of statement %zu, which does not come before it",
                   number + 1, earlier + 1);
        batch->failed_job = job;
        batch->failed_number = number;
        return -1;
    }
    if (batch->read < batch->count) {
        if (!PQsendFlushRequest(batch->pg->conn))
            return lose(batch, PQerrorMessage(batch->pg->conn));
        if (flush(batch) != 0 || read_until(batch, batch->count, false) != 0)
            return -1;
    }
    const struct tt_db_outcome *outcome = &job->statements[earlier].outcome;
    *value = outcome->changes > 0 ? tt_db_int(outcome->insert_id) : tt_db_null();
    return batch->error.status ? -1 : 0;
}

/* The sequence whose last number is that id, so that nobody has to wait for it; NULL: none is. Only
 * for a row that is inserted: to find rows, it would be asked for each one anew. */
static const char *sequence_of(const struct batch *batch, const struct tt_db_job *job,
                               size_t number, size_t earlier)
{
    struct tt_str columns;
    if (!tt_pg_inserts_one(job->statements[number].sql, &columns))
        return NULL;
    for (size_t i = batch->count; i > 0 && batch->sent[i - 1].job == job; i--) {
        const struct sent *sent = &batch->sent[i - 1];
        if (sent->number <= earlier)
            return sent->number == earlier ? sent->statement->sequence : NULL;
        if (sent->statement->gives_id)
            return NULL; /* perhaps of the same table */
    }
    return NULL;
}

/* An id that an earlier statement gives. */
static int put_id(struct batch *batch, struct tt_db_job *job, size_t number,
                  struct tt_db_value *value)
{
    size_t earlier = (size_t)value->integer;
    const char *sequence = sequence_of(batch, job, number, earlier);
    if (!sequence)
        return fill_id(batch, job, number, value);
    value->text = tt_str_from(sequence);
    job->statements[earlier].must_insert = true;
    return 0;
}

static int send_statement(struct batch *batch, struct tt_db_job *job, size_t number)
{
    struct tt_job_statement *own = &job->statements[number];
    struct tt_db_value *values = own->values;
    struct tt_pg_statement *statement = NULL;
    struct tt_err err = {0};

    for (size_t i = 0; i < own->count; i++) {
        if (own->values[i].type != TT_DB_ID_OF)
            continue;
        if (values == own->values) { /* the job's stay: it may run again */
            values = tt_arena_alloc(&job->arena, own->count * sizeof(*values));
            memcpy(values, own->values, own->count * sizeof(*values));
        }
        if (put_id(batch, job, number, &values[i]) != 0)
            return -1;
    }
    int sent = tt_pg_send(batch->pg, own->sql, values, own->count, &statement, &err);
    if (sent < 0 && statement) {
        tt_pg_release(batch->pg, statement, true);
        return lose(batch, err.message);
    }
    if (sent < 0) {
        if (!batch->error.status) {
            batch->error = err;
            batch->failed_job = job;
            batch->failed_number = number;
        }
        return -1;
    }
    if (sent == 2)
        add_sent(batch, (struct sent){job, number, statement, true});
    add_sent(batch, (struct sent){job, number, statement, false});
    return 0;
}

static void send_jobs(struct batch *batch, struct tt_db_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < jobs[i]->count; k++)
            if (send_statement(batch, jobs[i], k) != 0)
                return;
}

/* ---- a transaction ---- */

static void release_unread(struct batch *batch)
{
    for (; batch->read < batch->count; batch->read++)
        if (!batch->sent[batch->read].prepares)
            tt_pg_release(batch->pg, batch->sent[batch->read].statement, true);
}

static void begin(struct batch *batch, struct tt_db_job **jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i]->error = (struct tt_err){0};
        jobs[i]->failed_statement = -1;
        for (size_t k = 0; k < jobs[i]->count; k++) {
            jobs[i]->statements[k].outcome = (struct tt_db_outcome){0};
            jobs[i]->statements[k].must_insert = false;
        }
    }
    batch->pg->wants_keys = false;
    PQenterPipelineMode(batch->pg->conn);
}

static enum tt_pg_end undo(struct batch *batch, size_t count)
{
    struct tt_err why = batch->error;
    struct tt_db_job *failed_job = batch->failed_job;

    if (send_own(batch, "tidetalk_rollback", NULL, 0) != 0 || finish(batch) != 0)
        return TT_PG_LOST;
    if (batch->conflict || batch->pg->wants_keys || !failed_job)
        return TT_PG_AGAIN;
    if (count > 1)
        return TT_PG_BROKEN;
    failed_job->error = why;
    failed_job->failed_statement = (int)batch->failed_number;
    return TT_PG_DONE;
}

static enum tt_pg_end run(struct batch *batch, const char *writer, int64_t number,
                          struct tt_db_job **jobs, size_t count)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%lld", (long long)number);
    const char *const mark[] = {digits, writer};

    if (send_own(batch, "tidetalk_begin", NULL, 0) != 0 ||
        send_own(batch, "tidetalk_mark", mark, 2) != 0)
        return TT_PG_LOST;
    send_jobs(batch, jobs, count);
    if (batch->lost || finish(batch) != 0 || batch->lost)
        return TT_PG_LOST;
    if (batch->error.status)
        return undo(batch, count);
    bool sent = send_own(batch, "tidetalk_commit", NULL, 0) == 0;
    if (!sent || finish(batch) != 0 || batch->lost)
        return TT_PG_UNKNOWN;
    if (!batch->error.status)
        return TT_PG_DONE;
    batch->failed_job = jobs[0]; /* a check at the end of the transaction */
    batch->failed_number = 0;
    return undo(batch, count);
}

enum tt_pg_end tt_pg_batch(struct tt_pg *pg, const char *writer, int64_t number,
                           struct tt_db_job **jobs, size_t count, struct tt_err *err)
{
    struct batch batch = {.pg = pg};
    begin(&batch, jobs, count);
    enum tt_pg_end end = run(&batch, writer, number, jobs, count);
    release_unread(&batch);
    free(batch.sent);
    if (end != TT_PG_DONE)
        *err = batch.error;
    if (end != TT_PG_LOST && end != TT_PG_UNKNOWN)
        PQexitPipelineMode(pg->conn);
    pg->keys_fresh = pg->keys_fresh && end != TT_PG_DONE;
    return end;
}
