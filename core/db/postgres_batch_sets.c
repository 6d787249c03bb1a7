/* Statements that many jobs of a batch have, sent as one. Turns of which 128 make a batch cost
 * PostgreSQL half as much this way. What a member has changed must be known for each, so a set that
 * is not answered in full undoes the batch, which then runs without sets. */
#include "base/mem.h"
#include "db/postgres_batch.h"

#include <stdlib.h>

/* What each member has changed. One that has changed nothing may have met the row of another, which
 * is changed only once: then the batch is to run without sets. */
void tt_pg_batch_note_set(struct tt_pg_batch *batch, PGresult *result,
                          const struct tt_pg_sent *sent)
{
    size_t count = sent->member_count, whole = 0;
    bool each = tt_pg_batch_changes(result) == (int64_t)count;
    bool ids = sent->statement->gives_id && sent->set == TT_PG_SET_ROWS;

    for (size_t i = 0; i < count; i++)
        sent->members[i]->statements[sent->number].outcome.changes = 0;
    for (int i = 0; sent->set == TT_PG_SET_CHANGES && i < PQntuples(result); i++) {
        long place = strtol(PQgetvalue(result, i, 0), NULL, 10);
        if (place >= 1 && (size_t)place <= count)
            sent->members[place - 1]->statements[sent->number].outcome.changes++;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t changes = sent->members[i]->statements[sent->number].outcome.changes;
        int64_t id = each && ids ? strtoll(PQgetvalue(result, (int)i, 0), NULL, 10) : 0;
        if (sent->set != TT_PG_SET_CHANGES)
            changes = each;
        whole += changes > 0;
        tt_pg_batch_note(batch, sent->members[i], sent->number, changes, id);
    }
    if (whole == count || batch->error.status)
        return;
    tt_err_set(&batch->error, 409, "unexpected_changes", "statements of a set changed no row");
    batch->failed_job = sent->members[0];
    batch->failed_number = sent->number;
}

static bool is_same(const struct tt_db_value *a, const struct tt_db_value *b)
{
    if (a->type != b->type)
        return false;
    return a->type == TT_DB_INT || a->type == TT_DB_ID_OF ? a->integer == b->integer
           : a->type == TT_DB_REAL                        ? a->real == b->real
                                                          : tt_str_eq(a->text, b->text);
}

/* A set changes a row only once, so those that mean the same row as another are not members. */
static bool has_same(struct tt_db_job **members, size_t count, const struct tt_db_job *job,
                     size_t number, const bool *keys)
{
    const struct tt_job_statement *own = &job->statements[number];
    for (size_t i = 0; i < count; i++) {
        const struct tt_db_value *other = members[i]->statements[number].values;
        size_t k = 0;
        while (k < own->count && (!keys[k] || is_same(&own->values[k], &other[k])))
            k++;
        if (k == own->count)
            return true;
    }
    return false;
}

/* Whether it was sent; batch->error says why it could not be. */
static bool send_members(struct tt_pg_batch *batch, struct tt_str sql, struct tt_pg_sent set)
{
    const struct tt_db_value **values = tt_alloc(set.member_count * sizeof(*values));
    size_t count = set.members[0]->statements[set.number].count;
    struct tt_err err = {0};
    int sent = 0;

    for (size_t i = 0; i < set.member_count && !batch->error.status; i++)
        values[i] = tt_pg_batch_values(batch, set.members[i], set.number, false);
    if (!batch->error.status && !batch->lost)
        sent = tt_pg_send_set(batch->pg, sql, set.set, values, set.member_count, count,
                              &set.statement, &err);
    free(values);
    if (sent < 0 && set.statement) {
        tt_pg_release(batch->pg, set.statement, true);
        tt_pg_batch_lose(batch, err.message);
    } else if (sent < 0) {
        batch->error = err;
        batch->failed_job = set.members[0];
    }
    if (sent <= 0)
        return false;
    if (sent == 2)
        tt_pg_batch_add(batch, (struct tt_pg_sent){.statement = set.statement, .prepares = true});
    tt_pg_batch_add(batch, set);
    return true;
}

/* Members, and behind them those that go alone. */
static struct tt_pg_sent make_set(const struct tt_pg *pg, const struct tt_pg_group *group,
                                  size_t number, struct tt_str sql, size_t *alone)
{
    struct tt_pg_sent set = {.number = number, .set = tt_pg_set_of(sql)};
    size_t count = group->jobs[0]->statements[number].count;
    bool *keys = tt_alloc(count * sizeof(*keys) + 1);

    if (set.set == TT_PG_SET_COUNT && tt_pg_may_give_id(pg, sql))
        set.set = TT_PG_SET_NONE; /* nobody knows which of its rows are whose */
    memset(keys, 0, count * sizeof(*keys));
    tt_pg_set_keys(sql, keys, count);
    set.members = tt_alloc(2 * group->count * sizeof(struct tt_db_job *));
    for (size_t i = 0; i < group->count; i++) {
        bool goes_alone = set.set == TT_PG_SET_NONE ||
                          (set.set != TT_PG_SET_ROWS &&
                           has_same(set.members, set.member_count, group->jobs[i], number, keys));
        if (goes_alone)
            set.members[group->count + (*alone)++] = group->jobs[i];
        else
            set.members[set.member_count++] = group->jobs[i];
    }
    free(keys);
    return set;
}

static void send_each(struct tt_pg_batch *batch, struct tt_db_job **jobs, size_t count,
                      size_t number)
{
    for (size_t i = 0; i < count && !batch->error.status && !batch->lost; i++)
        tt_pg_batch_send(batch, jobs[i], number);
}

void tt_pg_batch_send_set(struct tt_pg_batch *batch, const struct tt_pg_group *group, size_t number)
{
    const struct tt_job_statement *first = &group->jobs[0]->statements[number];
    struct tt_pg_text text;
    size_t alone = 0;

    if (tt_pg_translate(first->sql, &text, NULL) != 0 || text.parameters != first->count) {
        send_each(batch, group->jobs, group->count, number); /* PostgreSQL's words for it */
        tt_buf_free(&text.sql);
        return;
    }
    struct tt_pg_sent set = make_set(batch->pg, group, number, tt_buf_str(&text.sql), &alone);
    struct tt_db_job **members = set.members;
    bool sent =
        set.member_count >= TT_PG_GROUP_MIN && send_members(batch, tt_buf_str(&text.sql), set);
    if (!sent)
        send_each(batch, members, set.member_count, number);
    send_each(batch, members + group->count, alone, number);
    if (!sent)
        free(members);
    tt_buf_free(&text.sql);
}
