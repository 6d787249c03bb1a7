/* Passes are PASSIVE: they take no lock that a commit or a reader waits for. What is committed
 * during a pass is left to the next one. */
#include "db/sqlite_checkpoint.h"

#include "base/clock.h"
#include "base/disk_reserve.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/job_queue.h"
#include "db/sqlite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUSY_MS    5000
#define IDLE_MS    1000
#define PASS_PAGES 4000 /* each pass costs two syncs */
#define FEW_PAGES  1000 /* that the writer copies itself */

struct tt_checkpointer {
    struct tt_sqlite conn; /* only for the thread */

    pthread_t thread;
    pthread_mutex_t passing; /* held during a pass */
    pthread_mutex_t mutex;   /* guards the rest; never held across I/O */
    pthread_cond_t wake;
    unsigned log;    /* which log this is: it begins anew when all of it was copied */
    int pages;       /* in the log after the last commit */
    int seen;        /* of these, how many were there when the last pass began */
    int copied;      /* and how many it copied: a long reader can be in the way of the others, and
                      * then they are tried again with the next ones */
    uint64_t due_ms; /* when a pass begins if no commit comes before */
    bool resting;    /* the thread waits without a time limit */
    bool soon;
    bool stopping;
};

/* `log` and `pages` are what was known when it began. What it finds can be less: the writer may
 * just have emptied the log. */
static void pass(struct tt_checkpointer *checkpointer, unsigned log, int pages)
{
    int copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(checkpointer->conn.handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                       NULL, &copied);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
        struct tt_err err = {0};
        tt_sqlite_error(&checkpointer->conn, rc, &err);
        tt_log(TT_LOG_ERROR, "database: checkpoint failed", TT_F_Z("error", err.message));
        if (strcmp(err.code, "disk_full") == 0)
            tt_disk_reserve_give_back();
    }
    pthread_mutex_lock(&checkpointer->mutex);
    if (log == checkpointer->log) {
        checkpointer->seen = pages;
        if (rc == SQLITE_OK)
            checkpointer->copied = copied;
    }
    pthread_mutex_unlock(&checkpointer->mutex);
}

static bool is_due(const struct tt_checkpointer *checkpointer)
{
    int unseen = checkpointer->pages - checkpointer->seen;
    return checkpointer->soon || unseen >= PASS_PAGES ||
           (unseen > 0 && tt_clock_mono_ms() >= checkpointer->due_ms);
}

/* The mutex is held. */
static void wait_for_commit(struct tt_checkpointer *checkpointer)
{
    struct timespec until = {.tv_sec = (time_t)(checkpointer->due_ms / 1000),
                             .tv_nsec = (long)(checkpointer->due_ms % 1000) * 1000000};
    checkpointer->resting = checkpointer->pages <= checkpointer->seen;
    if (checkpointer->resting)
        pthread_cond_wait(&checkpointer->wake, &checkpointer->mutex);
    else
        pthread_cond_timedwait(&checkpointer->wake, &checkpointer->mutex, &until);
    checkpointer->resting = false;
}

static void *checkpointer_main(void *arg)
{
    struct tt_checkpointer *checkpointer = arg;
    pthread_setname_np(pthread_self(), "tt-db-checkpt");
    pthread_mutex_lock(&checkpointer->mutex);
    while (!checkpointer->stopping) {
        if (!is_due(checkpointer)) {
            wait_for_commit(checkpointer);
            continue;
        }
        unsigned log = checkpointer->log;
        int pages = checkpointer->pages;
        checkpointer->soon = false;
        pthread_mutex_unlock(&checkpointer->mutex);
        pthread_mutex_lock(&checkpointer->passing);
        pass(checkpointer, log, pages);
        pthread_mutex_unlock(&checkpointer->passing);
        pthread_mutex_lock(&checkpointer->mutex);
    }
    pthread_mutex_unlock(&checkpointer->mutex);
    return NULL;
}

void tt_checkpointer_committed(struct tt_checkpointer *checkpointer, int pages, bool soon)
{
    bool wake;
    pthread_mutex_lock(&checkpointer->mutex);
    if (pages < checkpointer->pages) {
        checkpointer->log++;
        checkpointer->seen = checkpointer->copied = 0;
    }
    checkpointer->pages = pages;
    checkpointer->soon = checkpointer->soon || soon;
    checkpointer->due_ms = tt_clock_mono_ms() + IDLE_MS;
    wake = checkpointer->resting || is_due(checkpointer);
    checkpointer->resting = false; /* one signal is enough */
    pthread_mutex_unlock(&checkpointer->mutex);
    if (wake)
        pthread_cond_signal(&checkpointer->wake);
}

bool tt_checkpointer_hold(struct tt_checkpointer *checkpointer, bool at_any_cost)
{
    bool few;
    pthread_mutex_lock(&checkpointer->mutex);
    few = checkpointer->pages - checkpointer->copied <= FEW_PAGES;
    pthread_mutex_unlock(&checkpointer->mutex);
    if (at_any_cost)
        return pthread_mutex_lock(&checkpointer->passing) == 0;
    return few && pthread_mutex_trylock(&checkpointer->passing) == 0;
}

void tt_checkpointer_unhold(struct tt_checkpointer *checkpointer)
{
    pthread_mutex_unlock(&checkpointer->passing);
}

static void release(struct tt_checkpointer *checkpointer)
{
    tt_sqlite_close(&checkpointer->conn);
    pthread_mutex_destroy(&checkpointer->passing);
    pthread_mutex_destroy(&checkpointer->mutex);
    pthread_cond_destroy(&checkpointer->wake);
    free(checkpointer);
}

struct tt_checkpointer *tt_checkpointer_new(const char *path, struct tt_err *err)
{
    struct tt_checkpointer *checkpointer = TT_NEW(struct tt_checkpointer);
    pthread_condattr_t attributes;
    pthread_mutex_init(&checkpointer->passing, NULL);
    pthread_mutex_init(&checkpointer->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&checkpointer->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (tt_sqlite_open(&checkpointer->conn, path, TT_SQLITE_WRITE, BUSY_MS, err) == SQLITE_OK &&
        tt_db_start_thread(&checkpointer->thread, checkpointer_main, checkpointer, err) == 0)
        return checkpointer;
    release(checkpointer);
    return NULL;
}

void tt_checkpointer_free(struct tt_checkpointer *checkpointer)
{
    if (!checkpointer)
        return;
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->stopping = true;
    pthread_cond_signal(&checkpointer->wake);
    pthread_mutex_unlock(&checkpointer->mutex);
    pthread_join(checkpointer->thread, NULL);
    release(checkpointer);
}
