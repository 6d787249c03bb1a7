/* One job in flight for each upload; bytes that arrive meanwhile wait in a separate buffer, and the
 * two are swapped when the next job is submitted. While a job is in flight the file and the
 * `writing` buffer are its alone. When the pool is full, a timer tries again, because the middle of
 * an upload is a bad time to refuse one. The owner may leave at any time: then the struct lives on
 * until the job is back, and a last job removes the file from the disk. */
#include "files/upload.h"

#include "base/mem.h"

#include <stdlib.h>

#define RETRY_MS    20
#define RETRIES_MAX 250 /* 5 s */

struct tt_upload {
    struct tt_aux_job job;
    struct tt_store *store;
    struct tt_aux *aux;
    struct tt_loop *loop;
    struct tt_upload_handler handler;
    struct tt_timer retry;
    int retries;
    uint64_t size, max;
    struct tt_buf waiting;    /* loop */
    bool in_flight, orphaned; /* a job is out or to be retried; the owner has left */
    bool pool_gone;           /* the job was dropped */
    bool commit_asked;        /* loop */
    bool committed, told;     /* in the store; the owner knows it */
    struct tt_err failure;    /* loop; status 0 = none */
    struct tt_buf writing;    /* the job's, as all below */
    struct tt_store_file *file;
    bool commit_now;
    struct tt_err job_failure;
    char key[TT_STORE_KEY_SIZE];
};

static void submit(struct tt_upload *upload);

static void release(struct tt_upload *upload)
{
    tt_buf_free(&upload->waiting);
    tt_buf_free(&upload->writing);
    free(upload);
}

/* ---- on an aux thread ---- */

static void write_run(struct tt_aux_job *job)
{
    struct tt_upload *upload = TT_CONTAINER_OF(job, struct tt_upload, job);
    struct tt_err *err = &upload->job_failure;
    if (!upload->file)
        upload->file = tt_store_create(upload->store, upload->max, err);
    if (!upload->file)
        return;
    int rc = tt_store_append(upload->file, tt_buf_str(&upload->writing), err);
    if (rc == 0 && !upload->commit_now)
        return;
    if (rc == 0) {
        memcpy(upload->key, tt_store_file_key(upload->file), TT_STORE_KEY_SIZE);
        upload->committed = tt_store_commit(upload->file, err) == 0;
    } else {
        tt_store_discard(upload->file);
    }
    upload->file = NULL;
}

/* The last job of an upload whose owner has left. Also called by the pool's end (drop). */
static void remove_run(struct tt_aux_job *job)
{
    struct tt_upload *upload = TT_CONTAINER_OF(job, struct tt_upload, job);
    tt_store_discard(upload->file);
    if (upload->committed && !upload->told)
        tt_store_remove(upload->store, tt_str_from(upload->key), NULL);
    release(upload);
}

/* ---- on the loop ---- */

static void on_drop(struct tt_aux_job *job)
{
    struct tt_upload *upload = TT_CONTAINER_OF(job, struct tt_upload, job);
    if (upload->orphaned) {
        remove_run(job);
        return;
    }
    upload->in_flight = false;
    upload->pool_gone = true;
    tt_err_set(&upload->failure, 503, "busy", "the pool for file work has ended");
}

/* The upload may be gone after this. */
static void tell(struct tt_upload *upload)
{
    const struct tt_upload_handler handler = upload->handler;
    const struct tt_err failure = upload->failure;
    bool failed = failure.status != 0;
    if (upload->commit_asked) {
        upload->told = upload->committed;
        handler.on_committed(handler.arg, failed ? &failure : NULL);
    } else if (handler.on_drained) {
        handler.on_drained(handler.arg);
    }
}

/* Leaves: removes in the background what is on disk. */
static void clean_up(struct tt_upload *upload)
{
    bool on_disk = upload->file || (upload->committed && !upload->told);
    upload->orphaned = true;
    if (!on_disk) {
        release(upload);
    } else if (upload->pool_gone) {
        remove_run(&upload->job);
    } else {
        upload->job.run = remove_run;
        upload->job.done = NULL;
        submit(upload);
    }
}

static void write_done(struct tt_aux_job *job)
{
    struct tt_upload *upload = TT_CONTAINER_OF(job, struct tt_upload, job);
    upload->in_flight = false;
    upload->retries = 0;
    tt_buf_clear(&upload->writing);
    if (upload->orphaned) {
        clean_up(upload);
        return;
    }
    if (upload->job_failure.status != 0)
        upload->failure = upload->job_failure;
    bool more = upload->waiting.len > 0 || (upload->commit_asked && !upload->committed);
    if (more && upload->failure.status == 0)
        submit(upload);
    else
        tell(upload);
}

static void on_retry(struct tt_timer *timer)
{
    submit(TT_CONTAINER_OF(timer, struct tt_upload, retry));
}

/* Sends the job out; keeps asking a full pool. In flight afterwards, unless it gave up. */
static void submit(struct tt_upload *upload)
{
    struct tt_err err;
    if (upload->job.done) {
        if (upload->writing.len == 0) {
            struct tt_buf empty = upload->writing;
            upload->writing = upload->waiting;
            upload->waiting = empty;
        }
        upload->commit_now = upload->commit_asked && upload->waiting.len == 0;
    }
    upload->in_flight = true;
    bool last = !upload->job.done;
    if (tt_aux_submit(upload->aux, upload->loop, &upload->job, &err) == 0)
        return; /* the last job frees the upload, and may have done so */
    if (!last && ++upload->retries > RETRIES_MAX) {
        upload->in_flight = false;
        upload->failure = err;
        tell(upload);
    } else {
        tt_timer_start(upload->loop, &upload->retry, RETRY_MS);
    }
}

struct tt_upload *tt_upload_new(struct tt_store *store, struct tt_aux *aux, struct tt_loop *loop,
                                uint64_t owner, uint64_t max,
                                const struct tt_upload_handler *handler)
{
    struct tt_upload *upload = TT_NEW(struct tt_upload);
    upload->store = store;
    upload->aux = aux;
    upload->loop = loop;
    upload->max = max;
    upload->handler = *handler;
    upload->retry.on_due = on_retry;
    upload->job.owner = owner;
    upload->job.run = write_run;
    upload->job.done = write_done;
    upload->job.drop = on_drop;
    upload->waiting.max = upload->writing.max = SIZE_MAX - 1; /* no memory: refused, no abort */
    return upload;
}

static int check_alive(const struct tt_upload *upload, struct tt_err *err)
{
    if (upload->failure.status != 0) {
        if (err)
            *err = upload->failure;
        return -1;
    }
    if (upload->commit_asked)
        return tt_err_set(err, 500, "store_failed", "the upload was committed already");
    return 0;
}

int tt_upload_append(struct tt_upload *upload, struct tt_str bytes, struct tt_err *err)
{
    if (check_alive(upload, err) != 0)
        return -1;
    if (bytes.len > upload->max - upload->size)
        return tt_err_set(err, 413, "file_too_large", "the file is longer than %llu bytes",
                          (unsigned long long)upload->max);
    if (tt_buf_append_str(&upload->waiting, bytes) != 0)
        return tt_err_set(err, 503, "busy", "no memory for an upload");
    upload->size += bytes.len;
    if (!upload->in_flight && bytes.len > 0)
        submit(upload);
    return 0;
}

size_t tt_upload_pending(const struct tt_upload *upload)
{
    return upload->waiting.len + upload->writing.len;
}

uint64_t tt_upload_size(const struct tt_upload *upload)
{
    return upload->size;
}

int tt_upload_commit(struct tt_upload *upload, struct tt_err *err)
{
    if (check_alive(upload, err) != 0)
        return -1;
    upload->commit_asked = true;
    if (!upload->in_flight)
        submit(upload);
    return 0;
}

const char *tt_upload_key(const struct tt_upload *upload)
{
    return upload->told ? upload->key : "";
}

void tt_upload_free(struct tt_upload *upload)
{
    if (!upload)
        return;
    upload->orphaned = true;
    bool retrying = upload->retry.due_ms != 0;
    tt_timer_stop(&upload->retry);
    if (upload->in_flight && !retrying)
        tt_aux_cancel(&upload->job); /* write_done comes and cleans up */
    else
        clean_up(upload);
}
