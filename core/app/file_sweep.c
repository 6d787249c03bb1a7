/* Removes what a crash leaves: temporary files, and files whose row was not written yet or is
 * deleted already. All keys are read first, and the sweep begins only if that succeeded: an
 * incomplete list would make live files look like orphans. Runs beside uploads (the store knows the
 * files of this process). */
#include "app/file_sweep.h"

#include "base/log.h"

#include <stdlib.h>

#define PAGE 500 /* rows per query, well within what a read may take at once */

static const char SQL_KEYS[] =
    "SELECT id, file_key FROM uploaded_files WHERE id > ?1 ORDER BY id LIMIT ?2";

struct sweep_job {
    struct tt_aux_job job;
    struct tt_db *db;
    struct tt_store *store;
    struct tt_buf keys; /* each with a NUL */
    size_t position;
};

/* Appends one page of keys; returns the last id, 0 at the end, -1 on failure. */
static int64_t read_page(struct sweep_job *sweep, struct tt_loop *loop, int64_t after,
                         struct tt_err *err)
{
    const struct tt_db_value values[] = {tt_db_int(after), tt_db_int(PAGE)};
    struct tt_db_query query = {
        .sql = TT_STR(SQL_KEYS), .values = values, .count = TT_COUNT(values)};
    struct tt_db_rows *rows = tt_db_read_wait(sweep->db, loop, &query, err);
    int64_t last = 0;

    if (!rows)
        return -1;
    while (tt_db_next(rows, NULL) == TT_DB_ROW) {
        last = rows->values[0].integer;
        tt_buf_append_str(&sweep->keys, rows->values[1].text);
        tt_buf_append(&sweep->keys, "", 1);
    }
    tt_db_rows_free(rows);
    return last;
}

/* On its own loop: the aux thread has none, and may wait. */
static int read_keys(struct sweep_job *sweep, struct tt_err *err)
{
    struct tt_loop *loop = tt_loop_new(err);
    int64_t last = 0;
    int failed = loop ? tt_db_attach(sweep->db, loop, err) : -1;

    if (failed == 0) {
        do
            last = read_page(sweep, loop, last, err);
        while (last > 0);
        tt_db_detach(sweep->db, loop);
    }
    tt_loop_free(loop);
    return failed || last < 0 ? -1 : 0;
}

static bool next_key(void *arg, struct tt_str *key)
{
    struct sweep_job *sweep = arg;
    if (sweep->position >= sweep->keys.len)
        return false;
    *key = tt_str_from(sweep->keys.data + sweep->position);
    sweep->position += key->len + 1;
    return true;
}

static void release(struct tt_aux_job *job)
{
    struct sweep_job *sweep = TT_CONTAINER_OF(job, struct sweep_job, job);
    tt_buf_free(&sweep->keys);
    free(sweep);
}

static void run(struct tt_aux_job *job)
{
    struct sweep_job *sweep = TT_CONTAINER_OF(job, struct sweep_job, job);
    struct tt_store_swept swept = {0};
    struct tt_err err = {0};

    if (read_keys(sweep, &err) != 0 ||
        tt_store_sweep(sweep->store, next_key, sweep, &swept, &err) != 0)
        tt_log(TT_LOG_ERROR, "the file store was not swept", TT_F_Z("error", err.message));
    else if (swept.orphans + swept.unfinished + swept.missing + swept.foreign > 0)
        tt_log(TT_LOG_WARN, "the file store was swept", TT_F_INT("kept", (int64_t)swept.kept),
               TT_F_INT("orphans", (int64_t)swept.orphans),
               TT_F_INT("unfinished", (int64_t)swept.unfinished),
               TT_F_INT("missing", (int64_t)swept.missing),
               TT_F_INT("foreign", (int64_t)swept.foreign));
    release(job);
}

int tt_app_sweep_files(struct tt_store *store, struct tt_db *db, struct tt_aux *aux,
                       struct tt_err *err)
{
    struct sweep_job *sweep = TT_NEW(struct sweep_job);
    sweep->db = db;
    sweep->store = store;
    sweep->job.run = run;
    sweep->job.drop = release;
    if (tt_aux_submit(aux, NULL, &sweep->job, err) == 0)
        return 0;
    release(&sweep->job);
    return -1;
}
