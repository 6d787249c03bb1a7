/* Copying all rows from one database to another, which may be of another kind. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define TT_TRANSFER_HASH 65 /* hex digits and a NUL */

struct tt_transferred { /* a table, after the copy */
    struct tt_str table;
    int64_t rows;
    char
        hash[TT_TRANSFER_HASH]; /* of all values, in no order of the rows; the same on both sides */
};

/* Both databases are migrated to the same version, no server uses them, and `to` has no users. Ids
 * stay, and those of deleted rows are not given out again. The search index is not copied: the
 * server builds it. Each table is read again from `to` and compared. Fails: "transfer_failed",
 * "database_unavailable", errors of jobs. Thread: any, blocking. */
int tt_db_transfer(const char *from_url, const char *to_url,
                   void (*on_table)(void *arg, const struct tt_transferred *table), void *arg,
                   struct tt_err *err);
