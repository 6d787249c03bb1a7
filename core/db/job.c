/* Building a job and reading its result. Everything is in the job's arena, so a job is passed on
 * and freed as one thing. */
#include "db/job.h"

#include "base/mem.h"

#include <stdlib.h>

struct tt_db_job *tt_db_job_new(void)
{
    struct tt_db_job *job = TT_NEW(struct tt_db_job);
    job->failed_statement = -1;
    return job;
}

void tt_db_job_free(struct tt_db_job *job)
{
    if (!job)
        return;
    tt_arena_destroy(&job->arena);
    free(job);
}

static struct tt_job_statement *add_statement(struct tt_db_job *job)
{
    if (job->count == job->capacity) {
        size_t capacity = job->capacity ? job->capacity * 2 : 4;
        struct tt_job_statement *grown =
            tt_arena_alloc(&job->arena, capacity * sizeof(struct tt_job_statement));
        if (job->count > 0)
            memcpy(grown, job->statements, job->count * sizeof(struct tt_job_statement));
        job->statements = grown;
        job->capacity = capacity;
    }
    return &job->statements[job->count++];
}

void tt_db_job_add(struct tt_db_job *job, struct tt_str sql, const struct tt_db_value *values,
                   size_t count, int64_t expect)
{
    struct tt_job_statement *statement = add_statement(job);
    statement->sql = tt_arena_str(&job->arena, sql);
    statement->count = count;
    statement->expect = expect;
    if (count == 0)
        return;
    statement->values = tt_arena_alloc(&job->arena, count * sizeof(struct tt_db_value));
    for (size_t i = 0; i < count; i++) {
        statement->values[i] = values[i];
        if (values[i].type == TT_DB_TEXT || values[i].type == TT_DB_BLOB)
            statement->values[i].text = tt_arena_str(&job->arena, values[i].text);
    }
}

void tt_db_job_use_reserve(struct tt_db_job *job)
{
    job->uses_reserve = true;
}

void tt_db_job_lock(struct tt_db_job *job, int64_t number)
{
    job->lock = number;
}

void tt_db_job_be_independent(struct tt_db_job *job)
{
    job->independent = true;
}

const struct tt_err *tt_db_job_error(const struct tt_db_job *job)
{
    return job->error.status ? &job->error : NULL;
}

bool tt_db_error_is_lasting(const struct tt_err *err)
{
    static const char *const codes[] = {"constraint", "duplicate", "foreign_key", "sql_error"};
    for (size_t i = 0; i < TT_COUNT(codes); i++)
        if (strcmp(err->code, codes[i]) == 0)
            return true;
    return false;
}

bool tt_db_job_is_unknown(const struct tt_db_job *job)
{
    return job->error.status != 0 && job->unknown;
}

int tt_db_job_failed_statement(const struct tt_db_job *job)
{
    return job->failed_statement;
}

size_t tt_db_job_count(const struct tt_db_job *job)
{
    return job->count;
}

struct tt_db_outcome tt_db_job_outcome(const struct tt_db_job *job, size_t statement)
{
    if (statement >= job->count || job->error.status)
        return (struct tt_db_outcome){0};
    return job->statements[statement].outcome;
}
