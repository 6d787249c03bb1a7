/* The SQL. Only PostgreSQL is ever shared. */
#include "app/reload/proposals.h"

#include "base/utf8.h"
#include "node/news.h"

#include <stdio.h>

#define FILES_MAX 100000

#define ALIVE "n.alive_until >= tidetalk_now()"

/* Of one that lives and serves: what it has said. */
#define UNDECIDED                                                                                  \
    " FROM nodes AS n WHERE " ALIVE " AND n.script_generation > 0 AND NOT EXISTS"                  \
    " (SELECT 1 FROM node_proposal_votes AS v WHERE v.proposal = ?1 AND v.node = n.id"

static const char SQL_LOOK[] =
    "SELECT g.number, g.hash, p.id, p.node, p.number, p.need_state,"
    " (SELECT COUNT(*) FROM node_proposal_votes AS v WHERE v.proposal = p.id AND v.node = ?1),"
    " (SELECT COUNT(*) FROM nodes AS n WHERE n.id = p.node AND " ALIVE "),"
    " w.requests, w.failures,"
    " (SELECT CAST(SUM(c.requests) AS BIGINT) FROM node_probation_counts AS c"
    "  WHERE c.generation = g.number),"
    " (SELECT CAST(SUM(c.failures) AS BIGINT) FROM node_probation_counts AS c"
    "  WHERE c.generation = g.number)"
    " FROM script_generations AS g LEFT JOIN node_proposals AS p ON p.only_one = 1"
    " LEFT JOIN node_probations AS w ON w.generation = g.number AND w.ends_at > tidetalk_now()"
    " WHERE g.outcome = 'current'";

static const char SQL_OPEN[] =
    "INSERT INTO node_proposals (id, node, number, need_state)"
    " SELECT ?1, ?2, ?3, ?4 FROM script_generations WHERE number = ?5 AND outcome = 'current'";
static const char SQL_ADD_FILE[] =
    "INSERT INTO node_proposal_files (proposal, path, file_hash) VALUES (?1, ?2, ?3)";
static const char SQL_VOTE[] =
    "INSERT INTO node_proposal_votes (proposal, node, ready, requests, failures)"
    " VALUES (?1, ?2, ?3, ?4, ?5)";
static const char SQL_REFUSE[] =
    "INSERT INTO node_proposal_refusals (proposal, node, place, phase, text)"
    " VALUES (?1, ?2, ?3, ?4, ?5)";
static const char SQL_VOTES[] =
    "SELECT (SELECT COUNT(*) FROM node_proposals WHERE id = ?1),"
    " (SELECT COUNT(*) FROM node_proposal_votes WHERE proposal = ?1 AND ready = 0),"
    " (SELECT COUNT(*)" UNDECIDED ")), (SELECT MIN(n.name)" UNDECIDED "))";
static const char SQL_REFUSALS[] =
    "SELECT r.phase, r.text, coalesce(n.name, '?') FROM node_proposal_refusals AS r"
    " LEFT JOIN nodes AS n ON n.id = r.node WHERE r.proposal = ?1 ORDER BY n.name, r.place";
static const char SQL_FILES[] =
    "SELECT p.path, f.bytes FROM node_proposal_files AS p"
    " JOIN script_files AS f ON f.hash = p.file_hash WHERE p.proposal = ?1 ORDER BY p.path";

/* It changes nothing, and locks the row: nobody takes the proposal away meanwhile. */
static const char SQL_CONDITION[] =
    "UPDATE node_proposals SET number = number WHERE id = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM node_proposal_votes WHERE proposal = ?1 AND ready = 0)"
    " AND NOT EXISTS (SELECT 1" UNDECIDED "))";
static const char SQL_WATCH[] =
    "INSERT INTO node_probations (generation, ends_at, requests, failures)"
    " SELECT ?1, tidetalk_now() + ?2, ?3 + CAST(coalesce(SUM(requests), 0) AS BIGINT),"
    " ?4 + CAST(coalesce(SUM(failures), 0) AS BIGINT)"
    " FROM node_proposal_votes WHERE proposal = ?5";
static const char SQL_WITHDRAW[] = "DELETE FROM node_proposals WHERE id = ?1";
static const char SQL_FORGET[] = "DELETE FROM node_proposals WHERE id = ?1 AND NOT EXISTS"
                                 " (SELECT 1 FROM nodes AS n WHERE n.id = node AND " ALIVE ")";
static const char SQL_START[] =
    "UPDATE nodes SET script_generation = ?2 WHERE id = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM nodes AS n WHERE n.id <> ?1 AND n.script_generation > 0 AND " ALIVE ")";
static const char SQL_TELL_COUNTS[] =
    "INSERT INTO node_probation_counts (generation, node, requests, failures)"
    " SELECT generation, ?2, ?3, ?4 FROM node_probations WHERE generation = ?1"
    " ON CONFLICT (generation, node) DO UPDATE"
    " SET requests = excluded.requests, failures = excluded.failures";

static const char SQL_OTHERS[] =
    "SELECT n.id FROM nodes AS n WHERE n.id <> ?1 AND n.script_generation > 0 AND " ALIVE
    " LIMIT 1";

/* ---- reading ---- */

static struct tt_db_rows *read_rows(const struct tt_history *history, struct tt_str sql,
                                    int64_t value, struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(value)};
    const struct tt_db_query query = {
        .sql = sql, .values = values, .count = TT_COUNT(values), .rows_max = FILES_MAX};

    return tt_db_read_wait(history->db, history->loop, &query, err);
}

static struct tt_probation_counts counts_of(const struct tt_db_value *values)
{
    return (struct tt_probation_counts){(uint64_t)values[0].integer, (uint64_t)values[1].integer};
}

int tt_proposal_look(const struct tt_history *history, int64_t node, struct tt_proposal_look *out,
                     struct tt_err *err)
{
    struct tt_db_rows *rows = read_rows(history, TT_STR(SQL_LOOK), node, err);

    *out = (struct tt_proposal_look){0};
    if (!rows)
        return -1;
    if (tt_db_next(rows, NULL) == TT_DB_ROW) {
        const struct tt_db_value *row = rows->values;
        out->current.number = (int)row[0].integer;
        snprintf(out->current.hash, sizeof(out->current.hash), "%.*s", TT_STR_ARG(row[1].text));
        out->open = (struct tt_proposal){.id = row[2].integer,
                                         .node = row[3].integer,
                                         .number = (int)row[4].integer,
                                         .need_state = row[5].integer != 0};
        out->voted = row[6].integer > 0;
        out->asker_lives = row[7].integer > 0;
        out->on_probation = row[8].type == TT_DB_INT;
        out->before = counts_of(row + 8);
        out->counts = counts_of(row + 10);
    }
    tt_db_rows_free(rows);
    return 0;
}

int tt_proposal_others_serve(const struct tt_history *history, int64_t node, struct tt_err *err)
{
    struct tt_db_rows *rows = read_rows(history, TT_STR(SQL_OTHERS), node, err);
    int found = !rows ? -1 : tt_db_next(rows, NULL) == TT_DB_ROW;

    tt_db_rows_free(rows);
    return found;
}

int tt_proposal_count_votes(const struct tt_history *history, int64_t id,
                            struct tt_proposal_votes *out, struct tt_err *err)
{
    struct tt_db_rows *rows = read_rows(history, TT_STR(SQL_VOTES), id, err);

    *out = (struct tt_proposal_votes){0};
    if (!rows)
        return -1;
    if (tt_db_next(rows, NULL) == TT_DB_ROW) {
        out->open = rows->values[0].integer > 0;
        out->refused = (int)rows->values[1].integer;
        out->awaited = (int)rows->values[2].integer;
        snprintf(out->awaited_name, sizeof(out->awaited_name), "%.*s",
                 TT_STR_ARG(rows->values[3].text));
    }
    tt_db_rows_free(rows);
    return 0;
}

/* The node's name goes behind the place. */
static void add_refusal(const struct tt_db_value *row, struct tt_diagnostics *out)
{
    struct tt_diagnostics one = {0};
    struct tt_buf text = {0};

    tt_diagnostics_add(&one, "", row[1].text);
    if (one.items[0].file.len > 0)
        tt_buf_printf(&text, "%s:%d: ", one.items[0].file.data, one.items[0].line);
    tt_buf_printf(&text, "node %.*s: %s", TT_STR_ARG(row[2].text), one.items[0].message.data);
    if (one.items[0].traceback.len > 0)
        tt_buf_printf(&text, "\n%s", one.items[0].traceback.data);
    out->phase = tt_arena_str(&out->arena, row[0].text).data;
    tt_diagnostics_add(out, "", tt_buf_str(&text));
    tt_buf_free(&text);
    tt_diagnostics_free(&one);
}

int tt_proposal_read_refusals(const struct tt_history *history, int64_t id,
                              struct tt_diagnostics *out, struct tt_err *err)
{
    struct tt_db_rows *rows = read_rows(history, TT_STR(SQL_REFUSALS), id, err);

    if (!rows)
        return -1;
    while (tt_db_next(rows, NULL) == TT_DB_ROW)
        add_refusal(rows->values, out);
    tt_db_rows_free(rows);
    return 0;
}

struct tt_bundle *tt_proposal_bundle(const struct tt_history *history, int64_t id,
                                     const struct tt_bundle *before, struct tt_err *err)
{
    return tt_history_read_bundle(history, TT_STR(SQL_FILES), id, before, err);
}

/* ---- writing ---- */

static int run(const struct tt_history *history, struct tt_db_job *job, struct tt_err *err)
{
    return tt_db_submit_wait(history->db, history->loop, job, err);
}

static int run_one(const struct tt_history *history, struct tt_str sql,
                   const struct tt_db_value *values, size_t count, struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();

    tt_db_job_add(job, sql, values, count, -1);
    return run(history, job, err);
}

static void add_vote(struct tt_db_job *job, int64_t id, int64_t node, bool ready,
                     struct tt_probation_counts counts)
{
    const struct tt_db_value vote[] = {tt_db_int(id), tt_db_int(node), tt_db_int(ready),
                                       tt_db_int((int64_t)counts.requests),
                                       tt_db_int((int64_t)counts.failures)};
    tt_db_job_add(job, TT_STR(SQL_VOTE), vote, TT_COUNT(vote), 1);
}

static void add_news(struct tt_db_job *job, int number)
{
    char text[24];

    snprintf(text, sizeof(text), "%d", number);
    tt_news_add(job, TT_PROPOSAL_NEWS, tt_str_from(text));
}

int tt_proposal_open(const struct tt_history *history, const struct tt_proposal *proposal,
                     const struct tt_bundle *bundle, const struct tt_bundle *before,
                     struct tt_probation_counts counts, struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();
    const struct tt_db_value row[] = {tt_db_int(proposal->id), tt_db_int(proposal->node),
                                      tt_db_int(proposal->number), tt_db_int(proposal->need_state),
                                      tt_db_int(proposal->replaces)};

    tt_db_job_add(job, TT_STR(SQL_OPEN), row, TT_COUNT(row), 1);
    tt_history_add_bytes(job, bundle, before);
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        const struct tt_db_value values[] = {tt_db_int(proposal->id), tt_db_text(file->path),
                                             tt_db_text(tt_str_from(file->hash))};
        tt_db_job_add(job, TT_STR(SQL_ADD_FILE), values, TT_COUNT(values), 1);
    }
    add_vote(job, proposal->id, proposal->node, true, counts);
    add_news(job, proposal->number);
    return run(history, job, err);
}

void tt_proposal_add_condition(struct tt_db_job *job, const struct tt_proposal *proposal)
{
    const struct tt_db_value id = tt_db_int(proposal->id);
    tt_db_job_add(job, TT_STR(SQL_CONDITION), &id, 1, 1);
}

void tt_proposal_add_probation(struct tt_db_job *job, int number, uint64_t probation_ms,
                               int64_t proposal, struct tt_probation_counts before)
{
    const struct tt_db_value values[] = {tt_db_int(number), tt_db_int((int64_t)probation_ms * 1000),
                                         tt_db_int((int64_t)before.requests),
                                         tt_db_int((int64_t)before.failures), tt_db_int(proposal)};
    tt_db_job_add(job, TT_STR(SQL_WATCH), values, TT_COUNT(values), 1);
}

void tt_proposal_add_end(struct tt_db_job *job, const struct tt_proposal *proposal)
{
    const struct tt_db_value id = tt_db_int(proposal->id);
    tt_db_job_add(job, TT_STR(SQL_WITHDRAW), &id, 1, 1);
    add_news(job, proposal->number);
}

void tt_proposal_add_start(struct tt_db_job *job, int64_t node, int number)
{
    const struct tt_db_value values[] = {tt_db_int(node), tt_db_int(number)};
    tt_db_job_add(job, TT_STR(SQL_START), values, TT_COUNT(values), 1);
}

int tt_proposal_withdraw(const struct tt_history *history, int64_t id, struct tt_err *err)
{
    const struct tt_db_value value = tt_db_int(id);
    return run_one(history, TT_STR(SQL_WITHDRAW), &value, 1, err);
}

int tt_proposal_forget(const struct tt_history *history, int64_t id, struct tt_err *err)
{
    const struct tt_db_value value = tt_db_int(id);
    return run_one(history, TT_STR(SQL_FORGET), &value, 1, err);
}

static void add_refusals(struct tt_db_job *job, int64_t id, int64_t node,
                         const struct tt_diagnostics *why)
{
    for (size_t i = 0; i < why->count; i++) {
        const struct tt_diagnostic *one = &why->items[i];
        struct tt_buf text = {0}, valid = {0};
        if (one->file.len > 0)
            tt_buf_printf(&text, "%s:%d: ", one->file.data, one->line);
        tt_buf_append_str(&text, one->message);
        if (one->traceback.len > 0)
            tt_buf_printf(&text, "\n%s", one->traceback.data);
        struct tt_utf8_joiner joiner = {0}; /* a script's message may have any bytes */
        tt_utf8_join(&joiner, tt_buf_str(&text), &valid);
        tt_utf8_join_end(&joiner, &valid);
        const struct tt_db_value values[] = {
            tt_db_int(id), tt_db_int(node), tt_db_int((int64_t)i + 1),
            tt_db_text(tt_str_from(one->phase)), tt_db_text(tt_buf_str(&valid))};
        tt_db_job_add(job, TT_STR(SQL_REFUSE), values, TT_COUNT(values), 1);
        tt_buf_free(&text);
        tt_buf_free(&valid);
    }
}

int tt_proposal_vote(const struct tt_history *history, int64_t id, int64_t node,
                     const struct tt_diagnostics *why, struct tt_probation_counts counts,
                     struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();

    add_vote(job, id, node, why == NULL, counts);
    if (why)
        add_refusals(job, id, node, why);
    return run(history, job, err);
}

int tt_proposal_tell_counts(const struct tt_history *history, int number, int64_t node,
                            struct tt_probation_counts counts, struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(number), tt_db_int(node),
                                         tt_db_int((int64_t)counts.requests),
                                         tt_db_int((int64_t)counts.failures)};
    return run_one(history, TT_STR(SQL_TELL_COUNTS), values, TT_COUNT(values), err);
}
