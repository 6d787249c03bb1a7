/* Inspects a database before anything is created: whether there is data that could be lost. Creates
 * and changes nothing. The names of tables are those of the first migrations. */
#pragma once
#include "db/db.h"

struct tt_db_contents {
    bool missing;        /* it does not exist */
    bool empty;          /* it exists, but was never migrated */
    bool log_left;       /* it is missing or empty, but its write-ahead log exists */
    bool has_users;      /* at least one */
    int64_t unreadable;  /* stored API keys that were sealed with a key other than `seal_id` */
    char sealed_with[9]; /* the id of one such key */
    bool replicated;     /* commits wait for another machine */
    bool accepted;       /* the last call of tt_db_accept_seal_key was with `seal_id` */
};

/* `seal_id`: the id of the current key (struct tt_keys), "" if there is none: then every stored API
 * key counts as unreadable. Fails: "database_unavailable" (503), it exists and cannot be read.
 * Thread: main, blocking. */
int tt_db_inspect(const char *url, const char *seal_id, struct tt_db_contents *contents,
                  struct tt_err *err);

/* Records in a migrated database that it is served with this key although stored API keys were
 * sealed with others. Only the last such record counts. Waits, running the loop. Thread: the
 * loop's. */
int tt_db_accept_seal_key(struct tt_db *db, struct tt_loop *loop, const char *seal_id,
                          struct tt_err *err);
