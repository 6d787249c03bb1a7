/* One job at a time, of few rows, so that the turns behind it in the writer's queue wait for little
 * (2 ms for messages of twenty words). Whether there is anything to do is told by the number of
 * jobs that the database has done: an idle server submits nothing. */
#include "db/search_index.h"

#include "base/log.h"

#define PAUSE_MS 500
#define ROWS     64

static const char SQL_INDEX[] = "INSERT INTO message_search (rowid, owner, content)"
                                " SELECT id, owner, content FROM message_search_source"
                                " WHERE id IN (SELECT id FROM message_search_queue"
                                " ORDER BY id LIMIT ?1)";
static const char SQL_TAKE_OFF[] = "DELETE FROM message_search_queue WHERE id IN"
                                   " (SELECT id FROM message_search_queue ORDER BY id LIMIT ?1)";

static void submit(struct tt_search_index *index, uint64_t jobs);

static uint64_t jobs_done(struct tt_search_index *index)
{
    struct tt_db_stats stats;
    tt_db_stats(index->db, &stats);
    return stats.jobs;
}

static void on_done(struct tt_db_job *job, void *arg)
{
    struct tt_search_index *index = arg;
    const struct tt_err *err = tt_db_job_error(job);

    index->running = false;
    if (index->stopped)
        return;
    if (err)
        tt_log(TT_LOG_WARN, "messages were not indexed for search", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    else if (tt_db_job_outcome(job, 1).changes == ROWS)
        submit(index, jobs_done(index));
    if (!index->running)
        tt_timer_start(index->loop, &index->timer, PAUSE_MS);
}

/* `jobs`: of the database so far; this one will be the next. */
static void submit(struct tt_search_index *index, uint64_t jobs)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_db_value rows = tt_db_int(ROWS);
    struct tt_err err = {0};

    tt_db_job_add(job, TT_STR(SQL_INDEX), &rows, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_TAKE_OFF), &rows, 1, -1);
    if (tt_db_submit(index->db, index->loop, job, on_done, index, &err) != 0) {
        tt_db_job_free(job); /* busy: later */
        return;
    }
    index->running = true;
    index->jobs_seen = jobs + 1;
}

static void look(struct tt_timer *timer)
{
    struct tt_search_index *index = TT_CONTAINER_OF(timer, struct tt_search_index, timer);
    uint64_t jobs = jobs_done(index);

    if (jobs != index->jobs_seen)
        submit(index, jobs);
    if (!index->running)
        tt_timer_start(index->loop, timer, PAUSE_MS);
}

void tt_search_index_start(struct tt_search_index *index, struct tt_db *db, struct tt_loop *loop)
{
    index->db = db;
    index->loop = loop;
    index->started = true;
    index->jobs_seen = UINT64_MAX; /* the last run may have left some */
    index->timer.on_due = look;
    tt_timer_start(loop, &index->timer, 0);
}

void tt_search_index_stop(struct tt_search_index *index)
{
    if (!index->started || index->stopped)
        return;
    index->stopped = true;
    tt_timer_stop(&index->timer);
}
