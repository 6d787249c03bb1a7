/* The API keys that are stored sealed, one after the other: what each is bound to is known here and
 * in lua/models/user_apis.lua, which seals and opens them. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "db/db.h"

struct tt_sealed_key {
    int64_t id, user_id; /* of the row of user_apis */
    struct tt_str name;  /* of the configuration */
    struct tt_str sealed, bound;
};

/* Calls `visit` for each, by id, until it fails. Waits, running the loop. Fails: codes of reads, or
 * what `visit` failed with. Thread: the loop's. */
int tt_sealed_keys_each(struct tt_db *db, struct tt_loop *loop,
                        int (*visit)(void *arg, const struct tt_sealed_key *key,
                                     struct tt_err *err),
                        void *arg, struct tt_err *err);
