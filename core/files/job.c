/* The blocking calls of the store and of the extraction as jobs. Everything that a job needs is
 * copied into it, so that nobody has to wait for it; only store, pool and loop must outlive it. */
#include "files/job.h"

#include "base/arena.h"
#include "base/encode.h"
#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

struct tt_file_job {
    struct tt_aux_job job;
    struct tt_store *store;
    struct tt_arena arena; /* keys and texts */
    const struct tt_str *keys;
    size_t count;
    struct tt_str extension;
    struct tt_extract_limits limits;
    uint64_t offset; /* of what is read */
    size_t length;
    uint64_t size, *size_to; /* of the whole file; where the asker wants it */
    struct tt_str bytes;     /* that are written */
    struct tt_buf data;
    struct tt_err err;
    tt_file_done_fn *on_done; /* NULL: nobody asks */
    void *arg;
};

static void release(struct tt_file_job *self)
{
    tt_buf_free(&self->data);
    tt_arena_destroy(&self->arena);
    free(self);
}

static void on_drop(struct tt_aux_job *job)
{
    release(TT_CONTAINER_OF(job, struct tt_file_job, job));
}

static void done(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    bool asked = self->on_done && !tt_aux_cancelled(job);
    if (asked && self->size_to)
        *self->size_to = self->size;
    if (asked)
        self->on_done(self->arg, &self->data, self->err.status ? &self->err : NULL);
    release(self);
}

static struct tt_file_job *job_new(struct tt_store *store, const struct tt_str *keys, size_t count,
                                   tt_file_done_fn *on_done, void *arg)
{
    struct tt_file_job *self = TT_NEW(struct tt_file_job);
    struct tt_str *copies = tt_arena_alloc(&self->arena, (count + 1) * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = tt_arena_str(&self->arena, keys[i]);
    self->store = store;
    self->keys = copies;
    self->count = count;
    self->on_done = on_done;
    self->arg = arg;
    self->job.done = done;
    self->job.drop = on_drop;
    return self;
}

static struct tt_file_job *submit(struct tt_file_job *self, struct tt_aux *aux,
                                  struct tt_loop *loop, void (*run)(struct tt_aux_job *job),
                                  struct tt_err *err)
{
    self->job.run = run;
    if (tt_aux_submit(aux, loop, &self->job, err) == 0)
        return self;
    release(self);
    return NULL;
}

/* ---- images ---- */

const char *tt_file_image_type(struct tt_str bytes)
{
    if (tt_str_starts(bytes, TT_STR("\x89PNG\r\n\x1a\n")))
        return "image/png";
    if (tt_str_starts(bytes, TT_STR("\xff\xd8\xff")))
        return "image/jpeg";
    if (tt_str_starts(bytes, TT_STR("GIF87a")) || tt_str_starts(bytes, TT_STR("GIF89a")))
        return "image/gif";
    if (bytes.len > 12 && tt_str_starts(bytes, TT_STR("RIFF")) &&
        memcmp(bytes.data + 8, "WEBP", 4) == 0)
        return "image/webp";
    return NULL;
}

static void image_run(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    struct tt_buf bytes = {.max = self->data.max};
    self->data.max = 0;
    if (tt_store_read(self->store, self->keys[0], &bytes, &self->err) == 0) {
        const char *type = tt_file_image_type(tt_buf_str(&bytes));
        if (type) {
            tt_buf_printf(&self->data, "data:%s;base64,", type);
            tt_base64_encode(tt_buf_str(&bytes), TT_BASE64, &self->data);
        } else {
            tt_err_set(&self->err, 422, "image_unreadable", "no PNG, JPEG, GIF or WebP");
        }
    }
    tt_buf_free(&bytes);
}

struct tt_file_job *tt_file_image_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                        struct tt_store *store, struct tt_str key, size_t max,
                                        tt_file_done_fn *on_done, void *arg, struct tt_err *err)
{
    struct tt_file_job *self = job_new(store, &key, 1, on_done, arg);
    self->job.owner = owner;
    self->data.max = max > 0 ? max : 1;
    return submit(self, aux, loop, image_run, err);
}

/* ---- texts ---- */

static bool text_stopped(void *arg)
{
    return tt_aux_cancelled(arg);
}

static void text_run(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    const struct tt_extract_stop stop = {text_stopped, job};
    int fd = tt_store_open_file(self->store, self->keys[0], NULL, &self->err);
    if (fd < 0)
        return;
    tt_extract_text(fd, self->extension, &self->limits, &stop, &self->data, &self->err);
    close(fd);
}

struct tt_file_job *tt_file_text_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                       struct tt_store *store, struct tt_str key,
                                       struct tt_str extension,
                                       const struct tt_extract_limits *limits,
                                       tt_file_done_fn *on_done, void *arg, struct tt_err *err)
{
    struct tt_file_job *self = job_new(store, &key, 1, on_done, arg);
    self->job.owner = owner;
    self->extension = tt_arena_str(&self->arena, extension);
    if (limits)
        self->limits = *limits;
    if (self->limits.pdftotext)
        self->limits.pdftotext =
            tt_arena_strndup(&self->arena, self->limits.pdftotext, strlen(self->limits.pdftotext));
    self->data.max = SIZE_MAX - 1; /* text_max is the limit; no memory: refused, no abort */
    return submit(self, aux, loop, text_run, err);
}

/* ---- bytes ---- */

static void read_run(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    tt_store_read_part(self->store, self->keys[0], self->offset, self->length, &self->data,
                       &self->size, &self->err);
}

struct tt_file_job *tt_file_read_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                       struct tt_store *store, struct tt_str key, uint64_t offset,
                                       size_t length, uint64_t *size, tt_file_done_fn *on_done,
                                       void *arg, struct tt_err *err)
{
    struct tt_file_job *self = job_new(store, &key, 1, on_done, arg);
    self->job.owner = owner;
    self->offset = offset;
    self->length = length;
    self->size_to = size;
    self->data.max = SIZE_MAX - 1; /* no memory: refused, no abort */
    return submit(self, aux, loop, read_run, err);
}

static void write_run(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    struct tt_store_file *file = tt_store_create(self->store, self->bytes.len, &self->err);
    if (!file)
        return;
    tt_buf_append_str(&self->data, tt_str_from(tt_store_file_key(file)));
    if (tt_store_append(file, self->bytes, &self->err) != 0)
        tt_store_discard(file);
    else if (tt_store_commit(file, &self->err) == 0 && tt_aux_cancelled(job))
        tt_store_remove(self->store, tt_buf_str(&self->data), NULL);
}

struct tt_file_job *tt_file_write_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                        struct tt_store *store, struct tt_str bytes,
                                        tt_file_done_fn *on_done, void *arg, struct tt_err *err)
{
    struct tt_file_job *self = job_new(store, NULL, 0, on_done, arg);
    self->job.owner = owner;
    self->bytes = tt_arena_str(&self->arena, bytes);
    return submit(self, aux, loop, write_run, err);
}

/* ---- removing ---- */

static void remove_run(struct tt_aux_job *job)
{
    struct tt_file_job *self = TT_CONTAINER_OF(job, struct tt_file_job, job);
    for (size_t i = 0; i < self->count; i++)
        tt_store_remove(self->store, self->keys[i], self->err.status ? NULL : &self->err);
}

struct tt_file_job *tt_file_remove_start(struct tt_aux *aux, struct tt_loop *loop,
                                         struct tt_store *store, const struct tt_str *keys,
                                         size_t count, tt_file_done_fn *on_done, void *arg,
                                         struct tt_err *err)
{
    return submit(job_new(store, keys, count, on_done, arg), aux, loop, remove_run, err);
}

void tt_file_job_cancel(struct tt_file_job *job)
{
    tt_aux_cancel(&job->job);
}
