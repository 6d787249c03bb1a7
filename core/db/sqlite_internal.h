/* What a tt_db consists of, for the files of this layer (and for its tests, which break it on
 * purpose). */
#pragma once
#include "db/db.h"
#include "db/sqlite_writer.h"

#include <stdatomic.h>

struct tt_fetch_pool; /* sqlite_fetch.c */

struct tt_db {
    char *path;
    int64_t step_budget;
    struct tt_aux *aux; /* borrowed */
    struct tt_writer *writer;
    struct tt_fetch_pool *pool;
};

/* The limits of one reader's queries; checked every TT_READER_STEPS steps of the virtual machine.
 */
#define TT_READER_STEPS 1000
struct tt_reader_limits {
    int64_t steps;             /* a query may take; 0 = any */
    uint64_t deadline_ms;      /* monotonic; 0 = none */
    atomic_bool *cancelled[2]; /* each may end it; NULL = nobody */
};

/* A reader with other limits than a worker's. */
struct tt_db_reader *tt_reader_open(const char *path, int busy_ms, struct tt_err *err);
void tt_reader_set_limits(struct tt_db_reader *reader, const struct tt_reader_limits *limits);

/* A fetch may outlive tt_db_close in the aux pool's queue, so the pool of readers is counted. */
struct tt_fetch_pool *tt_fetch_pool_new(const char *path);
/* Ends what runs, waits for it, and refuses what comes later. */
void tt_fetch_pool_close(struct tt_fetch_pool *pool);
