/* Work on stored files from a loop: one call, one job on an aux pool, one answer on the loop. */
#pragma once
#include "files/extract.h"
#include "files/store.h"
#include "loop/aux.h"

struct tt_file_job;

/* The answer, on the loop, never from inside the starting call. err NULL = done. `data` is the
 * text, the image, the bytes or the new key (empty for a removal) and may be taken with
 * tt_buf_take; it is freed after this. The job no longer exists. */
typedef void tt_file_done_fn(void *arg, struct tt_buf *data, const struct tt_err *err);

/* `owner`: whose turn it takes, see loop/aux.h. All return the job, for tt_file_job_cancel.
 * Owns: itself, until on_done returned. Fails: NULL with "busy" (503) when the pool is full; errors
 * of the store and the extraction come in on_done. Thread: loop. */

/* The text of a file (tt_extract_text). Up to 20 s: use an aux pool for nothing else. */
struct tt_file_job *tt_file_text_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                       struct tt_store *store, struct tt_str key,
                                       struct tt_str extension,
                                       const struct tt_extract_limits *limits,
                                       tt_file_done_fn *on_done, void *arg, struct tt_err *err);

/* An image of at most `max` bytes as a data URL (RFC 2397): "data:image/png;base64,…". Its first
 * bytes decide whether it is PNG, JPEG, GIF or WebP, whatever its name; other bytes are
 * "image_unreadable" (422). */
struct tt_file_job *tt_file_image_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                        struct tt_store *store, struct tt_str key, size_t max,
                                        tt_file_done_fn *on_done, void *arg, struct tt_err *err);

/* At most `length` bytes from `offset` on, see tt_store_read_part. `size` (may be NULL) is set on
 * the loop, before on_done. */
struct tt_file_job *tt_file_read_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                       struct tt_store *store, struct tt_str key, uint64_t offset,
                                       size_t length, uint64_t *size, tt_file_done_fn *on_done,
                                       void *arg, struct tt_err *err);

/* Stores a copy of the bytes as a new file; its key is the answer. When nobody waits any more the
 * file is removed, at the latest at the next start. */
struct tt_file_job *tt_file_write_start(struct tt_aux *aux, struct tt_loop *loop, uint64_t owner,
                                        struct tt_store *store, struct tt_str bytes,
                                        tt_file_done_fn *on_done, void *arg, struct tt_err *err);
/* "image/png", "image/jpeg", "image/gif" or "image/webp", which the first bytes decide; NULL: it is
 * none of them. Thread: any. */
const char *tt_file_image_type(struct tt_str bytes);

/* Removes files, after their rows; all of them are tried, and the first failure is reported.
 * on_done may be NULL. Files that could not be removed (also when the pool is full) are swept at
 * the next start. */
struct tt_file_job *tt_file_remove_start(struct tt_aux *aux, struct tt_loop *loop,
                                         struct tt_store *store, const struct tt_str *keys,
                                         size_t count, tt_file_done_fn *on_done, void *arg,
                                         struct tt_err *err);

/* Cancels: on_done does not come. A removal is still completed once it has begun; a child process
 * of an extraction is killed. Not after on_done. Thread: loop. */
void tt_file_job_cancel(struct tt_file_job *job);
