/* Reads that may take long, on an aux thread: search, export, lists over everything. Each runs on a
 * reader of its own out of a small pool (no more are ever open than the aux pool has threads),
 * under a time limit instead of the worker's step budget, and copies its rows, with a cap on their
 * bytes, because they wait in memory until the loop takes them. */
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_internal.h"

#include <pthread.h>
#include <stdlib.h>

#define TIME_MS   10000
#define BUSY_MS   5000
#define BYTES_MAX (64u << 20)
#define KEEP_MAX  4 /* idle readers: each holds a page cache of up to 2 MB */

struct tt_fetch_pool {
    pthread_mutex_t mutex;
    pthread_cond_t quiet; /* nothing runs */
    char *path;
    int refs; /* the database's and one a fetch */
    int running;
    atomic_bool closing; /* written under the mutex, and asked by running queries */
    struct tt_db_reader *idle[KEEP_MAX];
    int idle_count;
};

struct fetch_job { /* in the fetch's arena */
    struct tt_aux_job job;
    struct tt_db_fetch *fetch;
    struct tt_fetch_pool *pool;
    struct tt_str sql;
    struct tt_db_value *arguments;
    size_t count, rows_max;
    size_t bytes; /* copied so far */
    void (*on_done)(struct tt_db_fetch *fetch, void *arg);
    void *arg;
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
        tt_db_reader_free(pool->idle[--pool->idle_count]);
    pthread_mutex_unlock(&pool->mutex);
    pool_unref(pool);
}

/* 0: one more runs, end it with pool_leave; *reader is an idle one or NULL. -1: closing. */
static int pool_enter(struct tt_fetch_pool *pool, struct tt_db_reader **reader, struct tt_err *err)
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

static void pool_leave(struct tt_fetch_pool *pool, struct tt_db_reader *reader)
{
    pthread_mutex_lock(&pool->mutex);
    if (reader && !atomic_load(&pool->closing) && pool->idle_count < KEEP_MAX) {
        pool->idle[pool->idle_count++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&pool->mutex);
    tt_db_reader_free(reader); /* before running says that nothing is open */
    pthread_mutex_lock(&pool->mutex);
    if (--pool->running == 0)
        pthread_cond_signal(&pool->quiet);
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- a fetch on its aux thread ---- */

static void copy_names(struct tt_db_fetch *fetch, struct tt_db_reader *reader)
{
    fetch->columns = tt_db_columns(reader);
    fetch->names = tt_arena_alloc(&fetch->arena, (size_t)fetch->columns * sizeof(struct tt_str));
    for (int i = 0; i < fetch->columns; i++)
        fetch->names[i] = tt_arena_str(&fetch->arena, tt_db_column_name(reader, i));
}

static int copy_row(struct fetch_job *job, struct tt_db_reader *reader, struct tt_db_value *row)
{
    struct tt_db_fetch *fetch = job->fetch;
    if (fetch->rows >= job->rows_max)
        return tt_err_set(&fetch->error, 400, "too_many_rows", "more than %zu rows", job->rows_max);
    job->bytes += (size_t)fetch->columns * sizeof(struct tt_db_value);
    for (int i = 0; i < fetch->columns; i++) {
        row[i] = tt_db_column(reader, i);
        job->bytes += row[i].text.len;
        if (job->bytes > BYTES_MAX)
            return tt_err_set(&fetch->error, 400, "too_many_rows", "more than %u bytes", BYTES_MAX);
        if (row[i].text.data)
            row[i].text = tt_arena_str(&fetch->arena, row[i].text);
    }
    fetch->rows++;
    return 0;
}

/* The open query's rows, gathered in an array that doubles, then copied to the arena. */
static void copy_rows(struct fetch_job *job, struct tt_db_reader *reader)
{
    struct tt_db_fetch *fetch = job->fetch;
    size_t capacity = 64, row_size = (size_t)fetch->columns * sizeof(struct tt_db_value);
    char *rows = tt_alloc(capacity * row_size);
    int rc;
    while ((rc = tt_db_step(reader, &fetch->error)) > 0) {
        if (fetch->rows == capacity) {
            capacity *= 2;
            rows = tt_realloc(rows, capacity * row_size);
        }
        rc = copy_row(job, reader, (struct tt_db_value *)(void *)(rows + fetch->rows * row_size));
        if (rc != 0)
            break;
    }
    if (rc != 0)
        fetch->rows = 0;
    fetch->values = tt_arena_alloc(&fetch->arena, fetch->rows * row_size);
    memcpy(fetch->values, rows, fetch->rows * row_size);
    free(rows);
}

static void read_rows(struct fetch_job *job, struct tt_db_reader *reader)
{
    struct tt_db_fetch *fetch = job->fetch;
    if (tt_db_query(reader, job->sql, job->arguments, job->count, &fetch->error) != 0)
        return;
    copy_names(fetch, reader);
    copy_rows(job, reader);
    tt_db_query_end(reader);
}

static void run(struct tt_aux_job *aux_job)
{
    struct fetch_job *job = TT_CONTAINER_OF(aux_job, struct fetch_job, job);
    struct tt_db_fetch *fetch = job->fetch;
    if (fetch->cancelled) {
        tt_err_set(&fetch->error, 503, "cancelled", "nobody waits for it");
        return;
    }
    struct tt_db_reader *reader;
    if (pool_enter(job->pool, &reader, &fetch->error) != 0)
        return;
    if (!reader)
        reader = tt_reader_open(job->pool->path, BUSY_MS, &fetch->error);
    if (reader) {
        struct tt_reader_limits limits = {.deadline_ms = tt_clock_mono_ms() + TIME_MS,
                                          .cancelled = {&fetch->cancelled, &job->pool->closing}};
        tt_reader_set_limits(reader, &limits);
        read_rows(job, reader);
        tt_reader_set_limits(reader, &(struct tt_reader_limits){0});
    }
    pool_leave(job->pool, reader);
}

/* ---- on the loop ---- */

static void done(struct tt_aux_job *aux_job)
{
    struct fetch_job *job = TT_CONTAINER_OF(aux_job, struct fetch_job, job);
    job->on_done(job->fetch, job->arg);
}

static void drop(struct tt_aux_job *aux_job)
{
    tt_db_fetch_free(TT_CONTAINER_OF(aux_job, struct fetch_job, job)->fetch);
}

static void copy_arguments(struct tt_arena *arena, struct fetch_job *job,
                           const struct tt_db_value *values, size_t count)
{
    job->count = count;
    job->arguments = tt_arena_alloc(arena, count * sizeof(struct tt_db_value));
    for (size_t i = 0; i < count; i++) {
        job->arguments[i] = values[i];
        if (values[i].type == TT_DB_TEXT || values[i].type == TT_DB_BLOB)
            job->arguments[i].text = tt_arena_str(arena, values[i].text);
    }
}

struct tt_db_fetch *tt_db_fetch(struct tt_db *db, struct tt_loop *loop, struct tt_str sql,
                                const struct tt_db_value *values, size_t count, size_t rows_max,
                                void (*on_done)(struct tt_db_fetch *fetch, void *arg), void *arg,
                                struct tt_err *err)
{
    if (!db->aux) {
        tt_err_set(err, 503, "busy", "there are no threads for slow reads");
        return NULL;
    }
    struct tt_db_fetch *fetch = TT_NEW(struct tt_db_fetch);
    struct fetch_job *job = tt_arena_alloc(&fetch->arena, sizeof(*job));
    pool_ref(db->pool);
    fetch->internal = job;
    job->fetch = fetch;
    job->pool = db->pool;
    job->sql = tt_arena_str(&fetch->arena, sql);
    copy_arguments(&fetch->arena, job, values, count);
    job->rows_max = rows_max;
    job->on_done = on_done;
    job->arg = arg;
    job->job.run = run;
    job->job.done = done;
    job->job.drop = drop;
    if (tt_aux_submit(db->aux, loop, &job->job, err) != 0) {
        tt_db_fetch_free(fetch);
        return NULL;
    }
    return fetch;
}

void tt_db_fetch_free(struct tt_db_fetch *fetch)
{
    if (!fetch)
        return;
    struct fetch_job *job = fetch->internal;
    pool_unref(job->pool);
    tt_arena_destroy(&fetch->arena);
    free(fetch);
}
