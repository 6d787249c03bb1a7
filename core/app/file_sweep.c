/* What a crash leaves: temporary files, and files whose row was not written yet or is gone already.
 * All keys are read first and the sweep begins only when that went well: a list that breaks off
 * would make live files look like orphans. Runs beside uploads (the store knows its young files).
 */
#include "app/file_sweep.h"

#include "base/log.h"

#include <stdlib.h>

#define PAGE 500 /* rows a query, well within a reader's step budget */

struct sweep_job {
    struct tt_aux_job job;
    struct tt_db *db;
    struct tt_store *store;
    struct tt_buf keys; /* each with a NUL */
    size_t position;
};

/* Appends one page of keys; the last id, 0 at the end, -1 on failure. */
static int64_t read_page(struct sweep_job *sweep, struct tt_db_reader *reader, int64_t after,
                         struct tt_err *err)
{
    const struct tt_str sql =
        TT_STR("SELECT id, file_key FROM uploaded_files WHERE id > ? ORDER BY id LIMIT ?");
    const struct tt_db_value values[] = {tt_db_int(after), tt_db_int(PAGE)};
    int64_t last = 0;
    int more;

    if (tt_db_query(reader, sql, values, TT_COUNT(values), err) != 0)
        return -1;
    while ((more = tt_db_step(reader, err)) == 1) {
        last = tt_db_column(reader, 0).integer;
        struct tt_str key = tt_db_column(reader, 1).text;
        tt_buf_append_str(&sweep->keys, key);
        tt_buf_append(&sweep->keys, "", 1);
    }
    return more < 0 ? -1 : last;
}

static int read_keys(struct sweep_job *sweep, struct tt_err *err)
{
    struct tt_db_reader *reader = tt_db_reader_new(sweep->db, err);
    int64_t last = 0;

    if (!reader)
        return -1;
    do
        last = read_page(sweep, reader, last, err);
    while (last > 0);
    tt_db_reader_free(reader);
    return last < 0 ? -1 : 0;
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
