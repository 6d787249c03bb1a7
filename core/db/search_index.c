/* One job at a time, with some rows and little text, so that turns behind it in the writer's queue
 * wait only briefly (8 ms for messages of twenty words, some 15 ms for 32 KiB of words that are all
 * different); long messages are indexed part by part. Rarely, because the index is written for all
 * rows of a job at once. The number of jobs that the database has completed shows whether there may
 * be work: an idle server submits nothing. */
#include "db/search_index.h"

#include "base/log.h"
#include "db/engine.h"

#define PAUSE_MS    2000 /* a search brings its user's messages in itself, before it begins */
#define GIVE_WAY_MS 10   /* between two jobs: turns that wait for the writer come first */
#define MERGES      2    /* for one job that indexes: a word is written anew some five times */
#define MERGES_MAX  200

static const char SQL_IS_BEHIND[] =
    "SELECT 1 FROM message_search_queue WHERE user_id = ?1 AND is_long = 0 LIMIT 1";

/* `user`: NULL = all users. */
static int submit_job(struct tt_db *db, struct tt_loop *loop, const struct tt_db_value *user,
                      void (*on_done)(struct tt_db_job *job, void *arg), void *arg,
                      struct tt_err *err)
{
    struct tt_db_job *job = tt_db_job_new();

    tt_db_job_lock(job, TT_DB_LOCK_SEARCH);
    db->engine->search->index(job, user);
    if (tt_db_submit(db, loop, job, on_done, arg, err) == 0)
        return 0;
    tt_db_job_free(job);
    return -1;
}

static bool rows_are_left(const struct tt_db_job *job)
{
    size_t count = tt_db_job_count(job);
    return tt_db_job_outcome(job, count - 1).changes > 0 ||
           tt_db_job_outcome(job, count - 2).changes > 0;
}

static bool changed_rows(const struct tt_db_job *job)
{
    for (size_t i = 0; i < tt_db_job_count(job); i++)
        if (tt_db_job_outcome(job, i).changes > 0)
            return true;
    return false;
}

/* ---- all users, in the background ---- */

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
    bool more = !err && rows_are_left(job);
    if (more)
        index->jobs_seen = UINT64_MAX;
    index->merges_next = true;
    if (!err && changed_rows(job) && index->merges < MERGES_MAX)
        index->merges += MERGES;
    tt_timer_start(index->loop, &index->timer, more ? GIVE_WAY_MS : PAUSE_MS);
}

static void on_merged(struct tt_db_job *job, void *arg)
{
    struct tt_search_index *index = arg;
    const struct tt_err *err = tt_db_job_error(job);

    index->running = false;
    if (index->stopped)
        return;
    if (err)
        tt_log(TT_LOG_WARN, "the search index was not merged", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
    index->merges = err ? 0 : index->merges - 1;
    index->merges_next = false;
    bool more = index->merges > 0 || index->jobs_seen == UINT64_MAX;
    tt_timer_start(index->loop, &index->timer, more ? GIVE_WAY_MS : PAUSE_MS);
}

static void submit_merge(struct tt_search_index *index)
{
    struct tt_db_job *job = tt_db_job_new();
    struct tt_err err = {0};

    index->db->engine->search->merge(job);
    if (tt_db_submit(index->db, index->loop, job, on_merged, index, &err) != 0) {
        tt_db_job_free(job);
        return;
    }
    index->running = true;
    if (index->jobs_seen != UINT64_MAX)
        index->jobs_seen++;
}

/* `jobs`: completed by the database so far; this one will be the next. If the database is busy:
 * later. */
static void submit(struct tt_search_index *index, uint64_t jobs)
{
    struct tt_err err = {0};

    if (submit_job(index->db, index->loop, NULL, on_indexed, index, &err) != 0)
        return;
    index->running = true;
    index->jobs_seen = jobs + 1;
}

static void look(struct tt_timer *timer)
{
    struct tt_search_index *index = TT_CONTAINER_OF(timer, struct tt_search_index, timer);
    uint64_t jobs = jobs_done(index);

    if (index->is_mine && !index->is_mine(index->arg)) {
        index->jobs_seen = UINT64_MAX; /* once it is, there is what others have queued */
        tt_timer_start(index->loop, timer, PAUSE_MS);
        return;
    }
    bool behind = jobs != index->jobs_seen;

    if (behind && !(index->merges_next && index->merges > 0))
        submit(index, jobs);
    else if (index->merges > 0)
        submit_merge(index);
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

/* ---- one user, before a search ---- */

static void on_caught_up(struct tt_db_job *job, void *arg);

static int submit_catch_up(struct tt_search_catch_up *catch_up, struct tt_err *err)
{
    struct tt_db_value user = tt_db_int(catch_up->user_id);
    return submit_job(catch_up->db, catch_up->loop, &user, on_caught_up, catch_up, err);
}

static void on_caught_up(struct tt_db_job *job, void *arg)
{
    struct tt_search_catch_up *catch_up = arg;
    const struct tt_err *failed = tt_db_job_error(job);
    struct tt_err err = {0};

    if (!failed && rows_are_left(job) && !catch_up->cancelled) {
        if (submit_catch_up(catch_up, &err) == 0)
            return;
        failed = &err;
    }
    catch_up->on_done(catch_up, failed);
}

static void note_behind(struct tt_db_rows *rows, void *arg)
{
    struct tt_search_catch_up *catch_up = arg;
    catch_up->behind = tt_db_next(rows, NULL);
}

static void on_late_behind(struct tt_db_rows *rows, void *arg)
{
    struct tt_search_catch_up *catch_up = arg;
    struct tt_err err = {0};

    catch_up->pending = NULL;
    int behind = tt_db_next(rows, &err);
    if (behind == TT_DB_ROW && submit_catch_up(catch_up, &err) == 0)
        return;
    catch_up->on_done(catch_up, behind == TT_DB_END ? NULL : &err);
}

int tt_search_catch_up(struct tt_search_catch_up *catch_up, struct tt_db *db, struct tt_loop *loop,
                       int64_t user_id,
                       void (*on_done)(struct tt_search_catch_up *catch_up,
                                       const struct tt_err *err),
                       struct tt_err *err)
{
    struct tt_db_value user = tt_db_int(user_id);
    struct tt_db_query query = {.sql = TT_STR(SQL_IS_BEHIND), .values = &user, .count = 1};

    *catch_up =
        (struct tt_search_catch_up){.db = db, .loop = loop, .user_id = user_id, .on_done = on_done};
    if (tt_db_read(db, loop, &query, note_behind, catch_up, &catch_up->pending, err) != 0)
        return -1;
    if (catch_up->pending) {
        tt_db_pending_pass(catch_up->pending, on_late_behind, catch_up);
        return 1;
    }
    if (catch_up->behind == TT_DB_END)
        return 0;
    return submit_catch_up(catch_up, err) == 0 ? 1 : -1;
}

bool tt_search_catch_up_cancel(struct tt_search_catch_up *catch_up)
{
    bool over = catch_up->pending;
    if (over)
        tt_db_pending_cancel(catch_up->pending);
    catch_up->pending = NULL;
    catch_up->cancelled = true;
    return over;
}
