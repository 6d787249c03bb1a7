/* A batch of jobs in one transaction, without savepoints, which would cost a fifth of the rate: all
 * statements are sent without waiting for answers (libpq's pipeline mode), and COMMIT once every
 * answer is as its job expects. One that is not undoes the batch; the writer then runs its jobs one
 * by one. Only a statement that needs the id of a row that was just inserted waits for it. */
#include "db/postgres_batch.h"

#include "base/clock.h"
#include "base/mem.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define SILENCE_MS 15000 /* longer than any statement may take */
#define MARK       1     /* the place of the statement that changes the writer's row */

/* ---- waiting ---- */

int tt_pg_batch_lose(struct tt_pg_batch *batch, const char *why)
{
    batch->lost = true;
    if (!batch->error.status || batch->failed_job)
        tt_err_set(&batch->error, 503, "database_unavailable", "PostgreSQL: %.*s",
                   (int)strcspn(why, "\n"), why);
    batch->failed_job = NULL;
    return -1;
}

/* Waits until the connection has something, or (`events`) can take something. */
static int wait_for(struct tt_pg_batch *batch, short events)
{
    struct pollfd fd = {.fd = PQsocket(batch->pg->conn), .events = events};
    uint64_t deadline = tt_clock_mono_ms() + SILENCE_MS;
    for (;;) {
        uint64_t now = tt_clock_mono_ms();
        if (fd.fd < 0 || now >= deadline)
            return tt_pg_batch_lose(batch, "no answer");
        if (poll(&fd, 1, (int)(deadline - now)) > 0)
            break;
    }
    if (fd.revents & (POLLIN | POLLERR | POLLHUP) && !PQconsumeInput(batch->pg->conn))
        return tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn));
    return 0;
}

static int flush(struct tt_pg_batch *batch)
{
    int rest;
    while ((rest = PQflush(batch->pg->conn)) > 0)
        if (wait_for(batch, POLLIN | POLLOUT) != 0)
            return -1;
    return rest < 0 ? tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn)) : 0;
}

/* ---- answers ---- */

static void note_error(struct tt_pg_batch *batch, const PGresult *result,
                       const struct tt_pg_sent *sent)
{
    if (batch->error.status)
        return;
    tt_pg_error(batch->pg, result, &batch->error);
    batch->conflict = tt_pg_is_conflict(result);
    batch->busy = batch->lock && batch->read == batch->lock && tt_pg_is_state(result, "55P03");
    batch->lost = strcmp(batch->error.code, "database_unavailable") == 0 ||
                  strcmp(batch->error.code, "database_read_only") == 0;
    if (!batch->lost && sent) {
        batch->failed_job = sent->members ? sent->members[0] : sent->job;
        batch->failed_number = sent->number;
    }
}

static int64_t last_id(const PGresult *result)
{
    int rows = PQntuples(result);
    return rows > 0 ? strtoll(PQgetvalue(result, rows - 1, 0), NULL, 10) : 0;
}

/* Of rows that were inserted, changed or deleted: a query's number of rows is none of these. */
int64_t tt_pg_batch_changes(PGresult *result)
{
    const char *status = PQcmdStatus(result);
    return strncmp(status, "SELECT", 6) == 0 ? 0 : strtoll(PQcmdTuples(result), NULL, 10);
}

void tt_pg_batch_note(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number,
                      int64_t changes, int64_t id)
{
    struct tt_job_statement *own = &job->statements[number];

    if (!id && number > 0)
        id = own[-1].outcome.insert_id;
    own->outcome = (struct tt_db_outcome){.insert_id = id, .changes = changes};
    int64_t expect = own->expect >= 0 || !own->must_insert ? own->expect : 1;
    if (expect < 0 || changes == expect || batch->error.status)
        return;
    tt_err_set(&batch->error, 409, "unexpected_changes",
               "statement %zu changed %lld row%s, expected %lld", number + 1, (long long)changes,
               tt_plural(changes), (long long)expect);
    batch->failed_job = job;
    batch->failed_number = number;
}

static void note_outcome(struct tt_pg_batch *batch, PGresult *result, const struct tt_pg_sent *sent)
{
    tt_pg_batch_note(batch, sent->job, sent->number, tt_pg_batch_changes(result),
                     sent->statement->gives_id ? last_id(result) : 0);
}

static void release_sent(struct tt_pg_batch *batch, size_t at, bool failed)
{
    tt_pg_release(batch->pg, batch->sent[at].statement, failed);
    free(batch->sent[at].members);
    batch->sent[at].members = NULL;
}

static void take_result(struct tt_pg_batch *batch, PGresult *result)
{
    const struct tt_pg_sent *sent = &batch->sent[batch->read];
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    if (good && sent->job && !sent->prepares)
        note_outcome(batch, result, sent);
    else if (good && sent->members && !sent->prepares)
        tt_pg_batch_note_set(batch, result, sent);
    else if (good && batch->read == MARK && batch->count > MARK && tt_pg_batch_changes(result) != 1)
        tt_pg_batch_lose(batch, "the writer's row is gone");
    else if (status == PGRES_FATAL_ERROR)
        note_error(batch, result, sent);
    bool outdated = tt_pg_is_state(result, "26000") || tt_pg_is_state(result, "0A000");
    if (sent->prepares && !good)
        sent->statement->prepared = false; /* the next answer is that of its use, and fails too */
    else if (!sent->prepares)
        release_sent(batch, batch->read,
                     outdated || (sent->statement && !sent->statement->prepared));
    PQclear(result);
}

/* Reads answers until that of command `stop`, or to the end of the pipeline. */
static int read_until(struct tt_pg_batch *batch, size_t stop, bool to_end)
{
    int silent = 0;
    while (to_end || batch->read < stop) {
        while (PQisBusy(batch->pg->conn))
            if (wait_for(batch, POLLIN) != 0)
                return -1;
        PGresult *result = PQgetResult(batch->pg->conn);
        if (!result) {
            if (PQstatus(batch->pg->conn) == CONNECTION_BAD || ++silent > 2)
                return tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn));
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

void tt_pg_batch_add(struct tt_pg_batch *batch, struct tt_pg_sent sent)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity ? 2 * batch->capacity : 64;
        batch->sent = tt_realloc(batch->sent, batch->capacity * sizeof(*batch->sent));
    }
    batch->sent[batch->count++] = sent;
}

/* One of the statements that postgres_writer.c prepares. */
static int send_own(struct tt_pg_batch *batch, const char *name, const char *const *values,
                    int count)
{
    if (!PQsendQueryPrepared(batch->pg->conn, name, count, values, NULL, NULL, 0))
        return tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn));
    tt_pg_batch_add(batch, (struct tt_pg_sent){0});
    return 0;
}

static int finish(struct tt_pg_batch *batch)
{
    if (!PQpipelineSync(batch->pg->conn))
        return tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn));
    return flush(batch) != 0 ? -1 : read_until(batch, 0, true);
}

/* Waits for the answers to everything that was sent. */
static int catch_up(struct tt_pg_batch *batch)
{
    if (batch->read == batch->count)
        return 0;
    if (!PQsendFlushRequest(batch->pg->conn))
        return tt_pg_batch_lose(batch, PQerrorMessage(batch->pg->conn));
    return flush(batch) != 0 ? -1 : read_until(batch, batch->count, false);
}

/* The id of the row that an earlier statement has inserted; waits for its answer. */
static int fill_id(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number,
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
    if (catch_up(batch) != 0)
        return -1;
    const struct tt_db_outcome *outcome = &job->statements[earlier].outcome;
    *value = outcome->changes > 0 ? tt_db_int(outcome->insert_id) : tt_db_null();
    return batch->error.status ? -1 : 0;
}

/* The sequence whose last number is that id, so that nobody has to wait for it; NULL: none is. Only
 * for a row that is inserted: to find rows, it would be asked for each one anew. */
static const char *sequence_of(const struct tt_pg_batch *batch, const struct tt_db_job *job,
                               size_t number, size_t earlier)
{
    struct tt_str columns;
    if (!tt_pg_inserts_one(job->statements[number].sql, &columns))
        return NULL;
    for (size_t i = batch->count; i > 0 && batch->sent[i - 1].job == job; i--) {
        const struct tt_pg_sent *sent = &batch->sent[i - 1];
        if (sent->number <= earlier)
            return sent->number == earlier ? sent->statement->sequence : NULL;
        if (sent->statement->gives_id)
            return NULL; /* perhaps of the same table */
    }
    return NULL;
}

/* An id that an earlier statement gives. */
static int put_id(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number,
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

struct tt_db_value *tt_pg_batch_values(struct tt_pg_batch *batch, struct tt_db_job *job,
                                       size_t number, bool sequences)
{
    struct tt_job_statement *own = &job->statements[number];
    struct tt_db_value *values = own->values;

    for (size_t i = 0; i < own->count; i++) {
        if (own->values[i].type != TT_DB_ID_OF)
            continue;
        if (values == own->values) { /* the job's stay: it may run again */
            values = tt_arena_alloc(&job->arena, own->count * sizeof(*values));
            memcpy(values, own->values, own->count * sizeof(*values));
        }
        int failed = sequences ? put_id(batch, job, number, &values[i])
                               : fill_id(batch, job, number, &values[i]);
        if (failed)
            return NULL;
    }
    return values;
}

int tt_pg_batch_send(struct tt_pg_batch *batch, struct tt_db_job *job, size_t number)
{
    struct tt_job_statement *own = &job->statements[number];
    struct tt_db_value *values = tt_pg_batch_values(batch, job, number, true);
    struct tt_pg_statement *statement = NULL;
    struct tt_err err = {0};

    if (!values && own->count > 0)
        return -1;
    int sent = tt_pg_send(batch->pg, own->sql, values, own->count, &statement, &err);
    if (sent < 0 && statement) {
        tt_pg_release(batch->pg, statement, true);
        return tt_pg_batch_lose(batch, err.message);
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
        tt_pg_batch_add(
            batch, (struct tt_pg_sent){
                       .job = job, .number = number, .statement = statement, .prepares = true});
    tt_pg_batch_add(batch,
                    (struct tt_pg_sent){.job = job, .number = number, .statement = statement});
    return 0;
}

static void send_group(struct tt_pg_batch *batch, const struct tt_pg_group *group)
{
    size_t count = group->jobs[0]->count;
    for (size_t k = 0; k < count && !batch->error.status && !batch->lost; k++)
        if (group->count >= TT_PG_GROUP_MIN)
            tt_pg_batch_send_set(batch, group, k);
        else
            tt_pg_batch_send(batch, group->jobs[0], k);
}

static void send_jobs(struct tt_pg_batch *batch, struct tt_db_job **jobs, size_t count, bool sets)
{
    struct tt_db_job **sorted = tt_alloc(count * sizeof(struct tt_db_job *));
    struct tt_pg_group *groups = tt_alloc(count * sizeof(*groups));
    size_t made = count;

    if (sets)
        made = tt_pg_group(jobs, count, sorted, groups);
    else
        for (size_t i = 0; i < count; i++)
            groups[i] = (struct tt_pg_group){&jobs[i], 1};
    for (size_t i = 0; i < made && !batch->error.status && !batch->lost; i++)
        send_group(batch, &groups[i]);
    free(groups);
    free(sorted);
}

/* ---- a transaction ---- */

static void release_unread(struct tt_pg_batch *batch)
{
    for (; batch->read < batch->count; batch->read++)
        if (!batch->sent[batch->read].prepares)
            release_sent(batch, batch->read, true);
}

static void begin(struct tt_pg_batch *batch, struct tt_db_job **jobs, size_t count)
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

static enum tt_pg_end undo(struct tt_pg_batch *batch, const struct tt_pg_transaction *transaction)
{
    struct tt_err why = batch->error;
    struct tt_db_job *failed_job = batch->failed_job;
    size_t count = transaction->count;
    bool busy = batch->busy;

    if (send_own(batch, "tidetalk_rollback", NULL, 0) != 0 || finish(batch) != 0)
        return TT_PG_LOST;
    if (busy && count > 1)
        return TT_PG_BUSY;
    if (busy) {
        transaction->jobs[0]->error = why;
        return TT_PG_DONE;
    }
    if (batch->conflict || batch->pg->wants_keys || !failed_job)
        return TT_PG_AGAIN;
    if (count > 1)
        return TT_PG_BROKEN;
    failed_job->error = why;
    failed_job->failed_statement = (int)batch->failed_number;
    return TT_PG_DONE;
}

/* Before all else that the transaction changes; nobody waits for the answer. */
static int take_locks(struct tt_pg_batch *batch, const struct tt_pg_transaction *transaction)
{
    struct tt_buf locks = {0};
    int failed = 0;

    if (!transaction->shared)
        return 0;
    if (tt_pg_locks(transaction->jobs, transaction->count, &locks) > 0) {
        const char *const values[] = {locks.data};
        batch->lock = batch->count;
        failed = send_own(batch, "tidetalk_lock", values, 1);
    }
    tt_buf_free(&locks);
    return failed;
}

static enum tt_pg_end run(struct tt_pg_batch *batch, const struct tt_pg_transaction *transaction)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%lld", (long long)transaction->number);
    const char *const mark[] = {digits, transaction->writer};

    if (send_own(batch, "tidetalk_begin", NULL, 0) != 0 ||
        send_own(batch, "tidetalk_mark", mark, 2) != 0 || take_locks(batch, transaction) != 0)
        return TT_PG_LOST;
    send_jobs(batch, transaction->jobs, transaction->count, transaction->sets);
    if (batch->lost || finish(batch) != 0 || batch->lost)
        return TT_PG_LOST;
    if (batch->error.status)
        return undo(batch, transaction);
    bool sent = send_own(batch, "tidetalk_commit", NULL, 0) == 0;
    if (!sent || finish(batch) != 0 || batch->lost)
        return TT_PG_UNKNOWN;
    if (!batch->error.status)
        return TT_PG_DONE;
    batch->failed_job = transaction->jobs[0]; /* a check at the end of the transaction */
    batch->failed_number = 0;
    return undo(batch, transaction);
}

enum tt_pg_end tt_pg_batch(struct tt_pg *pg, const struct tt_pg_transaction *transaction,
                           struct tt_err *err)
{
    struct tt_pg_batch batch = {.pg = pg};
    begin(&batch, transaction->jobs, transaction->count);
    enum tt_pg_end end = run(&batch, transaction);
    release_unread(&batch);
    free(batch.sent);
    if (end != TT_PG_DONE)
        *err = batch.error;
    if (end != TT_PG_LOST && end != TT_PG_UNKNOWN)
        PQexitPipelineMode(pg->conn);
    pg->keys_fresh = pg->keys_fresh && end != TT_PG_DONE;
    return end;
}
