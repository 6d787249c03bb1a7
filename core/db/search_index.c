/* One job at a time, of few rows and little text, so that the turns behind it in the writer's queue
 * wait for little (2 ms for messages of twenty words, some 30 ms for 64 KiB of words that are all
 * different). Whether there is anything to do is told by the number of jobs that the database has
 * done: an idle server submits nothing. */
#include "db/search_index.h"

#include "base/log.h"

#include <string.h>

#define PAUSE_MS 500

/* The messages that the next job takes: at most 64, and no more than 64 KiB of text unless the
 * first one alone is larger (the schema bounds what is indexed of one). ?1: of this user; NULL: of
 * all. */
#define QUEUED                                                                                     \
    "SELECT id, size FROM message_search_queue WHERE ?1 IS NULL OR user_id = ?1 ORDER BY id"
#define RUNNING "SELECT id, size, sum(size) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS upto"
#define NEXT                                                                                       \
    "SELECT id FROM (" RUNNING " FROM (" QUEUED " LIMIT 64)) WHERE upto <= 65536 OR upto = size"

static const char SQL_INDEX[] = "INSERT INTO message_search (rowid, owner, content)"
                                " SELECT id, owner, content FROM message_search_source"
                                " WHERE id IN (" NEXT ")";
static const char SQL_TAKE_OFF[] = "DELETE FROM message_search_queue WHERE id IN (" NEXT ")";
/* Changes nothing; how many rows it "changed" tells whether some are left. */
static const char SQL_LEFT[] = "UPDATE message_search_queue SET size = size"
                               " WHERE id = (SELECT id FROM (" QUEUED " LIMIT 1))";
static const char SQL_IS_BEHIND[] = "SELECT 1 FROM message_search_queue WHERE user_id = ?1 LIMIT 1";

enum { LEFT_STATEMENT = 2 };

static int submit_job(struct tt_db *db, struct tt_loop *loop, struct tt_db_value user,
                      void (*on_done)(struct tt_db_job *job, void *arg), void *arg,
                      struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();

    tt_db_job_add(job, TT_STR(SQL_INDEX), &user, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_TAKE_OFF), &user, 1, -1);
    tt_db_job_add(job, TT_STR(SQL_LEFT), &user, 1, -1);
    if (tt_db_submit(db, loop, job, on_done, arg, err) == 0)
        return 0;
    tt_db_job_free(job);
    return -1;
}

static bool rows_are_left(const struct tt_db_job *job)
{
    return tt_db_job_outcome(job, LEFT_STATEMENT).changes > 0;
}

/* ---- everybody's, in the background ---- */

static void submit(struct tt_search_index *index, uint64_t jobs);

static uint64_t jobs_done(struct tt_search_index *index)
{
    struct tt_db_stats stats;
    tt_db_stats(index->db, &stats);
    return stats.jobs;
}

static void on_indexed(struct tt_db_job *job, void *arg)
{
    struct tt_search_index *index = arg;
    const struct tt_err *err = tt_db_job_error(job);

    index->running = false;
    if (index->stopped)
        return;
    if (err)
        tt_log(TT_LOG_WARN, "messages were not indexed for search", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    else if (rows_are_left(job))
        submit(index, jobs_done(index));
    if (!index->running)
        tt_timer_start(index->loop, &index->timer, PAUSE_MS);
}

/* `jobs`: of the database so far; this one will be the next. When the database is busy: later. */
static void submit(struct tt_search_index *index, uint64_t jobs)
{
    struct tt_err err = {0};

    if (submit_job(index->db, index->loop, tt_db_null(), on_indexed, index, &err) != 0)
        return;
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

/* ---- one user's, before a search ---- */

int tt_search_is_behind(struct tt_db_reader *reader, int64_t user_id, struct tt_err *err)
{
    struct tt_db_value user = tt_db_int(user_id);
    struct tt_err failed = {0};

    int status = tt_db_query(reader, TT_STR(SQL_IS_BEHIND), &user, 1, &failed);
    if (status == 0)
        status = tt_db_step(reader, &failed);
    tt_db_query_end(reader);
    /* A long queue of others: the writer finds out. */
    if (status < 0 && strcmp(failed.code, "query_too_slow") == 0)
        return 1;
    if (status < 0)
        *err = failed;
    return status;
}

static void on_caught_up(struct tt_db_job *job, void *arg)
{
    struct tt_search_catch_up *catch_up = arg;
    const struct tt_err *failed = tt_db_job_error(job);
    struct tt_err err = {0};

    if (!failed && rows_are_left(job) && !catch_up->cancelled) {
        if (submit_job(catch_up->db, catch_up->loop, tt_db_int(catch_up->user_id), on_caught_up,
                       catch_up, &err) == 0)
            return;
        failed = &err;
    }
    catch_up->on_done(catch_up, failed);
}

int tt_search_catch_up(struct tt_search_catch_up *catch_up, struct tt_db *db, struct tt_loop *loop,
                       int64_t user_id,
                       void (*on_done)(struct tt_search_catch_up *catch_up,
                                       const struct tt_err *err),
                       struct tt_err *err)
{
    catch_up->db = db;
    catch_up->loop = loop;
    catch_up->user_id = user_id;
    catch_up->on_done = on_done;
    return submit_job(db, loop, tt_db_int(user_id), on_caught_up, catch_up, err);
}
