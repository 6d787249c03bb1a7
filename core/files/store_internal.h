/* Shared by the files of the store and visible to its tests. Nothing outside core/files and
 * tests/unit/files includes this. */
#pragma once
#include "base/map.h"
#include "files/store.h"

#include <pthread.h>

#define TT_STORE_SHARDS 256
#define TT_STORE_PATH   48 /* "ab/.<key>.tmp" and a NUL fit */

struct tt_store {
    int dir; /* of the folder */
    pthread_mutex_t lock;
    struct tt_map *young; /* keys created by this process; NULL after the sweep. Under the lock */
};

/* Turns errno into err: "disk_full" or "store_failed". Always -1. */
int tt_store_fail(struct tt_err *err, const char *what, int reason);

/* For tests: called after each step that changes the disk, with its name; a test kills the process
 * there. NULL in a server. */
extern void (*tt_store_after_step)(const char *step);

static inline void tt_store_step(const char *step)
{
    if (tt_store_after_step)
        tt_store_after_step(step);
}
