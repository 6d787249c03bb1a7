/* Putting the parts together: the writer, the pool of aux readers, the settings they share. */
#include "base/mem.h"
#include "db/sqlite_internal.h"

#include <stdlib.h>

#define BATCH_MAX         512
#define QUEUE_MAX         4096
#define WAL_TRUNCATE_SIZE (64u << 20)
#define STEP_BUDGET       100000

struct tt_db *tt_db_open(const struct tt_db_settings *settings, struct tt_aux *aux,
                         struct tt_err *err)
{
    struct tt_db *db = TT_NEW(struct tt_db);
    struct tt_db_settings used = *settings;
    struct tt_err cause = {0};
    if (used.batch_max <= 0)
        used.batch_max = BATCH_MAX;
    if (used.queue_max <= 0)
        used.queue_max = QUEUE_MAX;
    if (used.wal_truncate_size == 0)
        used.wal_truncate_size = WAL_TRUNCATE_SIZE;
    db->step_budget = used.step_budget > 0 ? used.step_budget : STEP_BUDGET;
    db->path = tt_strndup(used.path, strlen(used.path));
    db->aux = aux;
    db->pool = tt_fetch_pool_new(db->path);
    db->writer = tt_writer_new(&used, &cause);
    if (!db->writer) {
        tt_db_close(db);
        tt_err_set(err, 503, "database_unavailable", "%s", cause.message);
        return NULL;
    }
    return db;
}

void tt_db_close(struct tt_db *db)
{
    if (!db)
        return;
    tt_fetch_pool_close(db->pool);
    tt_writer_free(db->writer);
    free(db->path);
    free(db);
}

void tt_db_stats(struct tt_db *db, struct tt_db_stats *out)
{
    tt_writer_stats(db->writer, out);
}

int tt_db_submit(struct tt_db *db, struct tt_loop *loop, struct tt_db_job *job,
                 void (*on_done)(struct tt_db_job *job, void *arg), void *arg, struct tt_err *err)
{
    job->loop = loop;
    job->on_done = on_done;
    job->arg = arg;
    return tt_writer_submit(db->writer, job, err);
}

const char *tt_db_library_version(void)
{
    return sqlite3_libversion();
}
