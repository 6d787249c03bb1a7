/* Shared by the files of the store and visible to its tests. Nothing outside core/files and
 * tests/unit/files includes this. */
#pragma once
#include "base/map.h"
#include "files/store.h"

#include <pthread.h>

#define TT_STORE_SHARDS 256
#define TT_STORE_PATH   48 /* "ab/.<key>.tmp" and a NUL fit */

struct tt_store {
    int dir;          /* of the folder */
    struct tt_s3 *s3; /* NULL = the files are in the folder */
    bool shared;
    pthread_mutex_t lock;
    struct tt_map *young; /* keys created by this process; NULL after the sweep. Under the lock */
    bool named[TT_STORE_SHARDS]; /* the shard's name is on the disk for sure. Under the lock */
};

#define TT_STORE_YOUNG_US (24 * INT64_C(3600000000)) /* other servers may be writing it */

/* Turns errno into err: "disk_full" or "store_failed". Always -1. */
int tt_store_fail(struct tt_err *err, const char *what, int reason);

/* ---- with a bucket: the parts of store.h's functions that are done there (store_bucket.c) ---- */

/* `fd` has the bytes; `path` is "ab/abcd…". */
int tt_store_bucket_put(struct tt_store *store, const char *path, int fd, uint64_t size,
                        struct tt_err *err);
/* A descriptor of a copy without a name. Owns: the caller. */
int tt_store_bucket_open(struct tt_store *store, const char *path, uint64_t *size,
                         struct tt_err *err);
/* Like tt_store_sweep and its kin, once `known` is read. */
int tt_store_bucket_sweep(struct tt_store *store, struct tt_map *known,
                          struct tt_store_swept *swept, struct tt_err *err);
int tt_store_bucket_compare(struct tt_s3 *s3, struct tt_map *known,
                            void (*found)(void *arg, enum tt_store_odd odd, struct tt_str name),
                            void *arg, struct tt_err *err);
int tt_store_bucket_count(struct tt_s3 *s3, struct tt_store_count *count, struct tt_err *err);

/* For tests: called after each step that changes the disk, with its name; a test kills the process
 * there. NULL in a server. */
extern void (*tt_store_after_step)(const char *step);

static inline void tt_store_step(const char *step)
{
    if (tt_store_after_step)
        tt_store_after_step(step);
}
