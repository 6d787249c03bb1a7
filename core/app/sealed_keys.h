/* What is stored sealed of API configurations, one after the other: keys, and the values of
 * headers. What each is bound to is known here and in lua/models/api_secrets.lua, which seals and
 * opens them.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "db/db.h"

enum tt_sealed_column { TT_SEALED_KEY, TT_SEALED_MORE_KEYS, TT_SEALED_HEADERS };

struct tt_sealed_key {
    int64_t id, user_id; /* of the row of user_apis */
    struct tt_str name;  /* of the configuration */
    enum tt_sealed_column column;
    struct tt_str sealed, bound;
};

/* Calls `visit` for each, by id, until it fails. Waits, running the loop. Fails: codes of reads, or
 * what `visit` failed with. Thread: the loop's. */
int tt_sealed_keys_each(struct tt_db *db, struct tt_loop *loop,
                        int (*visit)(void *arg, const struct tt_sealed_key *key,
                                     struct tt_err *err),
                        void *arg, struct tt_err *err);

/* The statement that stores another sealed text in the place of this one: new, id, old. */
extern const char *const tt_sealed_keys_replace[];
