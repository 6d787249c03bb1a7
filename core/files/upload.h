/* An upload into the store, driven from a loop: bytes are appended as they arrive and written by
 * aux threads in order, one job at a time, so an upload takes one place of the pool however fast it
 * arrives. The caller stops feeding while much is pending (a suspended connection), and continues
 * at on_drained. */
#pragma once
#include "files/store.h"
#include "loop/aux.h"

struct tt_upload;

/* Both on the loop, never from inside a call of this header; either may call tt_upload_free. */
struct tt_upload_handler {
    /* Nothing is pending any more, or writing failed: then append and commit return the error. May
     * be NULL. */
    void (*on_drained)(void *arg);
    /* After tt_upload_commit returned 0: err NULL = the file is in the store, under its key. */
    void (*on_committed)(void *arg, const struct tt_err *err);
    void *arg;
};

/* Begins a file of at most `max` bytes for `owner` (see loop/aux.h); touches the disk with the
 * first append or the commit. Owns: the caller, tt_upload_free, before tt_aux_free and
 * tt_store_close. Thread: loop, as for all of this header. */
struct tt_upload *tt_upload_new(struct tt_store *store, struct tt_aux *aux, struct tt_loop *loop,
                                uint64_t owner, uint64_t max,
                                const struct tt_upload_handler *handler);

/* Queues a copy of the bytes. Fails: "file_too_large" (413) at once, or the error of an earlier
 * write ("disk_full" 507, "store_failed" 500, "busy" 503: the pool was full for 5 s). */
int tt_upload_append(struct tt_upload *upload, struct tt_str bytes, struct tt_err *err);

/* Bytes that are not written yet: above some 256 KiB stop feeding. */
size_t tt_upload_pending(const struct tt_upload *upload);
uint64_t tt_upload_size(const struct tt_upload *upload); /* bytes appended so far */

/* Writes pending bytes and commits; call it once. Fails: like append, and then on_committed never
 * comes. */
int tt_upload_commit(struct tt_upload *upload, struct tt_err *err);

/* The storage key; "" until on_committed reported success. */
const char *tt_upload_key(const struct tt_upload *upload);

/* Ends it at any time; NULL is harmless, and no callback comes after this. A file that on_committed
 * did not report as committed is removed from the disk; a committed one stays. */
void tt_upload_free(struct tt_upload *upload);
