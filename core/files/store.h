/* Bytes of uploaded files under random keys: <folder>/ab/abcd… (32 hex digits, the first two again
 * as a folder) on a disk, or objects of these names in a bucket (files/s3.h); then the folder only
 * has files that are being written or read. A file is written under a temporary name and gets its
 * key in one rename, after its bytes are on disk: so a file exists if and only if it was committed.
 * A database row says who owns it; the row is written after the commit and deleted before the file.
 * Files that a crash leaves between the two are swept at start. No function accepts a path: keys
 * are checked digit by digit. Everything blocks, so it belongs on aux threads (files/upload.h,
 * files/job.h). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_STORE_KEY_SIZE 33 /* with the NUL */

struct tt_s3;

struct tt_store_place {
    const char *folder;
    struct tt_s3 *s3; /* NULL = the files are in the folder. Lives longer than the store */
    bool shared;      /* other servers use the folder too: nothing younger than a day is swept */
};

struct tt_store;
struct tt_store_file;

/* Opens a store and creates its folders (0700) if they are missing. One per process and folder.
 * Owns: the caller, tt_store_close, after every file of it. Fails: NULL with "store_failed" (500)
 * or "disk_full" (507). Thread: any, blocks. */
struct tt_store *tt_store_open(const struct tt_store_place *place, struct tt_err *err);
void tt_store_close(struct tt_store *store);

/* Whether this could be a key: 32 lower-case hex digits. Thread: any. */
bool tt_store_key_valid(struct tt_str key);

/* With a bucket, all functions below can also fail with "store_unavailable" (503). */

/* ---- writing; one thread at a time for a file, blocks ---- */

/* Begins a file of at most `max` bytes under a new key. Owns: the caller, until tt_store_commit or
 * tt_store_discard. Fails: NULL with "store_failed" or "disk_full" (507). */
struct tt_store_file *tt_store_create(struct tt_store *store, uint64_t max, struct tt_err *err);
const char *tt_store_file_key(const struct tt_store_file *file);

/* Fails: "file_too_large" (413), "disk_full", "store_failed"; the file can then only be discarded.
 */
int tt_store_append(struct tt_store_file *file, struct tt_str bytes, struct tt_err *err);

/* Bytes, name and folder are on disk when it returns 0. Owns: takes the file in any case. Fails:
 * "disk_full", "store_failed"; nothing is left of the file then. */
int tt_store_commit(struct tt_store_file *file, struct tt_err *err);
void tt_store_discard(struct tt_store_file *file); /* NULL is harmless */

/* ---- committed files; any thread, blocks ---- */

/* A descriptor for reading (close-on-exec), -1 with "file_missing" (404; also when the key is not
 * valid) or "store_failed". `size` may be NULL. Owns: the caller, close(2). */
int tt_store_open_file(struct tt_store *store, struct tt_str key, uint64_t *size,
                       struct tt_err *err);

/* Appends the whole file. Fails: like above, or "file_too_large" (413) beyond out->max; out is
 * unchanged then. */
int tt_store_read(struct tt_store *store, struct tt_str key, struct tt_buf *out,
                  struct tt_err *err);

/* Appends at most `length` bytes from `offset` on: fewer, or none, where the file ends. `size` (may
 * be NULL) is that of the whole file. Fails: like tt_store_read. */
int tt_store_read_part(struct tt_store *store, struct tt_str key, uint64_t offset, size_t length,
                       struct tt_buf *out, uint64_t *size, struct tt_err *err);

/* Removes a file; a missing file is not an error. The removal is on disk when it returns 0. */
int tt_store_remove(struct tt_store *store, struct tt_str key, struct tt_err *err);

struct tt_store_swept {
    size_t kept;
    size_t orphans;    /* removed: committed, but without a row */
    size_t unfinished; /* removed: temporary files of an earlier process */
    size_t missing;    /* rows whose file is not there; logged */
    size_t foreign;    /* names that are not ours, left alone; logged */
};
/* Removes files without a row. `next` returns the known keys one after the other (false = no more),
 * read from the database after tt_store_open. Files that this process created are left alone, so it
 * may run beside uploads; call it once per open store. Fails: "store_failed"; removed files stay
 * removed. */
int tt_store_sweep(struct tt_store *store, bool (*next)(void *arg, struct tt_str *key), void *arg,
                   struct tt_store_swept *swept, struct tt_err *err);

/* What is not as it should be in the folder of a store that need not be open: a file without a row,
 * a temporary file, a name that is not the store's, a row whose file is not there. Changes nothing.
 */
enum tt_store_odd { TT_STORE_ORPHAN, TT_STORE_UNFINISHED, TT_STORE_FOREIGN, TT_STORE_MISSING };
/* Compares the folder with the known keys (as tt_store_sweep) and calls `found` for what is odd;
 * the name is "ab/…" of a file, a key of a row. Fails: "store_failed". Thread: any, blocks. */
int tt_store_compare(const struct tt_store_place *place,
                     bool (*next)(void *arg, struct tt_str *key),
                     void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name), void *arg,
                     struct tt_err *err);

struct tt_store_count {
    size_t files; /* committed ones */
    uint64_t bytes;
};
/* Counts the files of a store that is not open; a missing folder counts as empty, and of a bucket
 * 1,000 are enough. Changes nothing. Fails: "store_failed", "store_unavailable". Thread: any,
 * blocks. */
int tt_store_count(const struct tt_store_place *place, struct tt_store_count *count,
                   struct tt_err *err);
