/* What a database holds, looked at before anything is made of it: whether there is something to
 * lose. Creates and changes nothing. The names of tables are those of the first migrations. */
#pragma once
#include "db/db.h"

struct tt_db_contents {
    bool missing;        /* there is none */
    bool empty;          /* there is one, but it was never migrated */
    bool log_left;       /* it is missing or empty, but its write-ahead log is not */
    bool has_users;      /* at least one */
    int64_t unreadable;  /* stored API keys that were sealed with another key than `seal_id` */
    char sealed_with[9]; /* the id of one such key */
    bool accepted;       /* tt_db_accept_seal_key was called with `seal_id` last */
};

/* `seal_id`: of the key in force (struct tt_keys), "" when there is none: then every stored API key
 * counts as unreadable. Fails: "database_unavailable" (503), it is there and cannot be read.
 * Thread: main, blocking. */
int tt_db_inspect(const char *url, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err);

/* Notes in a migrated database that it is served with this key although stored API keys were sealed
 * with others. Only the last such note counts. Waits, turning the loop. Thread: the loop's. */
int tt_db_accept_seal_key(struct tt_db *db, struct tt_loop *loop, const char *seal_id,
                          struct tt_err *err);
