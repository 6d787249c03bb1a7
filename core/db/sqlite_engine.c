/* SQLite as an engine: one writer thread with group commit, one read-only connection per loop, and
 * slow reads on aux threads. A read answers within the call unless it exceeds its budget. */
#include "base/mem.h"
#include "db/sqlite_internal.h"
#include "db/sqlite_read_lock.h"

#include <stdlib.h>
#include <unistd.h>

#define BATCH_MAX         512
#define QUEUE_MAX         4096
#define WAL_TRUNCATE_SIZE (64u << 20)
#define STEP_BUDGET       100000
#define BUSY_MS           50 /* in WAL mode readers meet a lock only while the WAL is recovered */

struct sqlite_link {
    struct tt_db_link base;
    struct tt_reader *reader;
    sqlite3_file *kept;    /* see sqlite_read_lock.h */
    struct tt_hook unlock; /* at the end of each tick */
};

/* ---- open and close ---- */

static void close_db(struct tt_db *base)
{
    struct tt_sqlite_db *db = TT_CONTAINER_OF(base, struct tt_sqlite_db, base);
    tt_fetch_pool_close(db->pool);
    tt_writer_free(db->writer);
    tt_db_destroy(base);
    free(db->path);
    free(db);
}

static struct tt_db *open_db(const char *path, const struct tt_db_settings *settings,
                             struct tt_aux *aux, struct tt_err *err)
{
    struct tt_sqlite_db *db = TT_NEW(struct tt_sqlite_db);
    struct tt_db_settings used = *settings;
    struct tt_err cause = {0};
    if (used.batch_max <= 0)
        used.batch_max = BATCH_MAX;
    if (used.queue_max <= 0)
        used.queue_max = QUEUE_MAX;
    if (used.wal_truncate_size == 0)
        used.wal_truncate_size = WAL_TRUNCATE_SIZE;
    tt_db_create(&db->base, &tt_sqlite_engine);
    db->step_budget = used.step_budget > 0 ? used.step_budget : STEP_BUDGET;
    db->path = tt_strndup(path, strlen(path));
    db->aux = aux;
    db->pool = tt_fetch_pool_new(path);
    db->writer = tt_writer_new(path, &used, &cause);
    if (db->writer)
        return &db->base;
    close_db(&db->base);
    tt_err_set(err, 503, "database_unavailable", "%s", cause.message);
    return NULL;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- reading ---- */

static void on_tick_end(struct tt_hook *hook)
{
    tt_read_lock_release(TT_CONTAINER_OF(hook, struct sqlite_link, unlock)->kept);
}

static struct tt_db_link *attach(struct tt_db *base, struct tt_loop *loop, struct tt_err *err)
{
    struct tt_sqlite_db *db = TT_CONTAINER_OF(base, struct tt_sqlite_db, base);
    struct tt_reader *reader = tt_reader_open(db->path, BUSY_MS, err);
    if (!reader)
        return NULL;
    struct sqlite_link *link = TT_NEW(struct sqlite_link);
    tt_db_link_create(&link->base, base, loop);
    reader->limits.steps = db->step_budget;
    link->reader = reader;
    link->kept = tt_read_lock_keep(reader->conn.handle);
    link->unlock.rank = TT_RANK_UNLOCK;
    link->unlock.on_tick_end = on_tick_end;
    tt_loop_hook(loop, &link->unlock);
    return &link->base;
}

static void detach(struct tt_db_link *base)
{
    struct sqlite_link *link = TT_CONTAINER_OF(base, struct sqlite_link, base);
    tt_loop_unhook(&link->unlock);
    tt_read_lock_release(link->kept);
    tt_reader_free(link->reader);
    free(link);
}

static int read_rows(struct tt_db_link *base, const struct tt_db_query *query,
                     tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                     struct tt_err *err)
{
    struct sqlite_link *link = TT_CONTAINER_OF(base, struct sqlite_link, base);
    struct tt_reader *reader = link->reader;
    if (query->in_background)
        return tt_fetch(base, query, on_rows, arg, pending, err);
    int first = tt_reader_begin(reader, query, err);
    if (first == TT_DB_FAILED)
        return -1;
    if (first != TT_DB_AGAIN) {
        on_rows(&reader->rows, arg);
        tt_reader_end(reader);
    }
    if (!tt_loop_in_tick(base->loop))
        tt_read_lock_release(link->kept);
    return reader->over_steps ? tt_fetch(base, query, on_rows, arg, pending, err) : 0;
}

/* ---- writing ---- */

static int submit(struct tt_db *base, struct tt_db_job *job, struct tt_err *err)
{
    return tt_writer_submit(TT_CONTAINER_OF(base, struct tt_sqlite_db, base)->writer, job, err);
}

static void stats(struct tt_db *base, struct tt_db_stats *out)
{
    tt_writer_stats(TT_CONTAINER_OF(base, struct tt_sqlite_db, base)->writer, out);
}

const struct tt_db_engine tt_sqlite_engine = {
    .scheme = "sqlite",
    .usage = "sqlite:<path>",
    .open = open_db,
    .close = close_db,
    .stats = stats,
    .attach = attach,
    .detach = detach,
    .read = read_rows,
    .cancel = tt_fetch_cancel,
    .submit = submit,
    .search = &tt_sqlite_search,
    .exists = exists,
    .inspect = tt_sqlite_inspect,
    .copy = tt_sqlite_copy,
    .tables = tt_sqlite_tables,
    .set_last_ids = tt_sqlite_set_last_ids,
    .verify = tt_sqlite_verify,
    .backup = tt_sqlite_backup,
    .restore = tt_sqlite_restore,
    .migrate = tt_sqlite_migrate,
    .migrate_down = tt_sqlite_migrate_down,
    .dialect = "sqlite",
    .make_empty = tt_sqlite_make_empty,
    .migrate_plugins = tt_sqlite_migrate_plugins,
    .compare_plugins = tt_sqlite_compare_plugins,
    .drop_plugin = tt_sqlite_drop_plugin,
};

const char *tt_db_library_version(void)
{
    return sqlite3_libversion();
}
