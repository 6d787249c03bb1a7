/* Finding messages by their text, whatever index the engine has. search_index.h describes how the
 * index is updated. */
#pragma once
#include "db/db.h"

struct tt_search {
    int64_t user_id;
    struct tt_str words;   /* as a person typed them; not blank */
    int64_t limit, offset; /* of a page; for a count: its maximum, and unused */
};

/* A page of the user's messages that contain all parts of `words`, newest first, with the columns
 * message_id, session_id, role, title, created_at and snippet (an extract around the match). Calls
 * on_rows and answers as tt_db_read does, but never within the call. */
int tt_search_find(struct tt_db *db, struct tt_loop *loop, const struct tt_search *search,
                   tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                   struct tt_err *err);

/* The number of matches, counted up to `limit`: one row with one integer. As find. */
int tt_search_count(struct tt_db *db, struct tt_loop *loop, const struct tt_search *search,
                    tt_db_rows_fn *on_rows, void *arg, struct tt_db_pending **pending,
                    struct tt_err *err);
