/* One thing at a time: find a session, ask for ids and sizes of its next rows on a background
 * thread, delete them slice by slice, ask again unless those were all; its own row goes with the
 * last ones, so a short session is one job. Newest first: a row that an other one refers to would
 * have that one written again. */
#include "chat/deleted_sessions.h"

#include "base/log.h"

#define LOOK_MS   500 /* between two looks, while others write */
#define PAUSE_MS  20  /* between two jobs, at most: the writer is everybody's */
#define PAUSES    2   /* a pause is so many times as long as the job took */
#define KEYS_EACH 32  /* sessions: then the bytes of their files go */

/* A slice takes some 10 ms. Time goes into rows, and into the words that leave the search index; a
 * row with more characters than that is a slice of its own. */
#define SLICE_ROWS  200
#define SLICE_CHARS 32768
#define SLICE_KEYS  100 /* of files */

/* ---- SQL ---- */

static const char SQL_SESSION[] =
    "SELECT id FROM chat_sessions WHERE user_id IS NULL ORDER BY id LIMIT 1";
static const char SQL_FILES[] = "SELECT id, length(content) FROM uploaded_files"
                                " WHERE session_row = ?1 ORDER BY id DESC LIMIT ?2";
static const char SQL_DELETE_FILES[] =
    "DELETE FROM uploaded_files WHERE session_row = ?1 AND id >= ?2";
static const char SQL_KEYS[] = "SELECT file_key FROM removed_files ORDER BY file_key LIMIT ?1";
static const char SQL_DELETE_KEY[] = "DELETE FROM removed_files WHERE file_key = ?1";
static const char SQL_MESSAGES[] =
    "SELECT id, length(content) + length(reasoning) + length(tool_calls) FROM chat_messages"
    " WHERE session_row = ?1 ORDER BY id DESC LIMIT ?2";
static const char SQL_DELETE_MESSAGES[] =
    "DELETE FROM chat_messages WHERE session_row = ?1 AND id >= ?2";
static const char SQL_DELETE_SESSION[] =
    "DELETE FROM chat_sessions WHERE id = ?1 AND user_id IS NULL";

/* ---- from one thing to the next ---- */

static void go_on(struct tt_deleted_sessions *deleted, enum tt_deleted_step step, uint64_t delay_ms)
{
    deleted->step = step;
    if (!deleted->stopped)
        tt_timer_start(deleted->loop, &deleted->timer, delay_ms);
}

/* Jobs may be short: a pause that is not would let more be deleted than is removed. */
static void go_on_after_job(struct tt_deleted_sessions *deleted, enum tt_deleted_step step)
{
    uint64_t pause = (tt_loop_now(deleted->loop) - deleted->submitted_ms) * PAUSES;
    go_on(deleted, step, pause < PAUSE_MS ? pause : PAUSE_MS);
}

static void idle(struct tt_deleted_sessions *deleted)
{
    deleted->jobs_seen = deleted->jobs;
    go_on(deleted, TT_DELETED_LOOK, LOOK_MS);
}

/* From the beginning, later. */
static void give_up(struct tt_deleted_sessions *deleted, const struct tt_err *err)
{
    tt_log(TT_LOG_WARN, "what deleted sessions left was not removed", TT_F_Z("code", err->code),
           TT_F_Z("error", err->message));
    deleted->jobs_seen = UINT64_MAX;
    deleted->session_row = 0;
    deleted->count = deleted->at = 0;
    go_on(deleted, TT_DELETED_LOOK, LOOK_MS);
}

static void ask(struct tt_deleted_sessions *deleted, struct tt_str sql,
                const struct tt_db_value *values, size_t count, tt_db_rows_fn *on_rows)
{
    struct tt_db_query query = {
        .sql = sql, .values = values, .count = count, .in_background = true};
    struct tt_db_pending *pending = NULL;
    struct tt_err err = {0};

    if (tt_db_read(deleted->db, deleted->loop, &query, on_rows, deleted, &pending, &err) != 0)
        give_up(deleted, &err);
    else if (pending)
        deleted->pending = pending;
}

static void submit(struct tt_deleted_sessions *deleted, struct tt_db_job *job,
                   void (*on_done)(struct tt_db_job *job, void *arg))
{
    struct tt_err err = {0};

    tt_db_job_use_reserve(job);
    deleted->submitted_ms = tt_loop_now(deleted->loop);
    if (tt_db_submit(deleted->db, deleted->loop, job, on_done, deleted, &err) == 0) {
        deleted->running = true;
        return;
    }
    tt_db_job_free(job);
    give_up(deleted, &err);
}

/* What every answer begins with. False: it failed, or nothing is to be begun any more. */
static bool job_went_well(struct tt_deleted_sessions *deleted, const struct tt_db_job *job)
{
    const struct tt_err *err = tt_db_job_error(job);

    deleted->running = false;
    if (err && !deleted->stopped)
        give_up(deleted, err);
    return !err && !deleted->stopped;
}

/* ---- a session's rows ---- */

/* The rows that were read are all that are left: nothing refers to the session but them, and since
 * it is nobody's, nobody adds one. */
static bool has_all_rows(const struct tt_deleted_sessions *deleted)
{
    return deleted->at == deleted->count && deleted->count < TT_DELETED_ROWS_READ;
}

static void add_row(struct tt_deleted_sessions *deleted, struct tt_db_job *job)
{
    const struct tt_db_value row = tt_db_int(deleted->session_row);
    tt_db_job_add(job, TT_STR(SQL_DELETE_SESSION), &row, 1, -1);
}

static void on_row(struct tt_db_job *job, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;

    if (!job_went_well(deleted, job))
        return;
    deleted->session_row = 0;
    go_on_after_job(deleted, ++deleted->sessions % KEYS_EACH ? TT_DELETED_LOOK : TT_DELETED_KEYS);
}

static void on_slice(struct tt_db_job *job, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;
    if (job_went_well(deleted, job))
        go_on_after_job(deleted, deleted->step + has_all_rows(deleted));
}

static void submit_slice(struct tt_deleted_sessions *deleted)
{
    struct tt_db_job *job = tt_db_job_new();
    size_t from = deleted->at;
    int64_t chars = 0;

    do
        chars += deleted->sizes[deleted->at++];
    while (deleted->at < deleted->count && deleted->at - from < SLICE_ROWS &&
           chars + deleted->sizes[deleted->at] <= SLICE_CHARS);
    const struct tt_db_value values[] = {tt_db_int(deleted->session_row),
                                         tt_db_int(deleted->ids[deleted->at - 1])};
    tt_db_job_add(job,
                  deleted->step == TT_DELETED_FILES ? TT_STR(SQL_DELETE_FILES)
                                                    : TT_STR(SQL_DELETE_MESSAGES),
                  values, TT_COUNT(values), -1);
    bool is_last = deleted->step == TT_DELETED_MESSAGES && has_all_rows(deleted);
    if (is_last)
        add_row(deleted, job);
    submit(deleted, job, is_last ? on_row : on_slice);
}

static void on_sizes(struct tt_db_rows *rows, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;
    struct tt_err err = {0};
    int more;

    deleted->pending = NULL;
    deleted->count = deleted->at = 0;
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW && deleted->count < TT_DELETED_ROWS_READ) {
        deleted->ids[deleted->count] = rows->values[0].integer;
        deleted->sizes[deleted->count++] = rows->values[1].integer;
    }
    if (more == TT_DB_FAILED)
        give_up(deleted, &err);
    else if (deleted->count > 0)
        submit_slice(deleted);
    else
        go_on(deleted, deleted->step + 1, 0);
}

static void remove_rows(struct tt_deleted_sessions *deleted)
{
    const struct tt_db_value values[] = {tt_db_int(deleted->session_row),
                                         tt_db_int(TT_DELETED_ROWS_READ)};
    if (deleted->at < deleted->count)
        submit_slice(deleted);
    else
        ask(deleted, deleted->step == TT_DELETED_FILES ? TT_STR(SQL_FILES) : TT_STR(SQL_MESSAGES),
            values, TT_COUNT(values), on_sizes);
}

/* It has no messages. */
static void remove_row(struct tt_deleted_sessions *deleted)
{
    struct tt_db_job *job = tt_db_job_new();

    add_row(deleted, job);
    submit(deleted, job, on_row);
}

/* ---- bytes of files ---- */

/* Those that were after a session are followed by the next one, if there is one. */
static void after_keys(struct tt_deleted_sessions *deleted)
{
    if (deleted->sessions == 0) {
        idle(deleted);
        return;
    }
    deleted->sessions = 0;
    go_on(deleted, TT_DELETED_LOOK, 0);
}

static void on_keys_gone(struct tt_db_job *job, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;
    if (job_went_well(deleted, job))
        go_on_after_job(deleted, TT_DELETED_KEYS);
}

static void on_bytes_gone(void *arg, struct tt_buf *data, const struct tt_err *err)
{
    struct tt_deleted_sessions *deleted = arg;
    (void)data;

    deleted->file_job = NULL;
    if (err) { /* with the next deletion, or at the next start */
        tt_log(TT_LOG_WARN, "bytes of deleted files were not removed", TT_F_Z("code", err->code),
               TT_F_Z("error", err->message));
        after_keys(deleted);
        return;
    }
    struct tt_db_job *job = tt_db_job_new();
    for (size_t at = 0; at < deleted->keys.len;) {
        struct tt_str key = tt_str_from(deleted->keys.data + at);
        const struct tt_db_value value = tt_db_text(key);
        tt_db_job_add(job, TT_STR(SQL_DELETE_KEY), &value, 1, -1);
        at += key.len + 1;
    }
    submit(deleted, job, on_keys_gone);
}

static void remove_bytes(struct tt_deleted_sessions *deleted)
{
    struct tt_str keys[SLICE_KEYS];
    struct tt_err err = {0};
    size_t count = 0;

    for (size_t at = 0; at < deleted->keys.len && count < SLICE_KEYS; at += keys[count++].len + 1)
        keys[count] = tt_str_from(deleted->keys.data + at);
    deleted->file_job = tt_file_remove_start(deleted->file_aux, deleted->loop, deleted->store, keys,
                                             count, on_bytes_gone, deleted, &err);
    if (!deleted->file_job)
        give_up(deleted, &err);
}

static void on_keys(struct tt_db_rows *rows, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;
    struct tt_err err = {0};
    int more;

    deleted->pending = NULL;
    tt_buf_clear(&deleted->keys);
    while ((more = tt_db_next(rows, &err)) == TT_DB_ROW) {
        tt_buf_append_str(&deleted->keys, rows->values[0].text);
        tt_buf_putc(&deleted->keys, '\0');
    }
    if (more == TT_DB_FAILED)
        give_up(deleted, &err);
    else if (deleted->keys.len > 0)
        remove_bytes(deleted);
    else
        after_keys(deleted);
}

static void ask_keys(struct tt_deleted_sessions *deleted)
{
    const struct tt_db_value limit = tt_db_int(SLICE_KEYS);
    ask(deleted, TT_STR(SQL_KEYS), &limit, 1, on_keys);
}

/* ---- the look ---- */

static void on_session(struct tt_db_rows *rows, void *arg)
{
    struct tt_deleted_sessions *deleted = arg;
    struct tt_err err = {0};
    int more = tt_db_next(rows, &err);

    deleted->pending = NULL;
    if (more == TT_DB_FAILED) {
        give_up(deleted, &err);
        return;
    }
    deleted->session_row = more == TT_DB_ROW ? rows->values[0].integer : 0;
    go_on(deleted, deleted->session_row ? TT_DELETED_FILES : TT_DELETED_KEYS, 0);
}

static void look(struct tt_deleted_sessions *deleted)
{
    struct tt_db_stats stats;

    tt_db_stats(deleted->db, &stats);
    deleted->jobs = stats.jobs;
    if (stats.jobs == deleted->jobs_seen)
        idle(deleted);
    else
        ask(deleted, TT_STR(SQL_SESSION), NULL, 0, on_session);
}

static void on_due(struct tt_timer *timer)
{
    struct tt_deleted_sessions *deleted = TT_CONTAINER_OF(timer, struct tt_deleted_sessions, timer);

    switch (deleted->step) {
    case TT_DELETED_LOOK:
        look(deleted);
        break;
    case TT_DELETED_FILES:
    case TT_DELETED_MESSAGES:
        remove_rows(deleted);
        break;
    case TT_DELETED_KEYS:
        ask_keys(deleted);
        break;
    case TT_DELETED_ROW:
        remove_row(deleted);
        break;
    }
}

void tt_deleted_sessions_start(struct tt_deleted_sessions *deleted, struct tt_db *db,
                               struct tt_loop *loop, struct tt_store *store,
                               struct tt_aux *file_aux)
{
    deleted->db = db;
    deleted->loop = loop;
    deleted->store = store;
    deleted->file_aux = file_aux;
    deleted->started = true;
    deleted->jobs_seen = UINT64_MAX; /* the last run may have left some */
    deleted->timer.on_due = on_due;
    tt_timer_start(loop, &deleted->timer, 0);
}

void tt_deleted_sessions_stop(struct tt_deleted_sessions *deleted)
{
    if (!deleted->started || deleted->stopped)
        return;
    deleted->stopped = true;
    tt_timer_stop(&deleted->timer);
    if (deleted->pending)
        tt_db_pending_cancel(deleted->pending);
    if (deleted->file_job)
        tt_file_job_cancel(deleted->file_job);
    tt_buf_free(&deleted->keys);
}
