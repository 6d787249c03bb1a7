/* Numbers and rows are compared in one statement, so a write at the same time changes both or
 * neither. A statement covers one page of rows, well within the time that a read may take. */
#include "app/count_check.h"

#include "base/log.h"

#include <stdlib.h>

#define PAGE 500

#define SESSIONS                                                                                   \
    "(SELECT count(*) FROM chat_sessions AS s WHERE s.user_id = u.id AND s.source = 'chat')"
#define BYTES                                                                                      \
    "(SELECT coalesce(sum(f.file_size), 0) FROM chat_sessions AS s"                                \
    " JOIN uploaded_files AS f ON f.session_row = s.id WHERE s.user_id = u.id)"
#define FILES "(SELECT count(*) FROM uploaded_files AS f WHERE f.session_row = s.id)"

static const char SQL_USERS[] =
    "SELECT id, CASE WHEN session_count = " SESSIONS " AND file_bytes = " BYTES
    " THEN 0 ELSE 1 END FROM users AS u WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char SQL_CORRECT_USER[] =
    "UPDATE users AS u SET session_count = " SESSIONS ", file_bytes = " BYTES " WHERE id = ?1";
static const char SQL_SESSIONS[] = "SELECT id, CASE WHEN file_count = " FILES " THEN 0 ELSE 1 END"
                                   " FROM chat_sessions AS s WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char SQL_CORRECT_SESSION[] =
    "UPDATE chat_sessions AS s SET file_count = " FILES " WHERE id = ?1";

struct check_job {
    struct tt_aux_job job;
    struct tt_db *db;
    struct tt_loop *loop; /* its own: the aux thread has none, and may wait */
    int64_t corrected;
};

static int correct(struct check_job *check, struct tt_str sql, int64_t id, struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();
    const struct tt_db_value value = tt_db_int(id);

    tt_db_job_add(job, sql, &value, 1, -1);
    check->corrected++;
    return tt_db_submit_wait(check->db, check->loop, job, err);
}

/* One page of rows beyond `after`; returns the last id, 0 at the end, -1 on failure. */
static int64_t check_page(struct check_job *check, struct tt_str compare, struct tt_str update,
                          int64_t after, struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(after), tt_db_int(PAGE)};
    struct tt_db_query query = {
        .sql = compare, .values = values, .count = TT_COUNT(values), .in_background = true};
    struct tt_db_rows *rows = tt_db_read_wait(check->db, check->loop, &query, err);
    int64_t last = 0;

    if (!rows)
        return -1;
    while (last >= 0 && tt_db_next(rows, NULL) == TT_DB_ROW) {
        last = rows->values[0].integer;
        if (rows->values[1].integer != 0 && correct(check, update, last, err) != 0)
            last = -1;
    }
    tt_db_rows_free(rows);
    return last;
}

static int check_table(struct check_job *check, struct tt_str compare, struct tt_str update,
                       struct tt_err *err)
{
    int64_t last = 0;
    do
        last = check_page(check, compare, update, last, err);
    while (last > 0);
    return (int)last;
}

static int check_all(struct check_job *check, struct tt_err *err)
{
    check->loop = tt_loop_new(err);
    int failed = check->loop ? tt_db_attach(check->db, check->loop, err) : -1;

    if (failed == 0) {
        failed = check_table(check, TT_STR(SQL_USERS), TT_STR(SQL_CORRECT_USER), err);
        if (failed == 0)
            failed = check_table(check, TT_STR(SQL_SESSIONS), TT_STR(SQL_CORRECT_SESSION), err);
        tt_db_detach(check->db, check->loop);
    }
    tt_loop_free(check->loop);
    return failed;
}

static void release(struct tt_aux_job *job)
{
    free(TT_CONTAINER_OF(job, struct check_job, job));
}

static void run(struct tt_aux_job *job)
{
    struct check_job *check = TT_CONTAINER_OF(job, struct check_job, job);
    struct tt_err err = {0};

    if (check_all(check, &err) != 0)
        tt_log(TT_LOG_ERROR, "the numbers of sessions and files were not checked",
               TT_F_Z("error", err.message));
    if (check->corrected > 0)
        tt_log(TT_LOG_WARN, "numbers of sessions and files were wrong and are corrected",
               TT_F_INT("rows", check->corrected));
    release(job);
}

int tt_app_check_counts(struct tt_db *db, struct tt_aux *aux, struct tt_err *err)
{
    struct check_job *check = TT_NEW(struct check_job);
    check->db = db;
    check->job.run = run;
    check->job.drop = release;
    if (tt_aux_submit(aux, NULL, &check->job, err) == 0)
        return 0;
    release(&check->job);
    return -1;
}
