/* Reads that may take long, on an aux thread: search, export, lists of everything. Each runs on its
 * own reader from a small pool (never more than the aux pool has threads), with a time limit
 * instead of the worker's step budget. Its rows are collected (result.c), because they wait in
 * memory until the loop takes them. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define TIME_MS  10000
#define BUSY_MS  5000
#define KEEP_MAX 4 /* idle readers: each holds a page cache of up to 2 MB */

struct tt_fetch_pool {
    pthread_mutex_t mutex;
    pthread_cond_t quiet; /* nothing runs */
    char *path;
    int refs; /* one for the database and one per fetch */
    int running;
    atomic_bool closing; /* written under the mutex, read by running queries */
    struct tt_reader *idle[KEEP_MAX];
    int idle_count;
};

struct fetch {
    struct tt_aux_job job;
    struct tt_db_pending pending; /* in no list once nobody waits */
    struct tt_fetch_pool *pool;
    struct tt_arena arena; /* of the query */
    struct tt_db_query query;
    struct tt_result *result; /* the aux thread's, then the loop's */
    atomic_bool cancelled;
};

/* ---- the pool ---- */

struct tt_fetch_pool *tt_fetch_pool_new(const char *path)
{
    struct tt_fetch_pool *pool = TT_NEW(struct tt_fetch_pool);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->quiet, NULL);
    pool->path = tt_strndup(path, strlen(path));
    pool->refs = 1;
    return pool;
}

static void pool_ref(struct tt_fetch_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->refs++;
    pthread_mutex_unlock(&pool->mutex);
}

static void pool_unref(struct tt_fetch_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    int left = --pool->refs;
    pthread_mutex_unlock(&pool->mutex);
    if (left > 0)
        return;
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->quiet);
    free(pool->path);
    free(pool);
}

void tt_fetch_pool_close(struct tt_fetch_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->closing, true);
    while (pool->running > 0)
        pthread_cond_wait(&pool->quiet, &pool->mutex);
    while (pool->idle_count > 0)
        tt_reader_free(pool->idle[--pool->idle_count]);
    pthread_mutex_unlock(&pool->mutex);
    pool_unref(pool);
}

/* 0: one more read runs, end it with pool_leave; *reader is an idle reader or NULL. -1: closing. */
static int pool_enter(struct tt_fetch_pool *pool, struct tt_reader **reader, struct tt_err *err)
{
    *reader = NULL;
    pthread_mutex_lock(&pool->mutex);
    bool closing = atomic_load(&pool->closing);
    if (!closing) {
        pool->running++;
        if (pool->idle_count > 0)
            *reader = pool->idle[--pool->idle_count];
    }
    pthread_mutex_unlock(&pool->mutex);
    return closing ? tt_err_set(err, 503, "busy", "the database is closing") : 0;
}

static void pool_leave(struct tt_fetch_pool *pool, struct tt_reader *reader)
{
    pthread_mutex_lock(&pool->mutex);
    if (reader && !atomic_load(&pool->closing) && pool->idle_count < KEEP_MAX) {
        pool->idle[pool->idle_count++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&pool->mutex);
    tt_reader_free(reader); /* before `running` says that no reader is open */
    pthread_mutex_lock(&pool->mutex);
    if (--pool->running == 0)
        pthread_cond_signal(&pool->quiet);
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- a fetch on its aux thread ---- */

static void read_rows(struct fetch *fetch, struct tt_reader *reader)
{
    int first = tt_reader_begin(reader, &fetch->query, &fetch->result->error);
    if (first != TT_DB_FAILED)
        tt_result_fill(fetch->result, &reader->rows);
    tt_reader_end(reader);
}

static void run(struct tt_aux_job *job)
{
    struct fetch *fetch = TT_CONTAINER_OF(job, struct fetch, job);
    struct tt_reader *reader;
    struct tt_err *err = &fetch->result->error;
    if (fetch->cancelled || pool_enter(fetch->pool, &reader, err) != 0)
        return;
    if (!reader)
        reader = tt_reader_open(fetch->pool->path, BUSY_MS, err);
    if (reader) {
        reader->limits =
            (struct tt_reader_limits){.deadline_ms = tt_clock_mono_ms() + TIME_MS,
                                      .cancelled = {&fetch->cancelled, &fetch->pool->closing}};
        read_rows(fetch, reader);
        reader->limits = (struct tt_reader_limits){0};
    }
    pool_leave(fetch->pool, reader);
}

/* ---- on the loop ---- */

static void fetch_free(struct fetch *fetch)
{
    pool_unref(fetch->pool);
    tt_result_free(fetch->result);
    tt_arena_destroy(&fetch->arena);
    free(fetch);
}

static void done(struct tt_aux_job *job)
{
    struct fetch *fetch = TT_CONTAINER_OF(job, struct fetch, job);
    if (!fetch->cancelled) {
        struct tt_result *result = fetch->result;
        fetch->result = NULL;
        tt_list_remove(&fetch->pending.node);
        tt_result_deliver(result, fetch->pending.on_rows, fetch->pending.arg);
    }
    fetch_free(fetch);
}

static void drop(struct tt_aux_job *job)
{
    struct fetch *fetch = TT_CONTAINER_OF(job, struct fetch, job);
    tt_list_remove(&fetch->pending.node);
    fetch_free(fetch);
}

int tt_fetch(struct tt_db_link *link, const struct tt_db_query *query, tt_db_rows_fn *on_rows,
             void *arg, struct tt_db_pending **pending, struct tt_err *err)
{
    struct tt_sqlite_db *db = TT_CONTAINER_OF(link->db, struct tt_sqlite_db, base);
    if (!db->aux)
        return tt_err_set(err, 503, "busy", "there are no threads for slow reads");
    struct fetch *fetch = TT_NEW(struct fetch);
    pool_ref(db->pool);
    fetch->pool = db->pool;
    fetch->query = tt_query_copy(&fetch->arena, query);
    fetch->result = tt_result_new(query->rows_max);
    fetch->pending = (struct tt_db_pending){.link = link, .on_rows = on_rows, .arg = arg};
    fetch->job = (struct tt_aux_job){.run = run, .done = done, .drop = drop, .owner = query->owner};
    if (tt_aux_submit(db->aux, link->loop, &fetch->job, err) != 0) {
        fetch_free(fetch);
        return -1;
    }
    tt_list_push_back(&link->pending, &fetch->pending.node);
    *pending = &fetch->pending;
    return 0;
}

/* The thread notices and stops; its rows are dropped when its mail arrives. */
void tt_fetch_cancel(struct tt_db_pending *pending)
{
    struct fetch *fetch = TT_CONTAINER_OF(pending, struct fetch, pending);
    tt_list_remove(&pending->node);
    fetch->cancelled = true;
}
