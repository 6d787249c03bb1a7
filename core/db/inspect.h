/* What a database holds, looked at before anything is made of it: whether there is something to
 * lose. Creates and changes nothing. The names of tables are those of the first migrations. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct tt_db_contents {
    bool missing;        /* there is no file */
    bool empty;          /* there is one, but it has no bytes or was never migrated */
    bool log_left;       /* no file or no bytes, but a write-ahead log that has some */
    bool has_users;      /* at least one */
    int64_t unreadable;  /* stored API keys that were sealed with another key than `seal_id` */
    char sealed_with[9]; /* the id of one such key */
    bool accepted;       /* tt_db_accept_seal_key was called with `seal_id` last */
};

/* `seal_id`: of the key in force (struct tt_keys), "" when there is none: then every stored API key
 * counts as unreadable. Fails: "database_unavailable" (503), the file is there and cannot be read.
 * Thread: main, blocking. */
int tt_db_inspect(const char *path, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err);

/* Notes in a migrated database that it is served with this key although stored API keys were sealed
 * with others. Only the last such note counts. Thread: main, blocking. */
int tt_db_accept_seal_key(const char *path, const char *seal_id, struct tt_err *err);
