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

static void *writer_main(void *arg)
{
    struct tt_writer *writer = arg;
    size_t count;
    pthread_setname_np(pthread_self(), "tt-db-writer");
    while ((count = tt_job_queue_take(&writer->queue, writer->batch)) > 0) {
        tt_batch_run(writer, writer->batch, count);
        tt_job_queue_answer(&writer->queue, writer->batch, count, writer->commits);
        writer->commits = 0;
        after_batch(writer);
    }
    return NULL;
}

/* ---- for other threads ---- */

int tt_writer_submit(struct tt_writer *writer, struct tt_db_job *job, struct tt_err *err)
{
    return tt_job_queue_push(&writer->queue, job, err);
}

void tt_writer_stats(struct tt_writer *writer, struct tt_db_stats *out)
{
    struct stat st;
    tt_job_queue_stats(&writer->queue, out);
    out->wal_size = stat(writer->wal_path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void release(struct tt_writer *writer)
{
    tt_checkpointer_free(writer->checkpointer);
    tt_sqlite_close(&writer->conn);
    tt_job_queue_destroy(&writer->queue);
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
    writer->wal_truncate_size = settings->wal_truncate_size;
    writer->batch = tt_alloc((size_t)settings->batch_max * sizeof(struct tt_db_job *));
    writer->wal_path = tt_alloc(path_len + sizeof("-wal"));
    snprintf(writer->wal_path, path_len + sizeof("-wal"), "%s-wal", path);
    tt_job_queue_create(&writer->queue, settings->batch_max, settings->queue_max);

    snprintf(limit, sizeof(limit), "PRAGMA journal_size_limit=%llu",
             (unsigned long long)settings->wal_truncate_size);
    if (tt_sqlite_open(&writer->conn, path, TT_SQLITE_WRITE, BUSY_MS, err) == SQLITE_OK &&
        tt_sqlite_run(&writer->conn, limit, err) == SQLITE_OK &&
        tt_sqlite_run(&writer->conn, TEMP_STORE, err) == SQLITE_OK) {
        sqlite3_wal_hook(writer->conn.handle, on_wal_commit, writer);
        sqlite3_progress_handler(writer->conn.handle, PROGRESS_STEPS, over_time, writer);
        writer->checkpointer = tt_checkpointer_new(path, err);
        if (writer->checkpointer &&
            tt_db_start_thread(&writer->thread, writer_main, writer, err) == 0)
            return writer;
    }
    release(writer);
    return NULL;
}

void tt_writer_free(struct tt_writer *writer)
{
    if (!writer)
        return;
    tt_job_queue_stop(&writer->queue);
    pthread_join(writer->thread, NULL);
    tt_checkpointer_free(writer->checkpointer);
    writer->checkpointer = NULL;
    truncate_wal(writer);
    release(writer);
}
