/* The writer thread: takes all queued jobs (it never waits for more: the next batch gathers during
 * the sync of the last one), commits them as one transaction, posts the answers to the loops, and
 * only then looks at the WAL, so that no answer waits for it. SQLite's own autocheckpoint is off
 * for the same reason: it would run inside COMMIT. */
#include "db/sqlite_writer.h"

#include "base/clock.h"
#include "base/disk_reserve.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define BUSY_MS           5000
#define TRUNCATE_WAIT_MS  50 /* for readers, while nothing is written */
#define TRUNCATE_PAUSE_MS 1000
#define BATCH_BYTES       (16u << 20)  /* keeps one sync, and the other jobs' wait, short */
#define QUEUE_BYTES       (256u << 20) /* memory of all waiting jobs */
#define PROGRESS_STEPS    10000
/* With temp_store=MEMORY the journals of statements are pieces of 1 KiB, which cost a tenth of a
 * turn. So they are one piece (sqlite.c), and then a file, which is in memory too
 * (sqlite_gather.h). */
#define TEMP_STORE "PRAGMA temp_store=FILE"

/* ---- the WAL ---- */

static int on_wal_commit(void *arg, sqlite3 *handle, const char *database, int pages)
{
    struct tt_writer *writer = arg;
    (void)handle, (void)database;
    writer->wal_pages = pages;
    return SQLITE_OK;
}

/* Copies what is left in the log and makes the file empty. */
static void truncate_wal(struct tt_writer *writer)
{
    sqlite3_busy_timeout(writer->conn.handle, TRUNCATE_WAIT_MS);
    int rc = sqlite3_wal_checkpoint_v2(writer->conn.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                       NULL);
    sqlite3_busy_timeout(writer->conn.handle, BUSY_MS);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
        struct tt_err err = {0};
        tt_sqlite_error(&writer->conn, rc, &err);
        tt_log(TT_LOG_ERROR, "database: checkpoint failed", TT_F_Z("error", err.message));
        if (strcmp(err.code, "disk_full") == 0)
            tt_disk_reserve_give_back();
    }
    writer->truncate_at_ms = rc == SQLITE_OK ? 0 : tt_clock_mono_ms() + TRUNCATE_PAUSE_MS;
    if (rc == SQLITE_OK)
        writer->wal_pages = 0;
}

static void after_batch(struct tt_writer *writer)
{
    /* 24 bytes of frame header per page; a page size other than SQLite's default only shifts it. */
    uint64_t size = (uint64_t)writer->wal_pages * (4096 + 24);
    bool too_large = size > writer->wal_truncate_size;
    tt_checkpointer_committed(writer->checkpointer, writer->wal_pages,
                              too_large || tt_disk_is_full());
    if (too_large && tt_clock_mono_ms() >= writer->truncate_at_ms &&
        tt_checkpointer_hold(writer->checkpointer, size > 2 * writer->wal_truncate_size)) {
        truncate_wal(writer);
        tt_checkpointer_unhold(writer->checkpointer);
    }
}

/* ---- the thread ---- */

static int over_time(void *arg)
{
    const struct tt_writer *writer = arg;
    tt_sqlite_interruptible();
    return writer->job_deadline_ms && tt_clock_mono_ms() > writer->job_deadline_ms;
}

/* The next batch; 0 if stopping and nothing is left. */
static size_t take_batch(struct tt_writer *writer)
{
    size_t count = 0, bytes = 0;
    pthread_mutex_lock(&writer->mutex);
    while (tt_list_empty(&writer->queue) && !writer->stopping) {
        writer->asleep = true;
        pthread_cond_wait(&writer->wake, &writer->mutex);
        writer->asleep = false;
    }
    while (count < (size_t)writer->batch_max && bytes < BATCH_BYTES &&
           !tt_list_empty(&writer->queue)) {
        struct tt_db_job *job =
            tt_list_entry(tt_list_pop_front(&writer->queue), struct tt_db_job, node);
        bytes += job->arena.used;
        writer->batch[count++] = job;
    }
    writer->queued_bytes -= bytes;
    writer->stats.waiting -= (int)count;
    pthread_mutex_unlock(&writer->mutex);
    return count;
}

static void account(struct tt_writer *writer, size_t count)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += writer->batch[i]->error.status != 0;
    pthread_mutex_lock(&writer->mutex);
    writer->stats.jobs += count;
    writer->stats.failed_jobs += failed;
    writer->stats.commits += writer->commits;
    if (count > writer->stats.largest_batch)
        writer->stats.largest_batch = count;
    pthread_mutex_unlock(&writer->mutex);
    writer->commits = 0;
}

static void *writer_main(void *arg)
{
    struct tt_writer *writer = arg;
    size_t count;
    pthread_setname_np(pthread_self(), "tt-db-writer");
    while ((count = take_batch(writer)) > 0) {
        tt_batch_run(writer, writer->batch, count);
        account(writer, count);
        for (size_t i = 0; i < count; i++) /* a posted job is no longer ours */
            tt_loop_post(writer->batch[i]->loop, &writer->batch[i]->mail);
        after_batch(writer);
    }
    return NULL;
}

/* ---- for other threads ---- */

static void deliver(struct tt_mail *mail)
{
    struct tt_db_job *job = TT_CONTAINER_OF(mail, struct tt_db_job, mail);
    job->on_done(job, job->arg);
    tt_db_job_free(job);
}

int tt_writer_submit(struct tt_writer *writer, struct tt_db_job *job, struct tt_err *err)
{
    bool wake = false, full;
    job->mail.deliver = deliver;
    pthread_mutex_lock(&writer->mutex);
    full = writer->stopping || writer->stats.waiting >= writer->queue_max ||
           writer->queued_bytes > QUEUE_BYTES;
    if (!full) {
        tt_list_push_back(&writer->queue, &job->node);
        writer->stats.waiting++;
        writer->queued_bytes += job->arena.used;
        wake = writer->asleep;
        writer->asleep = false; /* one signal is enough */
    }
    pthread_mutex_unlock(&writer->mutex);
    if (full)
        return tt_err_set(err, 503, "busy", "the database writer's queue is full");
    if (wake)
        pthread_cond_signal(&writer->wake);
    return 0;
}

void tt_writer_stats(struct tt_writer *writer, struct tt_db_stats *out)
{
    struct stat st;
    pthread_mutex_lock(&writer->mutex);
    *out = writer->stats;
    pthread_mutex_unlock(&writer->mutex);
    out->wal_size = stat(writer->wal_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void release(struct tt_writer *writer)
{
    tt_checkpointer_free(writer->checkpointer);
    tt_sqlite_close(&writer->conn);
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->wake);
    free(writer->batch);
    free(writer->wal_path);
    free(writer);
}

struct tt_writer *tt_writer_new(const char *path, const struct tt_db_settings *settings,
                                struct tt_err *err)
{
    struct tt_writer *writer = TT_NEW(struct tt_writer);
    char limit[64];
    size_t path_len = strlen(path);
    writer->batch_max = settings->batch_max;
    writer->queue_max = settings->queue_max;
    writer->wal_truncate_size = settings->wal_truncate_size;
    writer->batch = tt_alloc((size_t)settings->batch_max * sizeof(struct tt_db_job *));
    writer->wal_path = tt_alloc(path_len + sizeof("-wal"));
    snprintf(writer->wal_path, path_len + sizeof("-wal"), "%s-wal", path);
    tt_list_init(&writer->queue);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wake, NULL);

    snprintf(limit, sizeof(limit), "PRAGMA journal_size_limit=%llu",
             (unsigned long long)settings->wal_truncate_size);
    if (tt_sqlite_open(&writer->conn, path, TT_SQLITE_WRITE, BUSY_MS, err) == SQLITE_OK &&
        tt_sqlite_run(&writer->conn, limit, err) == SQLITE_OK &&
        tt_sqlite_run(&writer->conn, TEMP_STORE, err) == SQLITE_OK) {
        sqlite3_wal_hook(writer->conn.handle, on_wal_commit, writer);
        sqlite3_progress_handler(writer->conn.handle, PROGRESS_STEPS, over_time, writer);
        writer->checkpointer = tt_checkpointer_new(path, err);
        if (writer->checkpointer &&
            tt_sqlite_start_thread(&writer->thread, writer_main, writer, err) == 0)
            return writer;
    }
    release(writer);
    return NULL;
}

void tt_writer_free(struct tt_writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    tt_checkpointer_free(writer->checkpointer);
    writer->checkpointer = NULL;
    truncate_wal(writer);
    release(writer);
}
